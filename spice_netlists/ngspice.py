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
from pathlib import Path

from spice_netlists.deck import Deck
from spice_netlists.errors import SimulatorError, SimulatorMissingError
from spice_netlists.process import Limits, StopSignal, Waveforms, check_exit, check_time, in_run_folder, run_process
from spice_netlists.rawfile import read_raw
from spice_netlists.screening import model_file_sha256

__all__ = ["find_ngspice", "ngspice_version", "run_ngspice"]

# Lines that report a failure; the log also echoes the deck's title
_FAILURE = re.compile(
    r"^(?!\s*(note|warning|circuit:))"
    r".*(\berror\b|\bfatal\b|aborted|singular matrix|timestep too small|no convergence)",
    re.IGNORECASE,
)


# "Error on line:" is followed by the line and by the cause
_ANNOUNCED = 3


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


def run_ngspice(deck: Deck, *, limits: Limits, stop: StopSignal) -> Waveforms:
    """Run `deck` in a temporary folder and read what it saves.

    Raises `SimulatorError` if it crashes, hangs, fails to converge or leaves an incomplete result; the
    folder with deck and log is then kept, and the error names it. Setting `stop` from another thread ends
    the simulator.
    """
    program = find_ngspice()

    def work(folder: Path) -> Waveforms:
        (folder / "deck.cir").write_text(deck.text)
        (folder / ".spiceinit").write_text("set num_threads=1\n")
        _check_includes(deck)
        for include in deck.includes:
            (folder / include.name).symlink_to(include.path)
        # With HOME here ngspice reads this run's .spiceinit and not the user's (its option -n would skip both)
        environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
        command = [str(program), "-b", "-r", "out.raw", "deck.cir"]
        status, log = run_process("ngspice", command, folder, limits=limits, stop=stop, environment=environment)
        check_exit("ngspice", status, log, _failure(log))
        _check_includes(deck)
        return _read_result(folder / "out.raw", deck, log)

    return in_run_folder("ngspice", work, stop)


def _check_includes(deck: Deck) -> None:
    """Raise `SimulatorError` where a model file is not the one that the deck's hash, and so the run's key, covers."""
    for include in deck.includes:
        if model_file_sha256(include.path) != include.sha256:
            raise SimulatorError(
                f"{include.path}: not the model file that the deck was made for (sha256 {include.sha256[:16]}…); it "
                "was changed meanwhile, or differs on this machine",
                fault="deck",
            )


def _failure(log: str) -> str | None:
    """The first line that reports an error; behind one that only announces it, those that say which and why."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    first = next((k for k, line in enumerate(lines) if _FAILURE.search(line)), None)
    if first is None:
        return None
    return " ".join(lines[first : first + _ANNOUNCED]) if lines[first].endswith(":") else lines[first]


def _read_result(path: Path, deck: Deck, log: str) -> Waveforms:
    try:
        vectors = read_raw(path, ("time", *deck.sense_vectors))
    except SimulatorError as error:
        raise SimulatorError(str(error), log, fault=error.fault) from None
    check_time("ngspice", vectors[0], deck.t_stop_second, log)
    n_line = len(deck.lines)
    return Waveforms(
        time_second=vectors[0],
        sensed=vectors[1 : 1 + n_line],
        outputs_volt=vectors[1 + n_line :],
        lines=deck.lines,
        log=log,
    )
