"""Do one job: look it up, simulate it with as many attempts as it may take, keep the result."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from spice_netlists.convergence import HELPS, helped_deck
from spice_netlists.deck import Deck
from spice_netlists.engines import engine_version, run_deck
from spice_netlists.errors import SimulatorError, SimulatorMissingError
from spice_netlists.process import StopSignal, Waveforms
from spice_netlists.runs.job import Job
from spice_netlists.runs.record import Attempt, DamagedResultError, RunRecord, RunResult
from spice_netlists.runs.store import RunStore
from tilemodel.config.errors import InputError, OutputError

__all__ = ["Outcome", "execute", "keep", "look_up"]

_CRASHES_ALLOWED = 2
_PAUSE_SECOND = 0.2


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A finished job, and what the user should know about the store."""

    result: RunResult
    complaint: str | None = None


def execute(job: Job, store: RunStore | None, stop: StopSignal) -> Outcome:
    """The result of `job`, from `store` if another process has finished it meanwhile, and kept there.

    Raises `SimulatorError` where all attempts fail: the last failure, with the number of attempts.
    """
    found = None if store is None else look_up(store, job.key).result
    return Outcome(result=found) if found is not None else keep(store, _simulate(job, stop))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a store has of a job."""

    result: RunResult | None
    complaint: str | None = None


def look_up(store: RunStore, key: str) -> Found:
    """The result of the job `key` in `store`; a damaged one counts as none and is set aside."""
    try:
        return Found(result=store.get(key))
    except InputError as error:
        if isinstance(error, DamagedResultError):
            store.set_aside(key)
        return Found(result=None, complaint=f"{error}; it is simulated again")


def keep(store: RunStore | None, result: RunResult) -> Outcome:
    """Put `result` into `store`; that this fails is no reason to lose it."""
    if store is None:
        return Outcome(result=result)
    try:
        store.put(result)
    except OutputError as error:
        return Outcome(result=result, complaint=f"{error}; simulating goes on, but another time this is done again")
    return Outcome(result=result)


def _simulate(job: Job, stop: StopSignal) -> RunResult:
    engine = engine_version(job.deck.engine)
    if engine != job.engine:
        raise SimulatorMissingError(f"this machine has {engine}, the job is for {job.engine}; install that version")
    began, attempts, n_crash = time.perf_counter(), [], 0
    ways = _ways(job.deck)
    name, deck = next(ways)
    while True:
        try:
            waveforms = run_deck(deck, timeout_second=job.timeout_second, memory_byte=job.memory_byte, stop=stop)
        except SimulatorError as error:
            attempts.append(Attempt(convergence_help=name, outcome=f"{error.fault}: {str(error)[:300]}"))
            n_crash += error.fault in ("crash", "result")
            way: tuple[str | None, Deck] | None = name, deck
            if error.fault == "convergence":
                way = next(ways, None)
            elif error.fault not in ("crash", "result") or n_crash > _CRASHES_ALLOWED:
                way = None
            if way is None or stop.is_set():
                raise _last(error, attempts) from None
            name, deck = way
            time.sleep(_PAUSE_SECOND if error.fault == "crash" else 0.0)
            continue
        attempts.append(Attempt(convergence_help=name, outcome="done"))
        return _result(job, waveforms, attempts, time.perf_counter() - began)


def _ways(deck: Deck) -> Iterator[tuple[str | None, Deck]]:
    """The deck as it is, then with the helps for ngspice, in their order."""
    yield None, deck
    if deck.engine == "ngspice":
        for aid in HELPS:
            yield aid.name, helped_deck(deck, aid)


def _last(error: SimulatorError, attempts: list[Attempt]) -> SimulatorError:
    """`error` with the number of attempts and the helps that did not help."""
    if len(attempts) == 1:
        return error
    helps = [item.convergence_help for item in attempts if item.convergence_help]
    tried = f"; tried {', '.join(dict.fromkeys(helps))}" if helps else ""
    return SimulatorError(f"{error} ({len(attempts)} attempts{tried})", error.log, fault=error.fault)


def _result(job: Job, waveforms: Waveforms, attempts: list[Attempt], wall_second: float) -> RunResult:
    record = RunRecord(
        key=job.key,
        engine=job.engine,
        deck_sha256=job.deck.sha256,
        title=job.deck.text.split("\n", 1)[0].lstrip("* ")[:200],
        attempts=tuple(attempts),
        wall_second=wall_second,
        finished_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return RunResult(record=record, waveforms=waveforms)
