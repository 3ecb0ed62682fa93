"""A fitted law on disk: a noise preset for tile files, or the noise of a compact model."""

import json
import tomllib
from typing import Any

from calibration.noise_fit import NoiseFit
from tilemodel.compact import CompactModel
from tilemodel.config.noise import NoiseConfig, TelegraphNoise
from tilemodel.config.sources import ParameterSource

__all__ = ["noise_preset_text", "with_fitted_noise"]

_UNITS = ("siemens_per_root_hertz", "per_root_hertz", "second", "hertz", "siemens")


def noise_preset_text(fit: NoiseFit) -> str:
    """The preset: every value with unit, kind "measured" and source. Read it with `[noise] preset = "FILE.toml"`."""
    table = "telegraph" if isinstance(fit.law, TelegraphNoise) else "read"
    lines = [
        f"# Read noise fitted by `tilemodel fit-noise` to {fit.source}",
        *(f"# Not known from these data: {sentence}" for sentence in fit.unknown),
        "",
        _line("t_since_programming_second", 0.0, "assumed", "the data tell read noise only"),
        _line("t_between_passes_second", 0.0, "assumed", "the data tell read noise only"),
        "",
        f"[{table}]",
    ]
    for key, value in fit.law.model_dump(mode="json", exclude_none=True).items():
        lines.append(f'kind = "{value}"' if key == "kind" else _line(key, value, _kind(key), fit.source))
    text = "\n".join(lines) + "\n"
    tomllib.loads(text)  # what is written can be read
    return text


def with_fitted_noise(model: CompactModel, fit: NoiseFit) -> CompactModel:
    """`model` with the fitted law in the place of its tile's read (or telegraph) noise; all else stays."""
    name = "telegraph" if isinstance(fit.law, TelegraphNoise) else "read"
    other = {"read": "telegraph", "telegraph": "read"}[name]
    old = model.tile.noise or NoiseConfig(t_since_programming_second=0.0, t_between_passes_second=0.0)
    noise = old.model_copy(update={name: fit.law, other: None})
    replaced = ("noise.read.", "noise.telegraph.")
    sources = {key: item for key, item in model.tile.sources.items() if not key.startswith(replaced)}
    for key in fit.law.model_dump(exclude_none=True):
        if key != "kind":
            sources[f"noise.{name}.{key}"] = ParameterSource(kind=_kind(key), source=fit.source)
    tile = type(model.tile)(
        **{
            **{field: getattr(model.tile, field) for field in type(model.tile).model_fields},
            "noise": noise,
            "sources": sources,
        }
    )
    return model.model_copy(update={"tile": tile})


def _kind(key: str) -> Any:
    """Cut-offs and the choice of a reference are ours."""
    return "assumed" if key in ("f_low_hertz", "f_high_hertz", "cell_fraction") else "measured"


def _line(key: str, value: Any, kind: str, source: str) -> str:
    unit = next((unit for unit in _UNITS if key.endswith(f"_{unit}")), None)
    text = f"{key} = {{ value = {json.dumps(value)}, "
    text += f'unit = "{unit}", ' if unit else ""
    return text + f'kind = "{kind}", source = {json.dumps(source)} }}'
