"""`tilemodel calibrate --data`: its options, and what it does."""

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig

__all__ = ["add_measured", "calibrate_to_data", "refuse_measured_options"]

Value = TypeVar("Value")

_QUANTITIES = ("charge_line_coulomb", "charge_coulomb", "code")


def add_measured(parser: argparse.ArgumentParser) -> None:
    """The options of a calibration against the user's own data."""
    group = parser.add_argument_group("your own data (docs/calibration.md)")
    group.add_argument(
        "--data",
        metavar="DATA.npz|DATA.csv",
        help="charges or codes of this tile, from a chip or a simulator, in place of ngspice runs",
    )
    group.add_argument("--weights", metavar="W.npy|W.npz", help="weights or conductances, where not in the npz")
    group.add_argument("--inputs", metavar="X.npy", help="inputs, where not in the npz")
    group.add_argument("--quantity", choices=_QUANTITIES, help="what to fit, where the data hold several")
    group.add_argument("--fit", nargs="+", metavar="NAME", help="parameters to fit (default: those that ngspice would)")
    group.add_argument("--fix", nargs="+", type=_assignment, metavar="NAME=VALUE", help="parameters to hold at a value")
    group.add_argument("--bound", nargs="+", type=_range, metavar="NAME=LO:HI", help="limits of fitted parameters")


def refuse_measured_options(options: argparse.Namespace) -> None:
    """Raise `InputError` for an option that says nothing without --data."""
    for name in ("weights", "inputs", "quantity", "fit", "fix", "bound"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name} belongs to a calibration against your own data; give --data too")


def calibrate_to_data(tile: TileConfig, options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Fit the fast model to the data and write the compact model."""
    from calibration.measured import read_measured
    from calibration.measured_model import calibrate_measured, fit_lines
    from tilemodel.compact import save_model

    data = read_measured(tile, options.data, weights=options.weights, inputs=options.inputs, quantity=options.quantity)
    model = calibrate_measured(
        tile, data, fit=options.fit, fix=_unique(options.fix), bound=_unique(options.bound), seed=options.seed
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
