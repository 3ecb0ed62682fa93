"""Scripts that stand in for ngspice: they behave, or fail in one way."""

import stat
import sys
from pathlib import Path

import numpy as np

from spice_netlists.deck import Deck, build_deck
from spice_netlists.runs import Job
from tests.conftest import pair_tile, pulses_of
from tilemodel.config.operands import Conductances

TILE = pair_tile(array={"n_row": 2, "n_col": 1})
CONDUCTANCES = Conductances(g_plus=np.full((2, 1), 1e-5), g_minus=np.full((2, 1), 2e-5))

RAW = """
import struct, sys
def raw(points, names=("time", "i(vclamp0)"), announced=None, cut=0):
    head = "Title: x\\nDate: today\\nPlotname: Transient Analysis\\nFlags: real\\n"
    head += f"No. Variables: {len(names)}\\nNo. Points: {announced or len(points)}\\nVariables:\\n"
    for number, name in enumerate(names):
        head += f"\\t{number}\\t{name}\\t{'time' if number == 0 else 'current'}\\n"
    data = head.encode() + b"Binary:\\n" + b"".join(struct.pack("<%dd" % len(p), *p) for p in points)
    open("out.raw", "wb").write(data[: len(data) - cut])
END = 1.3005e-07
def good():
    raw([(0.0, 1e-6), (END, 1e-6)])
"""


def write_fake(program: Path, body: str) -> None:
    """An executable that answers to `-v` like ngspice, and else runs `body`."""
    program.write_text(
        f"#!{sys.executable}\nimport os, signal, sys, time\n"
        "if '-v' in sys.argv:\n    print('** ngspice-39 : fake'); sys.exit()\n" + RAW + body
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def small_deck(first: int = 3, second: int = 5) -> Deck:
    """The deck of one vector through two rows."""
    return build_deck(TILE, CONDUCTANCES, pulses_of(TILE, [first, second]))


def small_job(first: int = 3, second: int = 5, *, timeout_second: float = 60.0, memory_byte: int | None = None) -> Job:
    """A job for the fake, or for ngspice 39."""
    return Job(
        deck=small_deck(first, second), engine="ngspice-39", timeout_second=timeout_second, memory_byte=memory_byte
    )
