"""The store of finished runs: whole or not there, once, and any changed bit is noticed."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_netlists.process import Waveforms
from spice_netlists.runs import Attempt, RunRecord, RunResult, RunStore, default_store_folder
from spice_netlists.runs.record import DamagedResultError, from_bytes, to_bytes
from tests.simulators import small_job
from tilemodel.config.errors import InputError, OutputError


def result_of(key: str, value: float = 1.0) -> RunResult:
    record = RunRecord(
        key=key,
        engine="ngspice-39",
        deck_sha256="d" * 64,
        title="tilemodel: a tile",
        attempts=(Attempt(convergence_help=None, outcome="done"),),
        wall_second=0.5,
        finished_utc="2026-01-01T00:00:00+00:00",
    )
    time = np.array([0.0, 1.0])
    waveforms = Waveforms(
        time_second=time, sensed=np.full((1, 2), value), outputs_volt=np.empty((0, 2)), lines=(0,), log="Note: é\n"
    )
    return RunResult(record=record, waveforms=waveforms)


KEY, OTHER = "a1" * 32, "b2" * 32


def write_many(folder, number, n_key):
    """What a process does that shares a store: put and get the same keys as all others."""
    store = RunStore(folder)
    for index in range(n_key):
        key = f"{index:02x}" * 32
        store.put(result_of(key, float(index)))
        found = store.get(key)
        assert found is not None
        assert found.waveforms.sensed[0, 0] == index
    os._exit(0 if number >= 0 else 1)


def test_what_was_put_comes_back_bit_by_bit(store):
    kept, wanted = RunStore(store), result_of(KEY, np.pi)
    kept.put(wanted)
    found = RunStore(store).get(KEY)
    assert found.record == wanted.record
    np.testing.assert_array_equal(found.waveforms.sensed, wanted.waveforms.sensed)
    assert found.waveforms.lines == (0,)
    assert found.waveforms.log == "Note: é\n"
    assert kept.get(OTHER) is None
    assert kept.keys() == [KEY]
    assert [path.name for path in store.rglob("*") if path.is_file()] == [f"{KEY}.run"]


def test_a_result_is_stored_once(store):
    kept = RunStore(store)
    kept.put(result_of(KEY, 1.0))
    before = kept.path(KEY).stat()
    kept.put(result_of(KEY, 2.0))
    assert kept.path(KEY).stat() == before
    assert kept.get(KEY).waveforms.sensed[0, 0] == 1.0


def test_two_processes_may_use_a_store_at_once(store):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(store, number, 40)) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    kept = RunStore(store)
    assert len(kept.keys()) == 40
    assert all(kept.get(key) is not None for key in kept.keys())  # noqa: SIM118 - a method of the store
    assert not list(store.glob("tmp-*"))


WHOLE = to_bytes(result_of(KEY))


@settings(max_examples=200, deadline=None)
@given(bit=st.integers(0, 8 * len(WHOLE) - 1))
def test_one_flipped_bit_is_noticed(bit):
    data = bytearray(WHOLE)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedResultError):
        from_bytes(bytes(data), KEY)


@settings(max_examples=50, deadline=None)
@given(length=st.integers(0, len(WHOLE) - 1))
def test_a_cut_file_is_noticed(length):
    with pytest.raises(DamagedResultError):
        from_bytes(WHOLE[:length], KEY)


def test_a_result_under_another_name_is_noticed(store):
    kept = RunStore(store)
    kept.put(result_of(KEY))
    kept.path(OTHER).parent.mkdir()
    kept.path(KEY).rename(kept.path(OTHER))
    with pytest.raises(DamagedResultError, match=f"belongs to the job {KEY}"):
        kept.get(OTHER)


def test_a_full_disk_leaves_nothing_half_written(store, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spice_netlists.runs.store.os.fsync", full)
    with pytest.raises(OutputError, match=r"cannot be kept \(No space left on device\)"):
        RunStore(store).put(result_of(KEY))
    assert [path for path in store.rglob("*") if path.is_file()] == []


def test_where_there_are_no_links_a_rename_does(store, monkeypatch):
    def refuse(_self, _target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    RunStore(store).put(result_of(KEY))
    assert RunStore(store).get(KEY) is not None
    assert not list(store.glob("tmp-*"))


def test_runs_are_found_by_the_beginning_of_their_key(store):
    kept = RunStore(store)
    kept.put(result_of(KEY))
    assert kept.find("a1a") == KEY
    with pytest.raises(InputError, match="0 runs begin with 'ff'"):
        kept.find("ff")


def test_a_sweep_removes_what_is_damaged_left_over_old_or_too_much(store):
    kept = RunStore(store)
    keys = [f"{index:02x}" * 32 for index in range(5)]
    for age, key in enumerate(keys):
        kept.put(result_of(key))
        os.utime(kept.path(key), (1e9 - age, 1e9 - age))
    size = kept.path(keys[0]).stat().st_size
    kept.path(keys[1]).write_bytes(b"nonsense")
    (store / "tmp-left").write_bytes(b"half")
    os.utime(store / "tmp-left", (1e9, 1e9))
    (store / "tmp-new").write_bytes(b"being written")
    swept = kept.sweep(older_than_second=None, max_byte=2 * size)
    assert (swept.n_result, swept.n_damaged, swept.n_temporary) == (2, 1, 1)
    assert kept.keys() == [keys[0], keys[2]]
    assert (store / "tmp-new").exists()
    assert kept.sweep(older_than_second=1e3, max_byte=None).n_result == 2
    assert kept.keys() == []


def test_the_default_place_is_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("TILEMODEL_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_store_folder() == tmp_path / "tilemodel" / "runs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_store_folder() == tmp_path / "home" / ".cache" / "tilemodel" / "runs"
    monkeypatch.setenv("TILEMODEL_STORE", str(tmp_path / "mine"))
    assert default_store_folder() == tmp_path / "mine"


def test_a_key_names_deck_engine_and_version_and_nothing_else():
    job = small_job()
    assert job.key == small_job(timeout_second=1.0, memory_byte=10**9).key
    assert job.key != small_job(4).key
    other = type(job)(deck=job.deck, engine="ngspice-42", timeout_second=60.0)
    assert job.key != other.key
    assert len(job.key) == 64
