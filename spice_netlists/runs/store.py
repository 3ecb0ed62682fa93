"""Finished runs on disk: one file a job, named by its hash, whole or not there at all.

A file is written under a temporary name, flushed to the disk and then linked to its own name, which only one of several
writers can do: any number of processes may use a store at once. Nothing is ever changed in place.
"""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spice_netlists.runs.record import DamagedResultError, RunResult, from_bytes, to_bytes
from tilemodel.config.errors import InputError, OutputError

__all__ = ["RunStore", "Swept", "default_store_folder"]

_KEY = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".run"
# A writer needs seconds; temporary files older than this were left by one that was killed
_STALE_SECOND = 3600.0


def default_store_folder() -> Path:
    """The variable `TILEMODEL_STORE`, else `tilemodel/runs` in the user's cache folder (XDG)."""
    named = os.environ.get("TILEMODEL_STORE")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "tilemodel" / "runs"


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What `RunStore.sweep` removed."""

    n_result: int
    n_damaged: int
    n_temporary: int
    n_byte: int


class RunStore:
    """A folder of finished runs."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, key: str) -> Path:
        """Where the result of the job `key` is, or would be."""
        return self.folder / key[:2] / f"{key}{_SUFFIX}"

    def has(self, key: str) -> bool:
        """Whether there is a result of the job `key`, sound or not."""
        return self.path(key).is_file()

    def get(self, key: str) -> RunResult | None:
        """The result of the job `key`, or None if there is none.

        Raises `DamagedResultError` for a damaged one, `InputError` for one that cannot be read.
        """
        try:
            data = self.path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InputError(f"{self.path(key)}: cannot be read ({error.strerror})") from None
        try:
            return from_bytes(data, key)
        except DamagedResultError as error:
            raise DamagedResultError(f"{self.path(key)}: {error}") from None

    def put(self, result: RunResult) -> None:
        """Keep `result`, unless there is one for its job. Raises `OutputError` where it cannot be written."""
        path = self.path(result.record.key)
        if path.exists():
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._temporary(to_bytes(result)) as temporary:
                _link(temporary, path)
            _flush_folder(path.parent)
        except OSError as error:
            raise OutputError(f"{self.folder}: the run cannot be kept ({error.strerror or error})") from None

    def set_aside(self, key: str) -> None:
        """Move a damaged result out of the way, so that another can take its place.

        A sound one that another process has put there since is given its name back.
        """
        path = self.path(key)
        aside = path.with_suffix(f".damaged-{os.getpid()}-{time.time_ns()}")
        with contextlib.suppress(OSError):
            path.replace(aside)
            with contextlib.suppress(DamagedResultError):
                from_bytes(aside.read_bytes(), key)
                _link(aside, path)
                aside.unlink(missing_ok=True)

    def keys(self) -> list[str]:
        """The jobs that have a result, in the order of their keys."""
        found = (path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"??/*{_SUFFIX}"))
        return sorted(key for key in found if _KEY.fullmatch(key))

    def find(self, beginning: str) -> str:
        """The only job whose key starts with `beginning`. Raises `InputError` if there is none, or several."""
        found = [key for key in self.keys() if key.startswith(beginning)]
        if len(found) != 1:
            raise InputError(
                f"{self.folder}: {len(found)} runs begin with {beginning!r}; `tilemodel runs list` shows all"
            )
        return found[0]

    def sweep(self, *, older_than_second: float | None, max_byte: int | None) -> Swept:
        """Remove what is damaged or left over, results older than `older_than_second`, and the oldest above `max_byte`.

        Raises `OutputError` where something cannot be removed.
        """
        now = time.time()
        stale = [path for path in self.folder.glob("tmp-*") if now - _modified(path) > _STALE_SECOND]
        damaged = [*self.folder.glob("??/*.damaged-*"), *(self.path(key) for key in self.keys() if self._damaged(key))]
        sound = sorted({self.path(key) for key in self.keys()} - set(damaged), key=_modified, reverse=True)
        total, old = 0, []
        for path in sound:  # the newest first
            total += _size(path)
            too_old = older_than_second is not None and now - _modified(path) > older_than_second
            if too_old or (max_byte is not None and total > max_byte):
                old.append(path)
        n_byte = sum(_remove(path) for path in (*stale, *damaged, *old))
        return Swept(n_result=len(old), n_damaged=len(damaged), n_temporary=len(stale), n_byte=n_byte)

    def _damaged(self, key: str) -> bool:
        try:
            self.get(key)
        except DamagedResultError:
            return True
        except InputError:
            return False
        return False

    @contextlib.contextmanager
    def _temporary(self, data: bytes) -> Iterator[Path]:
        handle, name = tempfile.mkstemp(prefix="tmp-", dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)


def _link(temporary: Path, path: Path) -> None:
    """Give the file the name `path` too, unless it is taken; where there are no links, rename (equal results)."""
    temporary.chmod(0o644)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    except OSError:
        temporary.replace(path)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process was faster
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another process was faster
        return 0


def _remove(path: Path) -> int:
    try:
        n_byte = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise OutputError(f"{path}: cannot be removed ({error.strerror})") from None
    return n_byte
