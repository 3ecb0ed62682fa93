"""One folder a run: what lies in it gives the same points when a user runs it again, and is the same to the byte."""

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reports.run_folders import RunFolders
from reports.validation import validate
from reports.write import write_report
from spice_netlists.batch import batch_decks, simulate
from spice_netlists.cells import CellCircuit
from spice_netlists.convergence import HELPS, helped_deck
from spice_netlists.ngspice import find_ngspice
from spice_netlists.process import Waveforms
from spice_netlists.rawfile import read_raw
from spice_netlists.runs import Attempt, Runner, RunRecord, RunResult, RunStore
from spice_netlists.runs.folder import again_command, run_files
from spice_netlists.runs.record import lasting_log
from tests.conftest import pair_tile, switch_tile
from tests.simulators import small_deck
from tests.test_cli import TILE
from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances
from tilemodel_cli.main import main

SMALL = {"n_row": 4, "n_col": 2}


def result_of(deck, *, convergence_help=None, log=""):
    record = RunRecord(
        key="0" * 64,
        engine="ngspice-39",
        deck_sha256=deck.sha256,
        title="tile",
        attempts=(Attempt(convergence_help=convergence_help, outcome="done"),),
        wall_second=1.0,
        finished_utc="2026-01-01T00:00:00+00:00",
    )
    time = np.array([0.0, deck.t_stop_second])
    waveforms = Waveforms(
        time_second=time, sensed=np.ones((len(deck.lines), 2)), outputs_volt=np.empty((0, 2)), lines=deck.lines, log=log
    )
    return RunResult(record=record, waveforms=waveforms)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.spice
def test_a_folder_run_by_hand_gives_the_same_points(tmp_path, store):
    tile = pair_tile(array=SMALL, drive={"coding": "split", "split_low_bits": 4})
    with Runner("threads", store=RunStore(store)) as runner:
        validation = validate(tile, n_vec=2, runner=runner)
    folders = RunFolders(store=RunStore(store), max_byte=10**8)
    write_report(validation, tmp_path / "report", run_folders=folders)
    content = json.loads((tmp_path / "report" / "report.json").read_text())["runs"]
    names = [f"vector_{vector:04d}_pass_{index}" for index in (0, 1) for vector in (0, 1)]
    names += [f"vector_0000_pass_{index}_halved_tolerances" for index in (0, 1)]
    assert [row["name"] for row in content["rows"]] == names
    assert {row["left_out"] for row in content["rows"]} == {None}
    assert content["again"] == again_command("ngspice")
    hashes = validation.reference.provenance["deck_sha256"]
    for row, sha256 in zip(content["rows"][:4], hashes, strict=True):
        folder = tmp_path / "report" / "runs" / row["name"]
        assert sorted(path.name for path in folder.iterdir()) == [".spiceinit", "deck.cir", "ngspice.log", "out.raw"]
        assert hashlib.sha256((folder / "deck.cir").read_bytes()).hexdigest() == sha256 == row["deck_sha256"]
        command = [str(find_ngspice()), *again_command("ngspice").split()[1:]]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        vectors = ["time", *(f"i(vclamp{line})" for line in row["bit_lines"])]
        np.testing.assert_array_equal(read_raw(folder / "again.raw", vectors), read_raw(folder / "out.raw", vectors))


@pytest.mark.spice
def test_folders_are_the_same_without_a_store_and_out_of_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tile.toml").write_text(TILE)
    command = ["validate", "tile.toml", "--vectors", "2", "-o"]
    assert main([*command, "a", "--no-store"]) == 0
    assert main([*command, "b"]) == 0  # simulated again
    assert main([*command, "c"]) == 0  # all from the store
    assert len(contents(Path("a/runs"))) == 3 * 4
    assert contents(Path("a/runs")) == contents(Path("b/runs")) == contents(Path("c/runs"))
    assert main([*command, "d", "--run-files", "0"]) == 0
    assert not Path("d/runs").exists()


