"""Run one deck in ngspice as a process of its own, and accept nothing but a complete result.

The exit status of ngspice says little (a deck without a result can exit 0), so success means: exit status
0, no line of the log that reports an error, every saved vector in the raw file, all its values finite,
and the last time point at the end of the run.
"""

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spice_netlists.deck import Deck
from spice_netlists.errors import SimulatorError, SimulatorMissingError
from spice_netlists.rawfile import read_raw

__all__ = ["Waveforms", "find_ngspice", "ngspice_version", "run_deck"]

# Lines that report a failure; the log also echoes the deck's title
_FAILURE = re.compile(
    r"^(?!\s*(note|warning|circuit:))"
    r".*(\berror\b|\bfatal\b|aborted|singular matrix|timestep too small|no convergence)",
    re.IGNORECASE,
)


# How soon a stop is noticed; the end of a run is noticed at once
_POLL_SECOND = 0.2


@dataclass(frozen=True, kw_only=True)
class Waveforms:
    """What a run saved of its lines, at the solver's own time points."""

    time_second: NDArray[np.float64]
    """[n_time]"""
    sensed: NDArray[np.float64]
    """[n_line, n_time]: clamp currents [ampere], positive from the bit line into the clamp, or outputs [volt]."""
    lines: tuple[int, ...]
    log: str


def find_ngspice() -> Path:
    """The ngspice to use: the variable `TILEMODEL_NGSPICE`, else the first on the PATH.

    Raises `SimulatorMissingError` with the command that installs it.
    """
    named = os.environ.get("TILEMODEL_NGSPICE")
    found = shutil.which(named or "ngspice")
    if found:
        return Path(found).absolute()
    if named:
        raise SimulatorMissingError(f"TILEMODEL_NGSPICE = {named!r} is no program; correct or unset the variable")
    raise SimulatorMissingError("ngspice is not installed; on Debian or Ubuntu run: sudo apt-get install ngspice")


@functools.cache
def ngspice_version(program: Path) -> str:
    """What `program` calls itself, such as 'ngspice-39'."""
    try:
        output = subprocess.run(
            [str(program), "-v"], capture_output=True, text=True, errors="replace", timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SimulatorMissingError(f"{program}: does not run ({error}); install ngspice anew") from None
    match = re.search(r"ngspice-\S+", output)
    if not match:
        raise SimulatorMissingError(f"{program}: does not say that it is ngspice; point TILEMODEL_NGSPICE to one")
    return match.group()


def run_deck(deck: Deck, *, timeout_second: float, stop: threading.Event | None = None) -> Waveforms:
    """Run `deck` in a temporary folder and read what it saves.

    Raises `SimulatorError` if it crashes, hangs, fails to converge or leaves an incomplete result; the
    folder with deck and log is then kept, and the error names it. Setting `stop` from another thread ends
    the simulator.
    """
    program = find_ngspice()
    folder = Path(tempfile.mkdtemp(prefix="tilemodel-ngspice-"))
    keep = False
    try:
        return _run_in(folder, program, deck, timeout_second, stop or threading.Event())
    except SimulatorError as error:
        if stop is not None and stop.is_set():
            raise
        keep = True
        raise SimulatorError(f"{error} (deck and log kept in {folder})", error.log) from None
    except OSError as error:
        raise SimulatorError(
            f"the run's folder {folder} cannot be written ({error.strerror}); is the disk full?"
        ) from None
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _run_in(folder: Path, program: Path, deck: Deck, timeout_second: float, stop: threading.Event) -> Waveforms:
    (folder / "deck.cir").write_text(deck.text)
    (folder / ".spiceinit").write_text("set num_threads=1\n")
    for include in deck.includes:
        (folder / include.name).symlink_to(include.path)
    status, log = _run_process([str(program), "-b", "-r", "out.raw", "deck.cir"], folder, timeout_second, stop)
    _check_exit(status, log)
    return _read_result(folder / "out.raw", deck, log)


def _run_process(command: list[str], folder: Path, timeout_second: float, stop: threading.Event) -> tuple[int, str]:
    """Run to the end, the time-out or `stop`, whichever comes first; the process never outlives this call."""
    # With HOME here ngspice reads this run's .spiceinit and not the user's (its option -n would skip both)
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    log_path = folder / "ngspice.log"
    with log_path.open("wb") as log:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that whatever it starts can be ended with it
            )
        except OSError as error:
            raise SimulatorError(f"{command[0]} cannot be started: {error.strerror}") from None
        deadline = time.monotonic() + timeout_second
        try:
            while not stop.is_set() and time.monotonic() < deadline:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=_POLL_SECOND)
                    break
        finally:
            if process.poll() is None:  # its number is its own only until it has been waited for
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
    text = log_path.read_text(errors="replace")
    if stop.is_set():
        raise SimulatorError("ngspice was stopped", text)
    if time.monotonic() >= deadline and status == -signal.SIGKILL:
        message = (
            f"ngspice did not finish within {timeout_second:g} s; raise [simulator] timeout_second or shrink the tile"
        )
        raise SimulatorError(message, text)
    return status, text


def _check_exit(status: int, log: str) -> None:
    if status < 0:
        name = signal.Signals(-status).name
        cause = " (out of memory? Shrink the tile)" if -status == signal.SIGKILL else ""
        raise SimulatorError(f"ngspice was killed by signal {-status}, {name}{cause}", log)
    failure = next((line.strip() for line in log.splitlines() if _FAILURE.search(line)), None)
    if status != 0 or failure:
        raise SimulatorError(
            f"ngspice failed with exit status {status}: {failure or 'no error line in its log'}; "
            "where it does not converge, looser [simulator] tolerances help",
            log,
        )


def _read_result(path: Path, deck: Deck, log: str) -> Waveforms:
    try:
        vectors = read_raw(path, ("time", *deck.sense_vectors))
    except SimulatorError as error:
        raise SimulatorError(str(error), log) from None
    time_second = vectors[0]
    if time_second.size < 2 or time_second[0] != 0 or (np.diff(time_second) < 0).any():
        raise SimulatorError("ngspice's time points do not rise from 0; its result is unusable", log)
    if time_second[-1] < deck.t_stop_second * (1 - 1e-9):
        raise SimulatorError(
            f"ngspice stopped at {time_second[-1]:g} s of {deck.t_stop_second:g} s; see its log for the cause", log
        )
    return Waveforms(time_second=time_second, sensed=vectors[1:], lines=deck.lines, log=log)
