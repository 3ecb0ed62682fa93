"""Many jobs: each is computed once, a bounded number is in hand, and what dies is started again."""

import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from spice_netlists.batch import simulate
from spice_netlists.errors import SimulatorError, SimulatorMissingError
from spice_netlists.runs import Job, Runner, RunStore
from tests.simulators import CONDUCTANCES, TILE, small_deck, small_job
from tilemodel.config.errors import InputError

COUNT = "open(os.environ['COUNT'], 'a').write('x')\n"


@pytest.fixture
def counted(fake, tmp_path, monkeypatch):
    """A fake that counts its runs; its body follows the count."""
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    (tmp_path / "count").write_text("")

    def install(body="good()"):
        fake(COUNT + body)
        return lambda: len((tmp_path / "count").read_text())

    return install


def jobs(number):
    return [small_job(1 + index // 100, 1 + index % 100) for index in range(number)]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_finished_runs_are_not_computed_again(counted, store, executor):
    runs = counted()
    for _ in range(2):
        with Runner(executor, processes=2, store=RunStore(store)) as runner:
            places = sorted(place for place, _ in runner.run(jobs(6)))
        assert places == list(range(6))
        assert runs() == 6


def test_without_a_store_nothing_is_kept(counted, store):
    counted()
    with Runner("threads", processes=2) as runner:
        assert len(list(runner.run(jobs(3)))) == 3
    assert list(store.iterdir()) == []


def test_the_same_deck_twice_in_a_batch_is_computed_once(counted, store):
    runs = counted("time.sleep(0.3); good()")
    with Runner("threads", processes=2, store=RunStore(store)) as runner:
        places = sorted(place for place, _ in runner.run([small_job(), small_job(), small_job()]))
    assert places == [0, 1, 2]
    assert runs() == 1


def test_jobs_are_drawn_as_there_is_room(counted):
    counted()
    drawn, most = 0, 0

    def many():
        nonlocal drawn
        for job in jobs(30):
            drawn += 1
            yield job

    with Runner("threads", processes=2) as runner:
        for done, _ in enumerate(runner.run(many()), start=1):
            most = max(most, drawn - done)
    assert drawn == 30
    assert most <= 2 * runner.n_worker


def test_any_executor_will_do(counted, store):
    runs = counted()
    with ThreadPoolExecutor(2) as pool:
        with Runner(pool, processes=2, store=RunStore(store)) as runner:
            assert len(list(runner.run(jobs(4)))) == 4
        assert pool.submit(int, "7").result() == 7  # its owner shuts it down
    assert runs() == 4
    assert len(RunStore(store).keys()) == 4


def test_an_unknown_executor_is_named():
    with pytest.raises(InputError, match="expected processes, threads or dask://HOST:PORT, got 'cloud'"):
        Runner("cloud")


def test_results_stand_in_the_order_of_the_inputs_and_say_what_they_came_from(fake, store):
    """The fake's current is the number of rows with a pulse that lasts, so that places cannot be mixed up."""
    fake("import re; n = len(re.findall('PWL', open('deck.cir').read())); time.sleep(0.1 if n % 2 else 0); good()")
    ticks = np.array([[1, 2], [3, 4], [5, 6]])
    with Runner("processes", processes=2, store=RunStore(store)) as runner:
        result = simulate(TILE, CONDUCTANCES, ticks, runner=runner)
    again = simulate(TILE, CONDUCTANCES, ticks, processes=1)
    assert result.deck_sha256 == again.deck_sha256
    assert result.n_attempt == (1, 1, 1)
    assert result.convergence_help == (None, None, None)
    assert sorted(result.run_key) == RunStore(store).keys()
    assert RunStore(store).get(result.run_key[1]).record.deck_sha256 == result.deck_sha256[1]


def test_a_killed_worker_costs_no_result(counted, store):
    """Its job is started again in another worker, and the results that were there stay."""
    counted("time.sleep(0.2); good()")
    killed = []

    def kill_one_worker(runner):
        if not killed:
            processes = list(runner._backend.executor._processes)
            os.kill(processes[0], signal.SIGKILL)
            killed.append(processes[0])

    with Runner("processes", processes=2, store=RunStore(store)) as runner:
        places = []
        for place, _ in runner.run(jobs(8)):
            places.append(place)
            kill_one_worker(runner)
    assert killed
    assert sorted(places) == list(range(8))
    assert len(RunStore(store).keys()) == 8


def test_a_deck_that_kills_its_workers_is_named(fake):
    fake("os.kill(os.getppid(), signal.SIGKILL); time.sleep(5)")
    with (
        pytest.raises(SimulatorError, match=f"3 workers died with the deck {small_deck().sha256} in hand"),
        Runner("processes", processes=1) as runner,
    ):
        list(runner.run([small_job()]))


def test_another_version_on_the_worker_is_refused(fake):
    fake("good()")
    job = Job(deck=small_deck(), engine="ngspice-42", timeout_second=20)
    with (
        pytest.raises(SimulatorMissingError, match="this machine has ngspice-39, the job is for ngspice-42"),
        Runner("threads", processes=1) as runner,
    ):
        list(runner.run([job]))


def test_stop_from_another_thread_ends_what_runs(fake, tmp_path):
    fake("time.sleep(60)")
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    began = time.monotonic()
    with pytest.raises(SimulatorError, match="stopped") as caught, Runner("processes", processes=2) as runner:
        list(runner.run(jobs(4), stop=stop))
    assert caught.value.fault == "stop"
    assert time.monotonic() - began < 20
    assert not list(tmp_path.glob("tilemodel-*"))


def test_a_failure_leaves_a_runner_of_use(fake, store):
    fake("text = open('deck.cir').read()\nif 'Vclamp0' not in text: sys.exit(1)\ngood()")
    wrong = Job(
        deck=type(small_deck())(**{**vars(small_deck()), "text": "* wrong\n.options x\n.tran 1 1 0 1\n"}),
        engine="ngspice-39",
        timeout_second=20,
    )
    with Runner("threads", processes=2, store=RunStore(store)) as runner:
        with pytest.raises(SimulatorError):
            list(runner.run([wrong]))
        assert len(list(runner.run(jobs(3)))) == 3


def test_a_damaged_result_is_computed_again_and_set_aside(counted, store):
    runs = counted()
    with Runner("threads", processes=1, store=RunStore(store)) as runner:
        list(runner.run(jobs(1)))
    path = RunStore(store).path(small_job(1, 1).key)
    data = bytearray(path.read_bytes())
    data[-100] ^= 4
    path.write_bytes(bytes(data))
    with (
        pytest.warns(UserWarning, match="does not have the hash that it was written with; it is simulated again"),
        Runner("threads", processes=1, store=RunStore(store)) as runner,
    ):
        list(runner.run(jobs(1)))
    assert runs() == 2
    assert RunStore(store).get(small_job(1, 1).key) is not None
    assert len(list(path.parent.glob("*.damaged-*"))) == 1


def test_a_store_that_cannot_be_written_costs_a_warning_and_no_result(counted, tmp_path):
    runs = counted()
    (tmp_path / "file").write_text("no folder")
    for executor in ("threads", "processes"):
        with (
            pytest.warns(UserWarning, match="the run cannot be kept .*; simulating goes on") as told,
            Runner(executor, processes=1, store=RunStore(tmp_path / "file")) as runner,
        ):
            assert len(list(runner.run(jobs(3)))) == 3
        assert len(told) == 1
    assert runs() == 6


def test_a_read_only_store_is_still_read(counted, store, monkeypatch):
    runs = counted()
    with Runner("threads", processes=1, store=RunStore(store)) as runner:
        list(runner.run(jobs(2)))

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)  # root may write to read-only folders
    with (
        pytest.warns(UserWarning, match=r"the run cannot be kept \(Permission denied\)"),
        Runner("threads", processes=1, store=RunStore(store)) as runner,
    ):
        assert len(list(runner.run(jobs(3)))) == 3
    assert runs() == 3


def test_processes_take_the_environment_of_the_moment(fake, tmp_path, monkeypatch):
    """The server that forks the workers started with another one."""
    for name in ("one", "two"):
        monkeypatch.setenv("MARK", name)
        fake("open(os.path.join(os.environ['TMPDIR'], os.environ['MARK']), 'w').close(); good()")
        with Runner("processes", processes=1) as runner:
            list(runner.run(jobs(1)))
        assert (tmp_path / name).is_file()


def test_nothing_is_said_where_all_is_well(counted, store):
    counted()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Runner("threads", processes=1, store=RunStore(store)) as runner:
            list(runner.run(jobs(2)))
    assert Path(store).is_dir()
