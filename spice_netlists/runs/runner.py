"""Run any number of jobs, a bounded number of them at a time, and lose none."""

import threading
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from spice_netlists.deck import Deck
from spice_netlists.errors import SimulatorError
from spice_netlists.process import StopSignal
from spice_netlists.runs.execute import Outcome, execute, keep, look_up
from spice_netlists.runs.executors import open_backend
from spice_netlists.runs.job import Job
from spice_netlists.runs.record import RunResult
from spice_netlists.runs.store import RunStore

__all__ = ["Runner"]

_POLL_SECOND = 0.2
# Jobs in the executor, a worker: one that runs and one that waits, so that none idles
_PER_WORKER = 2
# A job in hand when this many workers died is taken for their murderer
_DEATHS_ALLOWED = 3


@dataclass(kw_only=True)
class _Pending:
    """A job in the executor."""

    job: Job
    places: list[int]
    """Where its result belongs: several, if a batch holds the same deck twice."""
    executor: Executor
    n_death: int = 0


class Runner:
    """Runs jobs in `executor`, a context manager.

    `executor` is 'processes' (a pool of `processes`, by default the cores; a script needs the usual
    `if __name__ == "__main__":`), 'threads', 'dask://HOST:PORT' or a `concurrent.futures.Executor` of the user's own,
    taken to have `processes` workers. Results are looked up in `store` and kept there; None keeps nothing.
    `memory_byte` limits the address space of each simulator. Several threads may use a runner at once. Raises
    `InputError` for an executor that is not there.
    """

    def __init__(
        self,
        executor: Executor | str = "processes",
        *,
        processes: int | None = None,
        store: RunStore | None = None,
        memory_byte: int | None = None,
    ) -> None:
        self._backend = open_backend(executor, processes)
        self._store = store
        self._told: set[str] = set()
        self._stopping = threading.Event()
        self._memory_byte = memory_byte

    @property
    def n_worker(self) -> int:
        """Jobs that run at a time."""
        return self._backend.n_worker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()
        self._backend.close()

    def stop(self) -> None:
        """End all running simulators; the runner is of no use afterwards."""
        self._stopping.set()
        self._backend.stop()

    def job(self, deck: Deck, engine: str, timeout_second: float) -> Job:
        """The job of `deck` for `engine` (name and version), under this runner's memory limit."""
        return Job(deck=deck, engine=engine, timeout_second=timeout_second, memory_byte=self._memory_byte)

    def has(self, job: Job) -> bool:
        """Whether the store has a result of `job`."""
        return self._store is not None and self._store.has(job.key)

    def run(self, jobs: Iterable[Job], *, stop: StopSignal | None = None) -> Iterator[tuple[int, RunResult]]:
        """The place of each job in `jobs` and its result, as they come.

        `jobs` is drawn from as there is room: it may be a generator of any length. After the first failure, or `stop`
        set by another thread, no job begins; those that run are ended with the runner. Raises `SimulatorError` or
        `SimulatorMissingError`.
        """
        pending: dict[Future[Outcome], _Pending] = {}
        try:
            for place, job in enumerate(jobs):
                if (found := self._begin(place, job, pending)) is not None:
                    yield place, found
                while len(pending) >= _PER_WORKER * self.n_worker:
                    yield from self._some(pending, stop)
            while pending:
                yield from self._some(pending, stop)
        finally:
            for future in pending:
                future.cancel()

    def _some(
        self, pending: dict[Future[Outcome], _Pending], stop: StopSignal | None
    ) -> Iterator[tuple[int, RunResult]]:
        """What of `pending` ends within a moment."""
        if stop is not None and stop.is_set():
            raise SimulatorError("stopped", fault="stop")
        done, _ = wait(pending, timeout=_POLL_SECOND, return_when=FIRST_COMPLETED)
        for future in done:
            item = pending.pop(future)
            result = self._finish(future, item, pending)
            if result is not None:
                yield from ((place, result) for place in item.places)

    def _begin(self, place: int, job: Job, pending: dict[Future[Outcome], _Pending]) -> RunResult | None:
        """The stored result of `job`; if there is none, it is on its way."""
        twin = next((item for item in pending.values() if item.job.key == job.key), None)
        if twin is not None:
            twin.places.append(place)
            return None
        if self._store is not None:
            found = look_up(self._store, job.key)
            self._tell(found.complaint)
            if found.result is not None:
                return found.result
        self._submit(_Pending(job=job, places=[place], executor=self._backend.executor), pending)
        return None

    def _submit(self, item: _Pending, pending: dict[Future[Outcome], _Pending]) -> None:
        store = self._store if self._backend.same_disk else None
        for _ in range(_DEATHS_ALLOWED):
            item.executor = self._backend.executor
            try:
                pending[item.executor.submit(execute, item.job, store, self._backend.stop_signal)] = item
            except BrokenExecutor:
                self._backend.renew(item.executor)
            else:
                return
        raise SimulatorError("worker processes die as soon as they start; is the machine out of memory?", fault="crash")

    def _finish(
        self, future: Future[Outcome], item: _Pending, pending: dict[Future[Outcome], _Pending]
    ) -> RunResult | None:
        """The result of a job that has ended; None if its worker died or was ended, and it has been started again."""
        try:
            outcome = future.result()
        except self._backend.deaths as error:
            self._again(item, pending, error)
            return None
        except SimulatorError as error:
            if error.fault != "stop" or self._stopping.is_set():
                raise
            self._again(item, pending, error)
            return None
        if not self._backend.same_disk:
            outcome = keep(self._store, outcome.result)
        self._tell(outcome.complaint)
        return outcome.result

    def _again(self, item: _Pending, pending: dict[Future[Outcome], _Pending], error: BaseException) -> None:
        item.n_death += 1
        if self._stopping.is_set():
            raise SimulatorError("stopped", fault="stop") from None
        if item.n_death >= _DEATHS_ALLOWED:
            raise SimulatorError(
                f"{item.n_death} workers died with the deck {item.job.deck.sha256} in hand ({error}); out of memory? "
                "Use fewer processes or a smaller tile",
                fault="crash",
            ) from None
        if isinstance(error, BrokenExecutor):
            self._backend.renew(item.executor)
        self._submit(item, pending)

    def _tell(self, complaint: str | None) -> None:
        """Warn once of each thing that is wrong with the store."""
        if complaint is not None and complaint not in self._told:
            self._told.add(complaint)
            warnings.warn(complaint, stacklevel=4)
