"""Results reach the disk whole or not at all: written under a temporary name beside the target, then renamed."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tilemodel.config.errors import OutputError

__all__ = ["atomic_file", "atomic_folder", "check_file_target", "check_folder_target"]


def check_file_target(path: str | Path) -> None:
    """Raise `OutputError` if `path` cannot become a file: to be called before hours of simulation, not after."""
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is a device or pipe; give the name of a file")
    _check_parent(path)


def check_folder_target(path: str | Path, *, marker: str) -> None:
    """Raise `OutputError` if `atomic_folder` would not write to `path`."""
    path = Path(path).resolve()
    if path == Path.cwd() or path.is_mount():
        raise OutputError(f"{path}: is in use as the current folder or a mount point; name a new folder")
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: exists and is not a folder; choose another output")
    if path.exists() and any(path.iterdir()) and not _is_ours(path / marker):
        raise OutputError(f"{path}: exists and is not an earlier output (no {marker} of ours); choose another folder")
    _check_parent(path)


def _is_ours(marker: Path) -> bool:
    """Whether a JSON file says in its `schema_version` that this project wrote it."""
    try:
        content = json.loads(marker.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and str(content.get("schema_version", "")).startswith("tilemodel-")


def _check_parent(path: Path) -> None:
    parent = path.absolute().parent
    if not parent.is_dir():
        raise OutputError(f"{path}: the folder {parent} does not exist; create it first")
    if not os.access(parent, os.W_OK):
        raise OutputError(f"{path}: the folder {parent} is not writable; choose another output")


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; what was written there becomes `path` if the block ends well.

    Raises `OutputError` where the folder is missing or not writable, or the disk is full.
    """
    path = Path(path)
    check_file_target(path)
    with _output_errors(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        with _output_errors(path):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, *, marker: str) -> Iterator[Path]:
    """A temporary folder beside `path` that becomes `path` if the block ends well.

    An existing folder is replaced only if it is empty or holds a JSON file `marker` whose `schema_version`
    says that an earlier run wrote it. Raises `OutputError` otherwise, and where the parent is missing or not writable.
    """
    path = Path(path).resolve()
    check_folder_target(path, marker=marker)
    with _output_errors(path):
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.absolute().parent))
    try:
        with _output_errors(path):
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _exchange(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, path: Path) -> None:
    """Put the folder `new` in the place of `path`; if that fails, what was there stays."""
    if not path.exists():
        new.replace(path)
        return
    old = new.with_name(f"{new.name}.old")
    path.replace(old)
    try:
        new.replace(path)
    except OSError:
        old.replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); its folder must exist, be writable and have room"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
