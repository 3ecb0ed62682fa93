"""Run one deck in ngspice as a process of its own, and accept nothing but a complete result.

The exit status of ngspice says little (a deck without a result can exit 0), so success means: exit status
0, no line of the log that reports an error, every saved vector in the raw file, all its values finite,
and the last time point at the end of the run.
"""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spice_netlists.deck import Deck
from spice_netlists.errors import SimulatorError, SimulatorMissingError
from spice_netlists.rawfile import read_raw

__all__ = ["Waveforms", "find_ngspice", "ngspice_version", "run_deck"]

_FAILURE = re.compile(
    r"^(?!\s*(note|warning)).*(\berror\b|\bfatal\b|aborted|singular matrix|timestep too small|no convergence)", re.I
)


@dataclass(frozen=True, kw_only=True)
class Waveforms:
    """Clamp currents of one run at the solver's own time points."""

    time_second: NDArray[np.float64]
    """[n_time]"""
    current_ampere: NDArray[np.float64]
    """[n_line, n_time], positive from the bit line into the clamp."""
    lines: tuple[int, ...]
    log: str


def find_ngspice() -> Path:
    """The ngspice to use: the variable `TILEMODEL_NGSPICE`, else the first on the PATH.

    Raises `SimulatorMissingError` with the command that installs it.
    """
    named = os.environ.get("TILEMODEL_NGSPICE")
    found = shutil.which(named or "ngspice")
    if found:
        return Path(found)
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


def run_deck(deck: Deck, *, timeout_second: float) -> Waveforms:
    """Run `deck` in a temporary folder and read its clamp currents.

    Raises `SimulatorError` if it crashes, hangs, fails to converge or leaves an incomplete result; the
    folder with deck and log is then kept, and the error names it.
    """
    program = find_ngspice()
    folder = Path(tempfile.mkdtemp(prefix="tilemodel-ngspice-"))
    try:
        waveforms = _run_in(folder, program, deck, timeout_second)
    except SimulatorError as error:
        (folder / "ngspice.log").write_text(error.log)
        raise SimulatorError(f"{error} (deck and log kept in {folder})", error.log) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return waveforms


def _run_in(folder: Path, program: Path, deck: Deck, timeout_second: float) -> Waveforms:
    (folder / "deck.cir").write_text(deck.text)
    (folder / ".spiceinit").write_text("set num_threads=1\n")
    for include in deck.includes:
        (folder / include.name).symlink_to(include.path.absolute())
    # HOME is the run's folder: ngspice would otherwise read the user's own .spiceinit too
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [str(program), "-b", "-r", "out.raw", "deck.cir"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_second,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        log = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else (error.stdout or "")
        raise SimulatorError(
            f"ngspice did not finish within {timeout_second:g} s; raise [simulator] timeout_second or shrink the tile",
            log,
        ) from None
    except OSError as error:
        raise SimulatorError(f"ngspice could not be started: {error}") from None
    _check_exit(done.returncode, done.stdout)
    return _read_result(folder / "out.raw", deck, done.stdout)


def _check_exit(status: int, log: str) -> None:
    if status < 0:
        raise SimulatorError(f"ngspice was killed by signal {-status}; out of memory? Simulate fewer columns", log)
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
    if time_second[-1] < deck.t_stop_second * (1 - 1e-9):
        raise SimulatorError(
            f"ngspice stopped at {time_second[-1]:g} s of {deck.t_stop_second:g} s; see its log for the cause", log
        )
    return Waveforms(time_second=time_second, current_ampere=vectors[1:], lines=deck.lines, log=log)
