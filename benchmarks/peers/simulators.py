"""The circuit simulators through `spice_netlists`: transients of any tile, operating points of a passive crossbar."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.peers.common import Charges, Currents, FloatArray, IntArray
from spice_netlists.batch import simulate
from spice_netlists.engines import engine_version
from spice_netlists.errors import SimulatorMissingError
from spice_netlists.language import Language, NgspiceLanguage
from spice_netlists.ngspice import find_ngspice
from spice_netlists.process import Limits, check_exit, in_run_folder, run_process
from spice_netlists.rawfile import read_raw
from spice_netlists.vacask import run_vacask_operating_point
from spice_netlists.vacask_language import VacaskLanguage
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import SimulatorConfig, TileConfig

__all__ = ["Engine", "charges", "mesh", "missing"]

Engine = Literal["ngspice", "vacask"]
_TIMEOUT_SECOND = 3600.0
_TIGHT = {"reltol": 1e-9, "abstol_ampere": 1e-18, "vntol_volt": 1e-15, "timeout_second": _TIMEOUT_SECOND}


def missing(engine: Engine) -> str | None:
    """None if the simulator runs here, else the reason and how to install it."""
    try:
        engine_version(engine)
    except SimulatorMissingError as error:
        return str(error)
    return None


def charges(tile: TileConfig, conductances: Conductances, engine: Engine, *, processes: int = 1) -> Charges:
    """Charges of any tile that `spice_netlists` can write, from transients under the tile's own tolerances.

    Writing the netlist and reading the result are part of the time, as a user meets them.
    """
    settings = tile.simulator.model_copy(update={"engine": engine})

    def run(ticks: IntArray) -> FloatArray:
        result = simulate(tile, conductances, ticks, simulator=settings, processes=processes)
        return result.charge_line_coulomb

    return run


def mesh(g_siemens: FloatArray, r_row_ohm: float, r_bit_line_ohm: float, engine: Engine) -> Currents:
    """Currents of a passive crossbar [n_row, n_line], one operating point a vector; the array's text is kept."""
    n_line = g_siemens.shape[1]
    language = VacaskLanguage() if engine == "vacask" else NgspiceLanguage()
    body = list(_mesh_lines(language, g_siemens, r_row_ohm, r_bit_line_ohm))
    run = _vacask_point if engine == "vacask" else _ngspice_point

    def currents(v: FloatArray) -> FloatArray:
        drivers = [[language.dc_source(f"Vrow{i}", f"d{i}", float(volt)) for i, volt in enumerate(row)] for row in v]
        return np.stack([run([*body, *sources], n_line) for sources in drivers])

    return currents


def _mesh_lines(language: Language, g: FloatArray, r_row_ohm: float, r_bit_line_ohm: float) -> Iterator[str]:
    """Drivers `d<row>`, row nodes `w<row>_<line>`, bit-line nodes `b<row>_<line>`, clamps `c<line>`."""
    n_row, n_line = g.shape
    for i, conductances in enumerate(g.tolist()):
        for line, siemens in enumerate(conductances):
            here, behind = f"w{i}_{line}", f"w{i}_{line - 1}" if line else f"d{i}"
            ahead = f"b{i + 1}_{line}" if i + 1 < n_row else f"c{line}"
            yield language.resistor(f"Rr{i}_{line}", behind, here, r_row_ohm)
            yield language.resistor(f"Rb{i}_{line}", f"b{i}_{line}", ahead, r_bit_line_ohm)
            if siemens > 0:
                yield language.resistor(f"Rg{i}_{line}", here, f"b{i}_{line}", 1.0 / siemens)
    for line in range(n_line):
        yield language.dc_source(f"Vclamp{line}", f"c{line}", 0.0)


def _vacask_point(lines: list[str], n_line: int) -> FloatArray:
    language, clamps = VacaskLanguage(), [f"Vclamp{line}" for line in range(n_line)]
    settings = SimulatorConfig(engine="vacask", **_TIGHT)
    head = [*language.title("A passive crossbar"), *language.preamble()]
    text = "\n".join([*head, *lines, *language.operating_point(settings, clamps)])
    current: FloatArray = run_vacask_operating_point(text, save=clamps, timeout_second=_TIMEOUT_SECOND)
    return current


def _ngspice_point(lines: list[str], n_line: int) -> FloatArray:
    currents = [f"i(vclamp{line})" for line in range(n_line)]
    options = ".options reltol=1e-9 abstol=1e-18 vntol=1e-15"
    text = "\n".join(["A passive crossbar", *lines, options, ".save " + "\n+ ".join(currents), ".op", ".end", ""])
    return in_run_folder("ngspice", _ngspice_work(text, currents), threading.Event())


def _ngspice_work(text: str, vectors: list[str]) -> Callable[[Path], FloatArray]:
    def work(folder: Path) -> FloatArray:
        (folder / "deck.cir").write_text(text)
        (folder / ".spiceinit").write_text("set num_threads=1\n")
        status, log = run_process(
            "ngspice",
            [str(find_ngspice()), "-b", "-r", "out.raw", "deck.cir"],
            folder,
            limits=Limits(timeout_second=_TIMEOUT_SECOND),
            stop=threading.Event(),
            environment={**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"},
        )
        failed = re.search(r"^.*(singular matrix|no convergence|\berror\b).*$", log, re.IGNORECASE | re.MULTILINE)
        check_exit("ngspice", status, log, failed.group().strip() if failed else None)
        return read_raw(folder / "out.raw", vectors)[:, 0]

    return work
