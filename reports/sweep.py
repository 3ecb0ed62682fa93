"""Validate a tile over corners, temperatures, supplies and drawn chips, each condition judged by its own limits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from calibration.procedure import calibrate
from reports.accuracy import Verdict
from reports.validation import Validation, validate
from spice_netlists.batch import Progress
from spice_netlists.errors import SimulatorMissingError
from spice_netlists.runs import Runner
from tilemodel.compact import CompactModel
from tilemodel.config.cell import Sky130NfetAccess
from tilemodel.config.errors import InputError, MissingPackageError, TileModelError
from tilemodel.config.load import tile_from_mapping
from tilemodel.config.read_out import Sky130RampReadOut
from tilemodel.config.sources import ParameterSource
from tilemodel.config.tile import SpecLimits, TileConfig

__all__ = ["ConditionResult", "SpecSummary", "Sweep", "SweepCondition", "run_sweep", "sweep_conditions"]

Group = Literal["nominal", "corners", "monte_carlo"]
_SPECS = tuple(SpecLimits.model_fields)

# Of `[conditions]`, in the order of a combination
_FACTORS = ("temperature_celsius", "supply_factor", "wire_resistance_factor")


@dataclass(frozen=True, kw_only=True)
class SweepCondition:
    """One condition; `tile` carries it, and the limits that hold there."""

    name: str
    group: Group
    tile: TileConfig
    corner: str | None
    """Of the transistors; None: the tile has none of a known process."""
    temperature_celsius: float
    supply_factor: float
    wire_resistance_factor: float
    chip_seed: int | None
    """None: the nominal chip, without mismatch."""


@dataclass(frozen=True, kw_only=True)
class ConditionResult:
    """How a condition came out: a validation, or why there is none."""

    condition: SweepCondition
    validation: Validation | None
    failure: str | None

    @property
    def passed(self) -> bool:
        """Whether it was validated and met every limit."""
        return self.validation is not None and self.validation.passed


@dataclass(frozen=True, kw_only=True)
class SpecSummary:
    """One spec over all conditions; `typical` is the nominal condition's value."""

    spec: str
    smallest: float | None
    typical: float | None
    largest: float | None
    worst: SweepCondition
    """Where the measured value goes furthest beyond its limit, or comes nearest to it."""
    worst_measured: float | None
    worst_limit: float
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All conditions, the nominal one first."""

    tile: TileConfig
    seed: int
    n_vec: int
    results: list[ConditionResult]

    @property
    def passed(self) -> bool:
        """Whether every condition was validated and met its limits."""
        return all(result.passed for result in self.results)

    def summaries(self) -> list[SpecSummary]:
        """One summary a spec that is judged anywhere."""
        found = [_summary(spec, self.results) for spec in _SPECS]
        return [summary for summary in found if summary is not None]

    def chips(self) -> tuple[int, int]:
        """Drawn chips that passed, and all of them."""
        drawn = [result.passed for result in self.results if result.condition.group == "monte_carlo"]
        return sum(drawn), len(drawn)


def sweep_conditions(
    tile: TileConfig,
    *,
    corners: Sequence[str] = (),
    temperatures_celsius: Sequence[float] = (),
    supply_factors: Sequence[float] = (),
    wire_resistance_factors: Sequence[float] = (),
    n_chip: int = 0,
) -> list[SweepCondition]:
    """The nominal condition, every combination of what is given, and `n_chip` chips at nominal conditions.

    What is not given stays nominal in the combinations. Chips are drawn by `[mismatch]` of the tile with seeds from
    its own upwards. Raises `InputError` where a tile has nothing to apply a corner or mismatch to, or a value is
    not possible.
    """
    chip = tile.mismatch
    if n_chip and chip is None:
        raise InputError(f"tile {tile.name}: Monte Carlo draws from [mismatch], which the tile file does not have")
    sources = {key: source for key, source in tile.sources.items() if not key.startswith("mismatch.")}
    plain = tile.model_copy(update={"mismatch": None, "sources": sources})
    here, now = _corner(tile), tile.conditions
    nominal = _condition(plain, "nominal", here, {name: getattr(now, name) for name in _FACTORS})
    given = (temperatures_celsius, supply_factors, wire_resistance_factors)
    grid = product(
        *(list(dict.fromkeys(values)) or [getattr(now, name)] for name, values in zip(_FACTORS, given, strict=True)),
    )
    points = [dict(zip(_FACTORS, point, strict=True)) for point in grid]
    named = list[str | None](dict.fromkeys(corners)) or [here]
    others = [_condition(plain, "corners", corner, point) for corner in named for point in points]
    others = [item for item in others if item.tile.technology() != nominal.tile.technology()]
    drawn = []
    for index in range(n_chip):
        assert chip is not None  # above
        seed = chip.seed + index
        drawn_tile = tile.model_copy(
            update={"mismatch": chip.model_copy(update={"seed": seed}), "spec": tile.spec.limits("monte_carlo")}
        )
        drawn.append(replace(nominal, name=f"chip_{seed}", group="monte_carlo", tile=drawn_tile, chip_seed=seed))
    return [nominal, *others, *drawn]


def _corner(tile: TileConfig) -> str | None:
    access = getattr(tile.cell, "access", None)
    return access.corner if isinstance(access, Sky130NfetAccess) else None


def _condition(tile: TileConfig, group: Group, corner: str | None, factors: dict[str, float]) -> SweepCondition:
    content = tile.model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    content["conditions"] |= factors
    sources = dict(tile.sources)
    here = ParameterSource(kind="assumed", source="condition of this validation")
    sources |= {f"conditions.{name}": here for name in _FACTORS if factors[name] != getattr(tile.conditions, name)}
    content["spec"] = tile.spec.limits(group).model_dump(exclude_none=True)
    if corner != _corner(tile):
        if _corner(tile) is None:
            raise InputError(
                f"tile {tile.name}: corners need access transistors of a process (cell.access.kind = 'sky130_nfet'); "
                "leave them out"
            )
        content["cell"]["access"]["corner"] = corner
        sources["cell.access.corner"] = here
        if isinstance(tile.read_out.circuit, Sky130RampReadOut):
            content["read_out"]["circuit"]["corner"] = corner
    celsius, supply, wires = (factors[name] for name in _FACTORS)
    where = f"tile {tile.name} at {celsius:g} °C, supply x {supply:g}, wires x {wires:g}"
    moved = tile_from_mapping(content, sources=sources, where=where)
    parts = [*([corner] if corner else []), f"{celsius:.12g}C", f"{supply:.12g}x_supply"]
    parts += [f"{wires:.12g}x_wires"] if wires != tile.conditions.wire_resistance_factor else []
    return SweepCondition(
        name="nominal" if group == "nominal" else "_".join(parts),
        group=group,
        tile=moved,
        corner=corner,
        temperature_celsius=celsius,
        supply_factor=supply,
        wire_resistance_factor=wires,
        chip_seed=None,
    )


def run_sweep(
    conditions: Sequence[SweepCondition],
    model: CompactModel | None = None,
    *,
    n_vec: int = 8,
    seed: int = 0,
    runner: Runner | None = None,
    on_done: Progress | None = None,
) -> Sweep:
    """Validate every condition with the same weights and vectors; `on_done(done, total)` counts conditions.

    A tile that needs a `model` is calibrated anew, with the same runner, at each condition that `model` was not
    calibrated at. A condition that fails is kept with its reason, and the others go on; the nominal one must not.
    Raises what `validate` raises there, and where no simulator or package is to be had.
    """
    if model is not None and model.fit.measured is not None and any(item.group == "corners" for item in conditions):
        raise InputError("validate: a model that was fitted to measured data holds at its own corner only")
    results = []
    for number, condition in enumerate(conditions):
        results.append(_one(condition, model, n_vec, seed, runner))
        if on_done is not None:
            on_done(number + 1, len(conditions))
    return Sweep(tile=conditions[0].tile, seed=seed, n_vec=n_vec, results=results)


def _one(
    condition: SweepCondition, model: CompactModel | None, n_vec: int, seed: int, runner: Runner | None
) -> ConditionResult:
    try:
        if model is not None and condition.group == "corners":
            model = calibrate(condition.tile, seed=model.provenance.seed, runner=runner)
        nominal = condition.group == "nominal"
        validation = validate(condition.tile, model, n_vec=n_vec, seed=seed, runner=runner, with_budget=nominal)
    except (MissingPackageError, SimulatorMissingError):
        raise
    except TileModelError as error:
        if condition.group == "nominal":
            raise
        return ConditionResult(condition=condition, validation=None, failure=str(error))
    return ConditionResult(condition=condition, validation=validation, failure=None)


def _verdicts(result: ConditionResult) -> list[Verdict]:
    """Of every limit of the condition; one that could not be validated misses them all."""
    if result.validation is not None:
        return result.validation.verdicts
    limits = result.condition.tile.spec.model_dump(include=set(_SPECS), exclude_none=True)
    return [Verdict(spec=spec, limit=limit, measured=None, passed=False) for spec, limit in limits.items()]


def _summary(spec: str, results: Sequence[ConditionResult]) -> SpecSummary | None:
    judged = [(result, verdict) for result in results for verdict in _verdicts(result) if verdict.spec == spec]
    if not judged:
        return None
    known = [verdict.measured for _, verdict in judged if verdict.measured is not None]
    sign = -1 if spec.startswith("min_") else 1

    def excess(item: tuple[ConditionResult, Verdict]) -> float:
        """How far beyond its limit; what was not measured at all is furthest."""
        verdict = item[1]
        return float("inf") if verdict.measured is None else sign * (verdict.measured - verdict.limit)

    result, worst = max(judged, key=excess)
    nominal = [verdict.measured for item, verdict in judged if item.condition.group == "nominal"]
    return SpecSummary(
        spec=spec,
        smallest=min(known, default=None),
        typical=nominal[0] if nominal else None,
        largest=max(known, default=None),
        worst=result.condition,
        worst_measured=worst.measured,
        worst_limit=worst.limit,
        passed=all(verdict.passed for _, verdict in judged),
    )
