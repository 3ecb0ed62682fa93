"""A tile's non-idealities one at a time and together, as tiles that layers can be put on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from tilemodel.config.errors import InputError
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.tile import TileConfig
from tilemodel.evaluation import CONDITIONS, DIGITAL, TOGETHER
from tilemodel.parameters import AnyParameters, DrivenParameters
from tilemodel.remedies import split_rows
from tilemodel.torch.conversion import tile_layers
from tilemodel.torch.tile_linear import TileLinear
from tilemodel.variants import parts_of, tables_with_only, with_tables

__all__ = ["Condition", "chosen", "conditions_of", "put_under", "refuse_uncovered_conditions"]

_WRITTEN = ("programming", "drift", "long_term", "faults", "spread")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One row of an evaluation."""

    name: str
    """Of `CONDITIONS`."""
    tile: TileConfig | None
    """None: no tile at all."""
    parameters: AnyParameters | None = None
    is_written: bool = False
    """Each seed writes a chip by [noise]."""
    is_read: bool = False
    """Every pass has read noise."""
    is_ordered: bool = False
    """Rows lie in the order of `order_rows`."""
    is_corrected: bool = False
    """Scaled by `scale_against_ir_drop`."""
    is_compensated: bool = False
    has_columns: bool = False

    @property
    def has_mismatch(self) -> bool:
        """Whether each seed draws devices that differ."""
        return self.tile is not None and self.tile.mismatch is not None

    @property
    def is_drawn(self) -> bool:
        """Whether seeds differ at all."""
        return self.is_written or self.is_read or self.has_mismatch

    def tile_of(self, number: int) -> TileConfig | None:
        """The tile of seed `number`: with mismatch, another chip each; 0 is that of the tile file."""
        if self.tile is None or self.tile.mismatch is None:
            return self.tile
        mismatch = self.tile.mismatch
        return with_tables(self.tile, mismatch=mismatch.model_copy(update={"seed": mismatch.seed + number}))


def conditions_of(tile: TileConfig, parameters: AnyParameters) -> list[Condition]:
    """What `tile` can be evaluated under: digital, each part that it has alone, all together, and remedies."""
    bare, ideal = tables_with_only(tile, parameters, None)
    found = [
        Condition(name=DIGITAL, tile=None),
        Condition(name="quantization", tile=bare, parameters=ideal),
    ]
    for part in parts_of(tile, parameters):
        variant, left = tables_with_only(tile, parameters, part)
        found.append(Condition(name=part, tile=variant, parameters=left))
    noise = tile.noise
    written, read = noise is not None and _is_written(noise), noise is not None and _is_read(noise)
    noisy = with_tables(bare, noise=noise)
    if tile.mismatch is not None:
        uneven = with_tables(bare, adc=tile.adc, mismatch=tile.mismatch)
        found.append(Condition(name="mismatch", tile=uneven, parameters=ideal))
    if written:
        found.append(Condition(name="chip", tile=noisy, parameters=ideal, is_written=True))
    if read:
        found.append(Condition(name="read_noise", tile=noisy, parameters=ideal, is_read=True))
    whole = Condition(name=TOGETHER, tile=tile, parameters=parameters, is_written=written, is_read=read)
    found += [whole, replace(whole, name="together_columns", has_columns=True)]
    is_linear = isinstance(parameters, DrivenParameters) and parameters.is_ohmic
    if "wires" in parts_of(tile, parameters):
        found += _cheap_remedies(whole, is_linear=is_linear)
    if is_linear:
        found.append(replace(whole, name="together_compensated", is_compensated=True))
    order = list(CONDITIONS)
    return sorted(found, key=lambda one: order.index(one.name))


def _cheap_remedies(whole: Condition, *, is_linear: bool) -> list[Condition]:
    """`whole` with each remedy against IR drop that needs no new conductances."""
    assert whole.tile is not None
    found = [replace(whole, name="together_ordered", is_ordered=True)]
    if whole.tile.array.n_row >= 2:
        half = split_rows(whole.tile, whole.tile.array.n_row // 2)
        found.append(replace(whole, name="together_split", tile=half))
    if is_linear:
        found.append(replace(whole, name="together_corrected", is_corrected=True))
    return found


def chosen(conditions: Sequence[Condition], names: Iterable[str] | None) -> list[Condition]:
    """Those called `names`, with the digital baseline; all for None. Raises `InputError` for unknown names."""
    if names is None:
        return list(conditions)
    wanted = {DIGITAL, *names}
    unknown = sorted(wanted - {one.name for one in conditions})
    if unknown:
        raise InputError(
            f"no condition {', '.join(unknown)}; this tile has {', '.join(one.name for one in conditions)}"
        )
    return [one for one in conditions if one.name in wanted]


def refuse_uncovered_conditions(conditions: Sequence[Condition], accuracy: float | Literal["exact"]) -> None:
    """Raise `InputError` that names what layers on tiles do not cover, and the conditions that they do."""
    refusals = {one.name: refusal for one in conditions if (refusal := _refusal(one, accuracy)) is not None}
    if not refusals:
        return
    left = [one.name for one in conditions if one.name not in refusals and one.name != DIGITAL]
    remedy = f"evaluate the others alone: --only {','.join(left)}" if left else "change the tile"
    name, refusal = next(iter(refusals.items()))
    raise InputError(f"condition{'s' if len(refusals) > 1 else ''} {', '.join(refusals)}: {name}: {refusal}; {remedy}")


def _refusal(condition: Condition, accuracy: float | Literal["exact"]) -> str | None:
    """Why a layer cannot be put under `condition`, tried on the smallest."""
    if condition.tile is None:
        return None
    try:
        smallest = nn.utils.skip_init(nn.Linear, 1, 1)  # without a draw from torch's own generator
        layer = TileLinear(smallest, condition.tile, parameters=condition.parameters, accuracy=accuracy)
        if condition.is_read:
            layer.set_read_noise(torch.Generator())
    except InputError as error:
        return str(error)
    return None


def put_under(network: nn.Module, condition: Condition, chip: torch.Generator, reads: torch.Generator) -> None:
    """Write the chip and switch read noise on, in a network on the condition's tiles."""
    for _, layer in tile_layers(network):
        if condition.is_written:
            layer.program(chip)
        if condition.is_read:
            layer.set_read_noise(reads)


def _is_written(noise: NoiseConfig) -> bool:
    return any(getattr(noise, name) is not None for name in _WRITTEN)


def _is_read(noise: NoiseConfig) -> bool:
    return noise.read is not None or noise.telegraph is not None
