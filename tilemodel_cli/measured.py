"""`tilemodel calibrate --data`: its options, and what it does."""

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig

__all__ = ["add_measured", "calibrate_to_data", "refuse_measured_options"]

Value = TypeVar("Value")

_QUANTITIES = ("charge_line_coulomb", "charge_coulomb", "code_line", "code")


def add_measured(parser: argparse.ArgumentParser) -> None:
    """The options of a calibration against the user's own data."""
    group = parser.add_argument_group("your own data (docs/calibration.md)")
    group.add_argument(
        "--data",
        metavar="DATA.npz|DATA.csv",
        action="append",
        help="charges, codes or waveforms of this tile, from chip or simulator, not from ngspice runs; may be repeated",
    )
    group.add_argument(
        "--data-tile",
        metavar="TILE.toml",
        action="append",
        help="tile of each further --data, in order (default: the first one's): another size, drive or condition",
    )
    group.add_argument("--weights", metavar="W.npy|W.npz", help="weights or conductances, where not in the npz")
    group.add_argument("--inputs", metavar="X.npy", help="inputs, where not in the npz")
    group.add_argument("--quantity", choices=_QUANTITIES, help="what to fit, where the data hold several")
    group.add_argument("--fit", nargs="+", metavar="NAME", help="parameters to fit (default: those that ngspice would)")
    group.add_argument("--fix", nargs="+", type=_assignment, metavar="NAME=VALUE", help="parameters to hold at a value")
    group.add_argument("--bound", nargs="+", type=_range, metavar="NAME=LO:HI", help="limits of fitted parameters")
    group.add_argument("--tie", nargs="+", type=_tie, metavar="NAME=[RATIO*]NAME", help="set one by a fitted one")
    group.add_argument("--per-set", nargs="+", metavar="NAME", help="fitted parameters that differ between --data")
    group.add_argument("--inl-knots", type=int, metavar="N", help="values of each line's INL, both ends included")


def refuse_measured_options(options: argparse.Namespace) -> None:
    """Raise `InputError` for an option that says nothing without --data."""
    for name in (
        "data_tile",
        "weights",
        "inputs",
        "quantity",
        "fit",
        "fix",
        "bound",
        "tie",
        "per_set",
        "inl_knots",
    ):
        if getattr(options, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} belongs to a calibration against your own data; give --data too"
            )


def calibrate_to_data(tile: TileConfig, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Fit the fast model to the data and write the compact model."""
    from calibration.measured import read_measured
    from calibration.measured_model import calibrate_measured, fit_lines
    from calibration.ties import Tie
    from tilemodel.compact import save_model
    from tilemodel.config.load import load_tile

    given = [load_tile(path) for path in options.data_tile or []]
    if given and len(given) != len(options.data) - 1:
        raise InputError(f"--data-tile: {len(given)} for {len(options.data) - 1} further --data; give one for each")
    tiles = [tile, *(given or [tile] * (len(options.data) - 1))]
    sets = [
        read_measured(of, path, weights=options.weights, inputs=options.inputs, quantity=options.quantity)
        for of, path in zip(tiles, options.data, strict=True)
    ]
    model = calibrate_measured(
        tile,
        sets[0],
        others=list(zip(tiles[1:], sets[1:], strict=True)),
        fit=options.fit,
        fix=_unique(options.fix),
        bound=_unique(options.bound),
        tie={name: Tie(source=source, ratio=ratio) for name, (ratio, source) in _unique(options.tie).items()},
        per_set=options.per_set or (),
        inl_knots=options.inl_knots,
        seed=options.seed,
    )
    save_model(model, options.output)
    for line in fit_lines(model):
        say(line)
    say(f"model: {options.output}")
    return 0


def _unique(pairs: list[tuple[str, Value]] | None) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for name, value in pairs or []:
        if name in result:
            raise InputError(f"{name} is given twice")
        result[name] = value
    return result


def _assignment(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, _finite(value, text)


def _tie(text: str) -> tuple[str, tuple[float, str]]:
    name, equals, source = text.partition("=")
    ratio, star, factor_of = source.partition("*")
    if not name or not equals or not source or (star and not factor_of):
        raise argparse.ArgumentTypeError(f"expected NAME=NAME or NAME=RATIO*NAME, got {text!r}")
    return name, (_finite(ratio, text), factor_of) if star else (1.0, source)


def _range(text: str) -> tuple[str, tuple[float, float]]:
    name, equals, limits = text.partition("=")
    low, colon, high = limits.partition(":")
    if not name or not equals or not colon:
        raise argparse.ArgumentTypeError(f"expected NAME=LO:HI, got {text!r}")
    return name, (_finite(low, text), _finite(high, text))


def _finite(value: str, text: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected a number in {text!r}, got {value!r}")
    return number
