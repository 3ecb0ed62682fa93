"""The compact model: a tile with fitted parameters, how well they are known, and where they came from (JSON)."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from tilemodel.config.errors import InputError
from tilemodel.config.files import atomic_file
from tilemodel.config.load import explain_validation, read_limited
from tilemodel.config.numbers import number_at
from tilemodel.config.operands import Conductances
from tilemodel.config.section import NotNegative, Section
from tilemodel.config.technology import technology_differences
from tilemodel.config.tile import TileConfig
from tilemodel.fit_statistics import FitStatistics, MeasuredStatistics
from tilemodel.model import TileModel
from tilemodel.parameters import Parameters
from tilemodel.ramp_read_out import RampReadOutParameters
from tilemodel.validity import ValidityRange

__all__ = [
    "SCHEMA_VERSION",
    "CompactModel",
    "ConditionRecord",
    "FitStatistics",
    "MeasuredStatistics",
    "Provenance",
    "ReadOutFit",
    "compact_schema",
    "load_model",
    "save_model",
]

SCHEMA_VERSION = "tilemodel-compact-2"
"""What is written; `tilemodel/schemas` describes this version and the older ones that can be read."""

Count = Annotated[int, Field(ge=1)]

_MAX_FILE_BYTES = 10_000_000
# A fit's largest residual times this, in proportion to the rows, bounds the error of other tiles of the technology
_RESIDUAL_MARGIN = 2.0


class ConditionRecord(Section):
    """One condition of the experiment, and the circuits that were simulated under it."""

    name: str
    n_row: Count
    n_col: Count
    v_read_volt: float
    tile_sha256: str
    conductances_sha256: str
    ticks_sha256: str
    deck_sha256: list[str]
    n_attempt: list[int] = Field(default_factory=list)
    """Starts of the simulator, a deck; empty in models of earlier versions, as is the next."""
    convergence_help: list[str | None] = Field(default_factory=list)
    """What the simulator needed to converge, a deck; None: nothing."""
    residual_current_fraction: float | None
    """Current left when the window ends, as a fraction of the largest; None where an output's voltage is sampled, or
    the data are the user's own."""


class Provenance(Section):
    """What a compact model came from."""

    package: str
    engine: str
    seed: int
    cell_sha256: str | None
    """Of the cell circuit of the user's own that was calibrated; None for the tile's standard cell."""
    conditions: Annotated[list[ConditionRecord], Field(min_length=1)]
    reference_error_percent_of_largest_charge: NotNegative | None
    """Largest change of the first condition's charges when the simulator's tolerances and step were halved; None:
    the data are the user's own, and their error is what the fit's residuals show."""
    data_sha256: str | None = None
    """Of the user's own data."""


class ReadOutFit(Section):
    """The fitted law of a transistor-level read-out."""

    parameters: RampReadOutParameters
    n_conversion: Count
    charge_residual_max_coulomb: NotNegative
    trip_residual_max_lsb: NotNegative
    """Of the time to the trip, in periods of the counter's clock."""
    trip_residual_rms_lsb: NotNegative


class _Content(Section):
    """What all versions of the file hold."""

    schema_version: str
    tile: TileConfig
    parameters: Parameters
    fit: FitStatistics
    read_out: ReadOutFit | None = None
    provenance: Provenance

    @model_validator(mode="after")
    def _fitted_are_parameters(self) -> Self:
        known = set(type(self.parameters).model_fields) - {"kind"}
        unknown = [
            name
            for name in self.fit.fitted
            if name.split("@")[0] not in known and number_at(self.tile, name.split("@")[0]) is None
        ]
        if unknown:
            raise ValueError(
                f"fit.fitted: {unknown[0]!r} is none of the parameters, {', '.join(sorted(known))}, nor of the tile"
            )
        return self


class _Version1(_Content):
    """Until 2026: no statement of the range; it follows from the experiment, which was always the designed one."""

    schema_version: Literal["tilemodel-compact-1"]

    def upgraded(self) -> "CompactModel":
        conditions = self.provenance.conditions
        return CompactModel(
            schema_version="tilemodel-compact-2",
            tile=self.tile,
            parameters=self.parameters,
            fit=self.fit,
            read_out=self.read_out,
            provenance=self.provenance,
            validity=ValidityRange.of_experiment(
                self.tile, [item.n_row for item in conditions], [item.v_read_volt for item in conditions]
            ),
        )


class CompactModel(_Content):
    """What `tilemodel calibrate` writes and everything else reads."""

    schema_version: Literal["tilemodel-compact-2"]
    validity: ValidityRange

    def tile_model(
        self,
        conductances: Conductances,
        tile: TileConfig | None = None,
        *,
        accuracy: float | Literal["exact"] = "exact",
    ) -> TileModel:
        """The fast model of `tile` (default: the calibrated one) with this model's parameters, as accurate as wanted.

        Raises `InputError` if `tile` differs in more than size, read-out end, converter and specs. Warns
        (`OutsideRangeWarning`) where conductances or rows lie outside the range that was calibrated.
        """
        if tile is None:
            tile = self.tile
        self.check_technology(tile)
        self.validity.warn_outside(conductances, stacklevel=2)
        residual = self.fit.residual_max_coulomb
        if self.read_out is not None:
            residual += self.read_out.charge_residual_max_coulomb
        bound = residual * _RESIDUAL_MARGIN / min(item.n_row for item in self.provenance.conditions)
        return TileModel(
            tile,
            conductances,
            self.parameters,
            read_out=None if self.read_out is None else self.read_out.parameters,
            error_bound_coulomb_per_row=bound,
            accuracy=accuracy,
        )

    def check_technology(self, tile: TileConfig) -> None:
        """Raise `InputError` naming the first value in which `tile` differs from what was calibrated."""
        for key, (ours, theirs) in technology_differences(self.tile, tile).items():
            raise InputError(
                f"tile {tile.name}: {key} = {theirs}, but the model was calibrated at {ours}; "
                "calibrate again for this tile"
            )


def save_model(model: CompactModel, path: str | Path) -> None:
    """Write `model` as JSON, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(model.model_dump_json(indent=2) + "\n")


def load_model(path: str | Path) -> CompactModel:
    """Read a compact model of this version or an older one. Raises `InputError` naming the key that is wrong."""
    path = Path(path)
    text = read_limited(path, _MAX_FILE_BYTES, "a compact model (`tilemodel calibrate` writes one)")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    kind: type[_Version1 | CompactModel] = _Version1 if version == "tilemodel-compact-1" else CompactModel
    try:
        loaded = kind.model_validate(content)
        return loaded.upgraded() if isinstance(loaded, _Version1) else loaded
    except ValidationError as error:
        raise InputError(explain_validation(error, kind, str(path), remedy="calibrate again")) from None


def compact_schema() -> dict[str, Any]:
    """The JSON schema of the file that `save_model` writes (shipped in `tilemodel/schemas`)."""
    schema = CompactModel.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_VERSION, **schema}