@pytest.mark.spice
def test_what_has_no_room_or_is_not_stored_is_named(tmp_path, store):
    with Runner("threads", store=RunStore(store)) as runner:
        validation = validate(pair_tile(array=SMALL), n_vec=3, runner=runner)
    first = tmp_path / "all" / "runs" / "vector_0000"
    write_report(validation, tmp_path / "all", run_folders=RunFolders(store=RunStore(store), max_byte=10**8))
    size = sum(path.stat().st_size for path in first.iterdir())
    folders = RunFolders(store=RunStore(store), max_byte=int(1.5 * size))
    write_report(validation, tmp_path / "short", run_folders=folders)
    assert [path.name for path in (tmp_path / "short" / "runs").iterdir()] == ["vector_0000"]
    assert folders.counts() == {"kept": 1, "left_out": 3}
    assert "no room: 3, from <code>vector_0001</code> on" in (tmp_path / "short" / "index.html").read_text()
    assert "1 of 4 simulator runs" in (tmp_path / "short" / "report.md").read_text()
    elsewhere = RunFolders(store=RunStore(tmp_path / "elsewhere"), max_byte=10**8)
    rows = elsewhere.write(validation, tmp_path / "none").rows
    assert {row.left_out for row in rows} == {"not in the store"}
    assert not (tmp_path / "none").exists()


@pytest.mark.spice
def test_a_model_file_takes_its_room_once(tmp_path, store, rng):
    model = tmp_path / "models.spice"
    model.write_text("* models\n" * 100_000)
    text = ".subckt mine b w s g=1\nR1 b s {1/g}\n.ends"
    cell = CellCircuit(name="mine", text=text, v_gate_volt=1.0, model_files=(model,))
    tile = switch_tile(array=SMALL)
    conductances = Conductances(g_plus=rng.uniform(1e-6, 2e-5, (4, 2)), g_minus=rng.uniform(1e-6, 2e-5, (4, 2)))
    ticks = rng.integers(0, 100, (2, 4))
    with Runner("threads", store=RunStore(store)) as runner:
        for simulator in (tile.simulator, tile.simulator.refined()):
            result = simulate(tile, conductances, ticks, cell=cell, runner=runner, simulator=simulator)
    reference = SimpleNamespace(provenance={"engine": result.engine})
    validation = SimpleNamespace(tile=tile, conductances=conductances, ticks=ticks, cell=cell, reference=reference)
    folders = RunFolders(store=RunStore(store), max_byte=2 * model.stat().st_size)
    assert not folders.write(validation, tmp_path / "runs").left_out
    models = list((tmp_path / "runs").glob("*/models.spice"))
    assert len(models) == 3
    assert {path.stat().st_ino for path in models} == {models[0].stat().st_ino}


def test_the_deck_is_the_one_that_converged():
    deck = small_deck()
    name = HELPS[1].name
    assert run_files(deck, result_of(deck))["deck.cir"] == deck.text.encode()
    assert (
        run_files(deck, result_of(deck, convergence_help=name))["deck.cir"] == helped_deck(deck, HELPS[1]).text.encode()
    )
    with pytest.raises(InputError, match="does not know"):
        run_files(deck, result_of(deck, convergence_help="a prayer"))
    other = dataclasses.replace(deck, text=deck.text + "*\n")
    with pytest.raises(InputError, match="another deck"):
        run_files(other, result_of(deck))


@pytest.mark.parametrize("passing", ["Total analysis time (seconds) = {}", "DRAM currently available = {} MB."])
def test_logs_keep_what_lasts(passing):
    logs = [
        f"Circuit: x\n{' Reference value :  1e-9' * n}\rWarning: bend\n{passing.format(n)}\nStack = {n} bytes.\n"
        for n in (1, 22)
    ]
    assert lasting_log(logs[0]) == lasting_log(logs[1]) == "Circuit: x\nWarning: bend\n"
    long = lasting_log("first line\n" + "node  0.1\n" * 10_000 + "No. of Data Rows : 7\n")
    assert len(long) < 20_000
    assert long.startswith("first line\n")
    assert long.endswith("No. of Data Rows : 7\n")


@pytest.mark.vacask
def test_vacask_runs_from_its_folder_too(tmp_path, store):
    from spice_netlists.vacask import find_vacask

    tile = pair_tile(array={"n_row": 2, "n_col": 1}, simulator={"engine": "vacask"})
    conductances = Conductances(g_plus=np.full((2, 1), 1e-5), g_minus=np.full((2, 1), 2e-5))
    ticks = np.array([[3, 5]])
    with Runner("threads", store=RunStore(store)) as runner:
        result = simulate(tile, conductances, ticks, runner=runner)
    (deck,) = batch_decks(tile, conductances, ticks)
    stored = RunStore(store).get(result.run_key[0])
    assert stored is not None
    for name, content in run_files(deck, stored).items():
        assert isinstance(content, bytes)
        (tmp_path / name).write_bytes(content)
    command = [str(find_vacask()), *again_command("vacask").split()[1:]]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    vectors = ["time", "vclamp0:flow(br)"]
    np.testing.assert_array_equal(read_raw(tmp_path / "tran1.raw", vectors), read_raw(tmp_path / "out.raw", vectors))
