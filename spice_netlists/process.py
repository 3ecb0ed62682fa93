"""Run a circuit simulator as a process of its own, in a folder of its own: what all engines share."""

import contextlib
import functools
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from spice_netlists.errors import Fault, SimulatorError

__all__ = ["Limits", "StopSignal", "Waveforms", "check_exit", "check_time", "in_run_folder", "run_process"]

Result = TypeVar("Result")

# How soon a stop is noticed; the end of a run is noticed at once
_POLL_SECOND = 0.2
# A log longer than this is nonsense; of a long one only so much of both ends is kept
_LOG_MAX_BYTES = 64 * 1024**2
_LOG_KEPT_BYTES = 500_000
_CONVERGENCE = re.compile(
    r"timestep too small|convergence|singular matrix|stepping failed|iteration limit", re.IGNORECASE
)
_MEMORY = re.compile(r"can't allocate|cannot allocate|out of memory|bad_alloc", re.IGNORECASE)


class StopSignal(Protocol):
    """What says that running simulators are to end: `threading.Event` is one."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a run may take."""

    timeout_second: float
    memory_byte: int | None = None
    """Address space of the simulator's process [byte]; None = unlimited."""


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


def in_run_folder(simulator: str, work: Callable[[Path], Result], stop: StopSignal) -> Result:
    """What `work` returns, given a temporary folder that is removed afterwards.

    If it raises `SimulatorError` and `stop` is not set, the folder is kept and the error names it.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"tilemodel-{simulator}-"))
    except OSError as error:
        raise SimulatorError(
            f"no folder for the run can be made ({error.strerror}); is the disk full? TMPDIR names another",
            fault="disk",
        ) from None
    keep = False
    try:
        return work(folder)
    except SimulatorError as error:
        if stop.is_set() or error.fault == "stop":
            raise
        keep = True
        raise SimulatorError(f"{error} (deck and log kept in {folder})", error.log, fault=error.fault) from None
    except OSError as error:
        raise SimulatorError(
            f"the run's folder {folder} cannot be written ({error.strerror}); is the disk full?", fault="disk"
        ) from None
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def run_process(
    simulator: str,
    command: list[str],
    folder: Path,
    *,
    limits: Limits,
    stop: StopSignal,
    environment: Mapping[str, str],
) -> tuple[int, str]:
    """Exit status and log (`<simulator>.log` in `folder`) of `command`, run in `folder`.

    Runs to the end, the time-out or `stop`, whichever comes first; the process never outlives this call, nor (on
    Linux) the process that calls. Raises `SimulatorError` where it cannot be started, is stopped, times out, or floods
    its log.
    """
    log_path = folder / f"{simulator}.log"
    if not os.access(command[0], os.X_OK):
        raise SimulatorError(f"{command[0]} cannot be started: it is no program that may be run", fault="deck")
    with log_path.open("wb") as log:
        try:
            process = subprocess.Popen(
                [*_guard(), *command],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that whatever it starts can be ended with it
            )
        except OSError as error:
            raise SimulatorError(f"{command[0]} cannot be started: {error.strerror}", fault="deck") from None
        _limit_memory(process.pid, limits.memory_byte)
        deadline = time.monotonic() + limits.timeout_second
        status = _wait(process, deadline, stop, log_path)
    text = _read_log(log_path)
    if stop.is_set():
        raise SimulatorError(f"{simulator} was stopped", text, fault="stop")
    if status == -signal.SIGKILL:
        _check_limits(simulator, limits, log_path.stat().st_size, time.monotonic() >= deadline, text)
    return status, text


def _check_limits(simulator: str, limits: Limits, n_byte: int, late: bool, log: str) -> None:
    """Say which limit a run was killed for, if it was one of ours."""
    if n_byte > _LOG_MAX_BYTES:
        raise SimulatorError(
            f"{simulator} printed more than {_LOG_MAX_BYTES} bytes and was ended; see the log", log, fault="flood"
        )
    if late:
        raise SimulatorError(
            f"{simulator} did not finish within {limits.timeout_second:g} s; "
            "raise [simulator] timeout_second or shrink the tile",
            log,
            fault="time-out",
        )


def check_exit(simulator: str, status: int, log: str, failure: str | None) -> None:
    """Raise `SimulatorError` for a signal, an exit status but 0, or a `failure` that the log reports."""
    if status == 0 and not failure:
        return
    memory = _MEMORY.search(log)
    if memory:
        line = next(line.strip() for line in log.splitlines() if memory.group() in line)
        raise SimulatorError(
            f"{simulator} ran out of memory: {line}; raise the memory limit or shrink the tile", log, fault="memory"
        )
    if status < 0:
        name = signal.Signals(-status).name
        cause = " (out of memory? Shrink the tile)" if -status == signal.SIGKILL else ""
        raise SimulatorError(f"{simulator} was killed by signal {-status}, {name}{cause}", log, fault="crash")
    fault: Fault = "crash" if failure is None else "convergence" if _CONVERGENCE.search(failure) else "deck"
    remedy = "; looser [simulator] tolerances help" if fault == "convergence" else ""
    raise SimulatorError(
        f"{simulator} failed with exit status {status}: {failure or 'no error line in its log'}{remedy}",
        log,
        fault=fault,
    )


def check_time(simulator: str, time_second: NDArray[np.float64], t_stop_second: float, log: str) -> None:
    """Raise `SimulatorError` unless the time points [n_time] rise from 0 to `t_stop_second`."""
    if time_second.size < 2 or time_second[0] != 0 or (np.diff(time_second) < 0).any():
        raise SimulatorError(f"{simulator}'s time points do not rise from 0; its result is unusable", log)
    if time_second[-1] < t_stop_second * (1 - 1e-9):
        raise SimulatorError(
            f"{simulator} stopped at {time_second[-1]:g} s of {t_stop_second:g} s; see its log for the cause", log
        )


def _wait(process: subprocess.Popen[bytes], deadline: float, stop: StopSignal, log_path: Path) -> int:
    """Exit status; kills the process and its children at the deadline, at `stop`, at a flood and when interrupted."""
    try:
        while not stop.is_set() and time.monotonic() < deadline and log_path.stat().st_size <= _LOG_MAX_BYTES:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_POLL_SECOND)
                break
    finally:
        if process.poll() is None:  # its number is its own only until it has been waited for
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    return status


@functools.cache
def _guard() -> tuple[str, ...]:
    """Words before a command that end it with the process that started it, even if that is killed (Linux)."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    guard = (setpriv, "--pdeathsig", "KILL")
    works = subprocess.run([*guard, "true"], capture_output=True, check=False).returncode == 0
    return guard if works else ()


def _limit_memory(process_id: int, memory_byte: int | None) -> None:
    if memory_byte is None:
        return
    if not hasattr(resource, "prlimit"):
        raise SimulatorError("a memory limit needs Linux; run without one", fault="deck")
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        resource.prlimit(process_id, resource.RLIMIT_AS, (memory_byte, memory_byte))


def _read_log(path: Path) -> str:
    """The log's text, of a long one only its two ends."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size <= 2 * _LOG_KEPT_BYTES:
            return file.read().decode(errors="replace")
        head = file.read(_LOG_KEPT_BYTES)
        file.seek(-_LOG_KEPT_BYTES, os.SEEK_END)
        return (head + b"\n[...]\n" + file.read()).decode(errors="replace")
