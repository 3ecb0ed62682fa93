"""Where jobs run: threads or processes of this machine, a Dask cluster, or any executor of the user's own.

Each has a way to tell its jobs to stop, because no executor can end a job that has begun.
"""

import multiprocessing
import os
import threading
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor, ThreadPoolExecutor

from spice_netlists.errors import SimulatorError
from spice_netlists.process import StopSignal
from spice_netlists.runs.worker import WorkerStop, start_worker
from tilemodel.config.errors import InputError

__all__ = ["Backend", "GivenBackend", "ProcessBackend", "ThreadBackend", "core_count", "open_backend"]


def core_count() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Backend:
    """An executor and what belongs to it."""

    executor: Executor
    n_worker: int
    stop_signal: StopSignal
    """What jobs are given: they can look at it wherever they run."""
    deaths: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError)
    """What a job raises whose worker died."""
    same_disk = True
    """Whether jobs run on this machine, and so may write to its store."""

    def stop(self) -> None:
        """Tell all running jobs to end."""

    def close(self) -> None:
        """Wait for running jobs, drop the others."""
        self.executor.shutdown(wait=True, cancel_futures=True)

    def renew(self, broken: Executor) -> None:
        """Replace the executor `broken` if it still is the one in use. Raises `SimulatorError` where that cannot be."""
        raise SimulatorError(f"{type(broken).__name__}: its workers died; start it again", fault="crash")


class ThreadBackend(Backend):
    """Threads that wait for one simulator process each."""

    def __init__(self, n_worker: int) -> None:
        self.n_worker = n_worker
        self._stop = threading.Event()
        self.stop_signal = self._stop
        self.executor = ThreadPoolExecutor(n_worker)

    def stop(self) -> None:
        self._stop.set()


class ProcessBackend(Backend):
    """A pool of processes; each also reads and stores what its simulator leaves."""

    def __init__(self, n_worker: int) -> None:
        self.n_worker = n_worker
        self.stop_signal = WorkerStop()
        self._lock = threading.Lock()
        self._read_end, self._write_end = multiprocessing.Pipe(duplex=False)
        self.executor = self._pool()

    def stop(self) -> None:
        self._write_end.send_bytes(b"stop")  # nobody takes it out, so every worker sees it

    def close(self) -> None:
        super().close()
        self._read_end.close()
        self._write_end.close()

    def renew(self, broken: Executor) -> None:
        with self._lock:
            if self.executor is broken:
                broken.shutdown(wait=False, cancel_futures=True)
                self.executor = self._pool()

    def _pool(self) -> ProcessPoolExecutor:
        # a process that has threads must not fork: a small server forks the workers
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["spice_netlists.runs.execute"])
        return ProcessPoolExecutor(
            self.n_worker,
            mp_context=context,
            initializer=start_worker,
            initargs=(self._read_end, dict(os.environ)),
        )


class _Never:
    """Executors of the user's own have no way to tell a job that it is to end."""

    def is_set(self) -> bool:
        return False


class GivenBackend(Backend):
    """An executor of the user's own: jobs that have begun run to their end or time-out; the owner shuts it down."""

    same_disk = False

    def __init__(self, executor: Executor, n_worker: int) -> None:
        self.executor, self.n_worker, self.stop_signal = executor, n_worker, _Never()

    def close(self) -> None:
        """Nothing: the executor is not ours."""


def open_backend(executor: Executor | str, processes: int | None) -> Backend:
    """The backend named `executor`: processes, threads, dask://HOST:PORT; or around an executor.

    Raises `InputError` for another name and for a Dask cluster that does not answer.
    """
    n_worker = processes or core_count()
    if isinstance(executor, Executor):
        return GivenBackend(executor, n_worker)
    if executor == "processes":
        return ProcessBackend(n_worker)
    if executor == "threads":
        return ThreadBackend(n_worker)
    if executor.startswith("dask://"):
        from spice_netlists.runs.dask_cluster import DaskBackend

        return DaskBackend(executor.removeprefix("dask://"))
    raise InputError(f"executor: expected processes, threads or dask://HOST:PORT, got {executor!r}")
