"""A calibration that is interrupted goes on where it stopped, and its progress shows the time that is left."""

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from spice_netlists.ngspice import find_ngspice
from spice_netlists.runs import RunStore
from tilemodel_cli.main import main

TILE = 'name = "t"\npreset = "sky130_1t1r"\n[array]\nn_row = 4\nn_col = 1\n[drive]\ninput_bits = 4\n'
SWITCH = (
    '[cell.access]\nkind = "switch"\nr_on_ohm = { value = 880.0, unit = "ohm", kind = "assumed", source = "a test" }\n'
)
# ngspice itself, but that it hangs from the third run on until there is a file `go`
WRAPPER = """
place = {place!r}
n = len(os.listdir(place))
open(os.path.join(place, str(os.getpid())), "w").close()
if n >= 2 and not os.path.exists({go!r}):
    time.sleep(60)
os.execv({ngspice!r}, [{ngspice!r}, *sys.argv[1:]])
"""


@pytest.mark.spice
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_calibration_goes_on_without_the_runs_that_had_finished(fake, tmp_path, monkeypatch, number):
    """Two of five runs are done when the signal comes: afterwards three are started, and the file is the same to the
    byte as without the interruption."""
    ngspice, calls, go = str(find_ngspice()), tmp_path / "calls", tmp_path / "go"
    calls.mkdir()
    (tmp_path / "tile.toml").write_text(TILE + SWITCH)
    fake(WRAPPER.format(place=str(calls), go=str(go), ngspice=ngspice))
    words = ["calibrate", "tile.toml", "-o", "model.json", "--processes", "1"]
    command = [sys.executable, "-m", "tilemodel_cli.main", *words, "--store", "kept", "--executor", "threads"]
    shown, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    process = subprocess.Popen(command, cwd=tmp_path, stderr=terminal, text=True)
    os.close(terminal)
    deadline = time.monotonic() + 60
    while len(list(calls.iterdir())) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(number)
    assert process.wait(timeout=60) == (130 if number == signal.SIGINT else 143)
    said = _all_of(shown)
    assert "2/5 [" in said  # the bar: runs done of all, time gone < time left
    assert "<" in said.split("2/5 [")[1].split("]")[0]
    assert "runs that had finished are kept, and the same command goes on from there" in said
    assert not (tmp_path / "model.json").exists()
    assert len(RunStore(tmp_path / "kept").keys()) == 2
    n_before = len(list(calls.iterdir()))
    go.touch()
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--store", "kept"]) == 0
    assert len(list(calls.iterdir())) == n_before + 3
    assert main([*words[:-3], "whole.json", "--store", "other"]) == 0
    assert Path("whole.json").read_bytes() == Path("model.json").read_bytes()


def _all_of(handle: int) -> str:
    """What was written to a terminal that nobody holds open any more."""
    parts = []
    while True:
        try:
            part = os.read(handle, 4096)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    os.close(handle)
    return b"".join(parts).decode()
