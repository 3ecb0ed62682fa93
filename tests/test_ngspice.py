"""The simulator failing in every way that it can: each fault gives one clear error, and nothing counts as a result."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spice_netlists.batch import simulate
from spice_netlists.engines import run_deck
from spice_netlists.errors import SimulatorError, SimulatorMissingError
from spice_netlists.ngspice import find_ngspice
from tests.simulators import CONDUCTANCES, TILE, small_deck
from tests.tolerances import relative

DECK = small_deck()


def test_the_fake_is_taken_for_ngspice_when_it_behaves(fake):
    fake("raw([(0.0, 1e-6), (END, 1e-6)])")
    waveforms = run_deck(DECK, timeout_second=20)
    assert waveforms.sensed.tolist() == [[1e-6, 1e-6]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9, SIGKILL .out of memory"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11, SIGSEGV$|SIGSEGV "),
        ("sys.exit(1)", "exit status 1: no error line in its log"),
        ("print('Error on line 3: unknown subckt'); sys.exit(1)", "Error on line 3: unknown subckt"),
        ("print('Error on line:\\n  s1 a b\\nno model x'); sys.exit(1)", "Error on line: s1 a b no model x"),
        ("print('doAnalyses: TRAN:  Timestep too small'); raw([(0.0, 1.0), (END, 1.0)])", "Timestep too small"),
        ("print('Warning: singular matrix:  check nodes'); sys.exit(1)", "exit status 1"),
        ("print('lorem ipsum')", "left no result"),
        ("open('out.raw', 'wb').write(b'')", "not a binary raw file"),
        ("open('out.raw', 'wb').write(os.urandom(999))", "not a binary raw file"),
        ("raw([], announced='0')", "holds no points"),
        ("raw([(0.0, 1.0), (END, 1.0)], cut=8)", "truncated: .*disk full"),
        ("raw([(0.0, 1.0), (END, 1.0)], announced=10**12)", "truncated"),
        ("raw([(0.0, 1.0), (END, float('nan'))])", r"'i\(vclamp0\)' holds values that are not finite"),
        ("raw([(0.0, 1.0), (END, 1.0)], names=('time', 'i(other)'))", r"'i\(vclamp0\)' is missing"),
        ("raw([(END, 1.0)])", "do not rise from 0"),
        ("raw([(0.0, 1.0), (END, 1.0), (END / 2, 1.0)])", "do not rise from 0"),
        ("raw([(0.0, 1.0), (END / 2, 1.0)])", "stopped at 6.5025e-08 s of 1.3005e-07 s"),
        ("time.sleep(60)", "did not finish within 1 s"),
    ],
)
def test_no_fault_passes_for_a_result(fake, body, message):
    fake(body)
    with pytest.raises(SimulatorError, match=message) as caught:
        run_deck(DECK, timeout_second=1 if "sleep" in body else 20)
    kept = Path(str(caught.value).rsplit("kept in ", 1)[1].rstrip(")"))
    assert (kept / "deck.cir").read_text() == DECK.text
    assert (kept / "ngspice.log").is_file()


def test_notes_warnings_and_the_decks_title_are_no_errors(fake):
    harmless = ("Circuit: * tilemodel: tile bit-error", "Note: no error here, gmin stepping", "Warning: error-free")
    fake(f"print({chr(10).join(harmless)!r}); raw([(0, 1), (END, 1)])")
    run_deck(DECK, timeout_second=20)


def test_a_good_run_leaves_no_folder(fake, tmp_path):
    fake("raw([(0.0, 1e-6), (END, 1e-6)])")
    run_deck(DECK, timeout_second=20)
    assert [path.name for path in tmp_path.iterdir()] == ["ngspice"]


def test_the_first_failure_stops_the_batch(fake, tmp_path):
    fake(f"open({str(tmp_path / 'count')!r}, 'a').write('x'); sys.exit(1)")
    with pytest.raises(SimulatorError):
        simulate(TILE, CONDUCTANCES, np.ones((50, 2), dtype=np.int64), processes=2)
    assert len((tmp_path / "count").read_text()) < 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_simulators_and_leaves_nothing(fake, tmp_path, number):
    """The fake sleeps and has a child that sleeps: neither may survive, nor any folder."""
    marker = f"{61 + os.getpid() / 1e7:.9f}"  # a sleep that nobody else sleeps
    fake(f"import subprocess; subprocess.run(['sleep', '{marker}'])")
    (tmp_path / "tile.toml").write_text('name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 2\nn_col = 1\n')
    command = [sys.executable, "-m", "tilemodel_cli.main", "validate", "tile.toml", "--vectors", "3", "-o", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not _sleepers(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert "nothing was written" in message
    assert not _sleepers(marker)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ngspice", "tile.toml"]


def _sleepers(marker):
    """Processes whose command line holds `marker`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", marker.encode()]:
                found.append(path)
    return found


def test_a_missing_simulator_comes_with_the_command_that_installs_it(no_ngspice):
    with pytest.raises(SimulatorMissingError, match="sudo apt-get install ngspice"):
        find_ngspice()


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("TILEMODEL_NGSPICE", "/none/ngspice")
    with pytest.raises(SimulatorMissingError, match="TILEMODEL_NGSPICE = '/none/ngspice' is no program"):
        find_ngspice()


@pytest.mark.spice
def test_a_circuit_that_cannot_be_solved_is_reported():
    bad = DECK.text.replace("Vclamp0 c0 0 DC 0.4005", "Vclamp0 c0 0 DC 0.4005\nVagain c0 0 DC 1.0")
    assert bad != DECK.text
    with pytest.raises(SimulatorError):
        run_deck(type(DECK)(**{**vars(DECK), "text": bad}), timeout_second=60)


@pytest.mark.spice
def test_the_users_own_spiceinit_is_not_read(tmp_path, monkeypatch):
    (tmp_path / ".spiceinit").write_text("quit 7\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run_deck(DECK, timeout_second=60).time_second[-1] == relative(DECK.t_stop_second, 1e-9)
    assert os.environ["HOME"] == str(tmp_path)
