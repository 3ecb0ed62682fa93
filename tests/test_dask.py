"""Several machines, played by a local Dask cluster of two workers."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from spice_netlists.errors import SimulatorError
from spice_netlists.runs import Runner, RunStore
from tests.simulators import small_job
from tilemodel.config.errors import InputError
from tilemodel_cli.main import main

distributed = pytest.importorskip("distributed")

# Workers and their nannies talk while they go down
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def cluster(fake, tmp_path, monkeypatch):
    """Two worker processes whose ngspice is a fake that takes a moment."""
    monkeypatch.setenv("MARK", str(tmp_path / "stop"))
    fake("time.sleep(60 if os.path.exists(os.environ['MARK']) else 0.3); good()")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


def address(cluster):
    return "dask://" + cluster.scheduler_address.removeprefix("tcp://")


def jobs(number):
    return [small_job(1, 1 + index) for index in range(number)]


def test_a_worker_killed_in_the_middle_costs_no_result(cluster, store):
    kept, places = RunStore(store), []
    with Runner(address(cluster), store=kept) as runner:
        assert runner.n_worker == 2
        for place, _ in runner.run(jobs(12)):
            places.append(place)
            if len(places) == 2:
                victim = next(iter(cluster.workers.values())).pid
                os.kill(victim, signal.SIGKILL)
    assert sorted(places) == list(range(12))
    assert kept.keys() == sorted(job.key for job in jobs(12))


def test_the_command_line_takes_a_cluster(cluster, tmp_path, monkeypatch, store):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tile.toml").write_text('name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 2\nn_col = 1\n')
    np.save("w.npy", np.array([[0.5], [-0.5]]))
    np.save("x.npy", np.array([[127, 5], [5, 127]]))
    words = ["spice", "tile.toml", "--weights", "w.npy", "--inputs", "x.npy", "-o", "out.npz"]
    assert main([*words, "--executor", address(cluster)]) == 0
    with np.load("out.npz") as output:
        assert output["charge_coulomb"].shape == (2, 1)
    assert len(RunStore(store).keys()) == 2


def test_stop_reaches_the_workers(cluster, tmp_path):
    (tmp_path / "stop").write_text("")
    stop = threading.Event()

    def running():
        return list(tmp_path.glob("tilemodel-ngspice-*"))

    def stop_once_both_run():
        while len(running()) < 2:
            time.sleep(0.05)
        stop.set()

    threading.Thread(target=stop_once_both_run, daemon=True).start()
    with pytest.raises(SimulatorError, match="stopped"), Runner(address(cluster)) as runner:
        list(runner.run(jobs(4), stop=stop))
    deadline = time.monotonic() + 15  # far less than the fake sleeps
    while running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running()


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("spice_netlists.runs.dask_cluster._CONNECT_SECOND", 1.0)
    with pytest.raises(InputError, match=r"dask://127.0.0.1:9: no scheduler answers there"):
        Runner("dask://127.0.0.1:9")
