"""Jobs on a Dask cluster (optional package `distributed`): any number of machines that share a scheduler.

Results travel back and are stored on this side: the machines need no common disk, but tilemodel and the same version of
the simulator. Dask starts the jobs of a lost worker again on another.
"""

import contextlib
import time
import uuid

from spice_netlists.runs.executors import Backend
from tilemodel.config.errors import InputError, MissingPackageError

__all__ = ["DaskBackend", "DaskStop"]

_CONNECT_SECOND = 10.0
_ASK_SECOND = 1.0


class DaskStop:
    """The stop signal of a batch, looked up at the scheduler once a second."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._asked, self._known = 0.0, False

    def is_set(self) -> bool:
        from distributed import Event

        if not self._known and time.monotonic() - self._asked >= _ASK_SECOND:
            self._asked = time.monotonic()
            try:
                self._known = bool(Event(self._name).is_set())
            except (OSError, RuntimeError, ValueError):  # the cluster is going down
                self._known = True
        return self._known


class DaskBackend(Backend):
    """A Dask cluster whose scheduler is at `address` (HOST:PORT)."""

    same_disk = False

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client, Event
            from distributed.scheduler import KilledWorker
        except ImportError:
            raise MissingPackageError("Dask is not installed; run: pip install 'tilemodel[dask]'") from None
        try:
            self._client = Client(f"tcp://{address}", timeout=_CONNECT_SECOND, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"dask://{address}: no scheduler answers there ({error}); start one: dask scheduler"
            ) from None
        name = f"tilemodel-stop-{uuid.uuid4()}"
        self._event = Event(name, client=self._client)
        self.stop_signal = DaskStop(name)
        self.deaths = (*self.deaths, KilledWorker)
        self.executor = self._client.get_executor(pure=False)
        self.n_worker = max(1, sum(self._client.nthreads().values()))

    def stop(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # a scheduler that is gone has nothing to stop
            self._event.set()

    def close(self) -> None:
        self.executor.shutdown(wait=False)  # cancels what has not begun; the rest looks at the stop signal
        self._client.close()
