"""Keep what a tile file names from giving orders to ngspice.

ngspice does more than simulate: `.control` starts a script that may call a shell, so does a comment that begins with
`*#`, and any line that begins with `.inc` or `.lib` reads another file (the rest of the word does not matter to it).
None of these may come from a circuit or model file, and no file name may end the line that it stands on.
"""

import functools
import hashlib
import re
from pathlib import Path

from tilemodel.config.errors import InputError
from tilemodel.config.load import read_limited

__all__ = ["check_circuit_text", "check_file_name", "model_file_sha256"]

_MAX_MODEL_BYTES = 64_000_000
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")
# Files that a run or `tilemodel netlist` writes beside the models
_TAKEN = re.compile(r"deck\.cir|out\.raw|ngspice\.log|manifest\.json|vector_.*\.cir", re.IGNORECASE)
_ORDER = re.compile(r"^[\s\x00-\x20]*(\*#|\.control|\.inc|\.lib|\.exec|\.hdl)[^\n\r]*", re.IGNORECASE)
# Code models that run a program or read a file of their own, which no hash would cover
_PROGRAM = re.compile(r"\b(d_process|d_cosim|d_source|d_state|filesource|table[23]d)\b", re.IGNORECASE)
_ANALYSIS = re.compile(r"^\s*\.(end|tran|options?)\b", re.IGNORECASE)
_LINE_END = re.compile(r"[\n\r\v\f\x85\u2028\u2029]")


def check_file_name(name: str) -> None:
    """Raise `InputError` unless `name` may stand in a deck and in the run's folder."""
    if not _FILE_NAME.fullmatch(name):
        raise InputError(
            f"{name!r}: a model file's name goes into the deck, so it may hold letters, digits and _ . + - only; "
            "rename it"
        )
    if _TAKEN.fullmatch(name):
        raise InputError(f"{name!r}: a model file cannot have the name of a file that a run writes; rename it")


def check_circuit_text(text: str, what: str) -> None:
    """Raise `InputError` if the circuit `text`, called `what` in the message, gives orders or holds an analysis."""
    for line in _LINE_END.split(text):
        found = _ORDER.match(line) or _PROGRAM.search(line) or _ANALYSIS.match(line)
        if found:
            word = found.group().split()[0][:80]
            raise InputError(f"{what}: {word!r} has no place in it; name model files in model_files")


def model_file_sha256(path: Path) -> str:
    """Hash of the model file at `path` [hexadecimal].

    Raises `InputError` if it cannot be read, is too large, or gives orders; a file that it would include must be named
    in the tile file itself, or no hash would cover it.
    """
    check_file_name(path.name)
    try:
        status = path.stat()
    except (OSError, ValueError):
        return _screened(path, 0, 0)  # says why it cannot be read
    return _screened(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _screened(path: Path, _mtime_ns: int, _n_byte: int) -> str:
    """Read once for all decks: a technology's models have megabytes."""
    data = read_limited(path, _MAX_MODEL_BYTES, "a SPICE model file")
    for line in _LINE_END.split(data.decode("latin-1")):
        found = _ORDER.match(line) or _PROGRAM.search(line)
        if found:
            word = found.group().split()[0][:80]
            raise InputError(f"{path}: {word!r} has no place in a model file; name each file in model_files")
    return hashlib.sha256(data).hexdigest()
