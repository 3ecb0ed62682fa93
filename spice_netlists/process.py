"""Run a circuit simulator as a process of its own, in a folder of its own: what all engines share."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spice_netlists.errors import SimulatorError

__all__ = ["Waveforms", "check_exit", "check_time", "in_run_folder", "run_process"]

Result = TypeVar("Result")

# How soon a stop is noticed; the end of a run is noticed at once
_POLL_SECOND = 0.2


@dataclass(frozen=True, kw_only=True)
class Waveforms:
    """What a run saved of its lines, at the solver's own time points."""

    time_second: NDArray[np.float64]
    """[n_time]"""
    sensed: NDArray[np.float64]
    """[n_line, n_time]: clamp currents [ampere], positive from the bit line into the clamp, or outputs [volt]."""
    outputs_volt: NDArray[np.float64]
    """[n_line, n_time] of read-outs that convert themselves, else [0, n_time]."""
    lines: tuple[int, ...]
    log: str


def in_run_folder(simulator: str, work: Callable[[Path], Result], stop: threading.Event) -> Result:
    """What `work` returns, given a temporary folder that is removed afterwards.

    If it raises `SimulatorError` and `stop` is not set, the folder is kept and the error names it.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"tilemodel-{simulator}-"))
    keep = False
    try:
        return work(folder)
    except SimulatorError as error:
        if stop.is_set():
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


def run_process(
    simulator: str,
    command: list[str],
    folder: Path,
    *,
    timeout_second: float,
    stop: threading.Event,
    environment: Mapping[str, str],
) -> tuple[int, str]:
    """Exit status and log (`<simulator>.log` in `folder`) of `command`, run in `folder`.

    Runs to the end, the time-out or `stop`, whichever comes first; the process never outlives this call.
    Raises `SimulatorError` where it cannot be started, is stopped or times out.
    """
    log_path = folder / f"{simulator}.log"
    with log_path.open("wb") as log:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that whatever it starts can be ended with it
            )
        except OSError as error:
            raise SimulatorError(f"{command[0]} cannot be started: {error.strerror}") from None
        deadline = time.monotonic() + timeout_second
        status = _wait(process, deadline, stop)
    text = log_path.read_text(errors="replace")
    if stop.is_set():
        raise SimulatorError(f"{simulator} was stopped", text)
    if time.monotonic() >= deadline and status == -signal.SIGKILL:
        raise SimulatorError(
            f"{simulator} did not finish within {timeout_second:g} s; "
            "raise [simulator] timeout_second or shrink the tile",
            text,
        )
    return status, text


def check_exit(simulator: str, status: int, log: str, failure: str | None) -> None:
    """Raise `SimulatorError` for a signal, an exit status but 0, or a `failure` that the log reports."""
    if status < 0:
        name = signal.Signals(-status).name
        cause = " (out of memory? Shrink the tile)" if -status == signal.SIGKILL else ""
        raise SimulatorError(f"{simulator} was killed by signal {-status}, {name}{cause}", log)
    if status != 0 or failure:
        raise SimulatorError(
            f"{simulator} failed with exit status {status}: {failure or 'no error line in its log'}; "
            "where it does not converge, looser [simulator] tolerances help",
            log,
        )


def check_time(simulator: str, time_second: NDArray[np.float64], t_stop_second: float, log: str) -> None:
    """Raise `SimulatorError` unless the time points [n_time] rise from 0 to `t_stop_second`."""
    if time_second.size < 2 or time_second[0] != 0 or (np.diff(time_second) < 0).any():
        raise SimulatorError(f"{simulator}'s time points do not rise from 0; its result is unusable", log)
    if time_second[-1] < t_stop_second * (1 - 1e-9):
        raise SimulatorError(
            f"{simulator} stopped at {time_second[-1]:g} s of {t_stop_second:g} s; see its log for the cause", log
        )


def _wait(process: subprocess.Popen[bytes], deadline: float, stop: threading.Event) -> int:
    """Exit status; kills the process and its children at the deadline, at `stop` and when this is interrupted."""
    try:
        while not stop.is_set() and time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_POLL_SECOND)
                break
    finally:
        if process.poll() is None:  # its number is its own only until it has been waited for
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    return status
