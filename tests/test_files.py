"""Results reach the disk whole or not at all."""

import errno
from pathlib import Path

import pytest

from tilemodel.config.errors import OutputError
from tilemodel.config.files import atomic_file, atomic_folder, check_file_target, check_folder_target

OURS = '{"schema_version": "tilemodel-test-1"}'


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_whole(tmp_path):
    with atomic_file(tmp_path / "out.txt") as temporary:
        temporary.write_text("all of it")
        assert not (tmp_path / "out.txt").exists()
    assert (tmp_path / "out.txt").read_text() == "all of it"
    assert left_in(tmp_path) == ["out.txt"]


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path):
    (tmp_path / "out.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_file(tmp_path / "out.txt") as temporary:
        temporary.write_text(f"half of {1 / 0}")
    assert (tmp_path / "out.txt").read_text() == "old"
    assert left_in(tmp_path) == ["out.txt"]


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"out.txt: cannot be written \(.*space"), atomic_file(tmp_path / "out.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert left_in(tmp_path) == []


def test_a_folder_appears_when_whole_and_replaces_its_own_kind(tmp_path):
    target = tmp_path / "report"
    for text in (" ", "\n"):
        with atomic_folder(target, marker="mark") as temporary:
            (temporary / "mark").write_text(OURS + text)
    assert (target / "mark").read_text() == OURS + "\n"
    assert left_in(tmp_path) == ["report"]


def test_a_failure_leaves_the_old_folder(tmp_path):
    target = tmp_path / "report"
    with atomic_folder(target, marker="mark") as temporary:
        (temporary / "mark").write_text(OURS)
    with pytest.raises(ZeroDivisionError), atomic_folder(target, marker="mark") as temporary:
        raise ZeroDivisionError
    assert (target / "mark").read_text() == OURS
    assert left_in(tmp_path) == ["report"]


def test_somebody_elses_folder_is_not_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "mark").write_text('{"schema_version": "somebody-else-1"}')
    with pytest.raises(OutputError, match="not an earlier output"), atomic_folder(tmp_path / "thesis", marker="mark"):
        pass
    assert left_in(tmp_path / "thesis") == ["mark"]


def test_impossible_targets_are_refused_beforehand(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="does not exist; create it first"):
        check_file_target(tmp_path / "none" / "out.npz")
    with pytest.raises(OutputError, match="is a folder"):
        check_file_target(tmp_path)
    with pytest.raises(OutputError, match="not a folder"):
        check_folder_target(tmp_path / "file", marker="mark")
