"""The simulator fails in the middle of a batch: what is tried again, what is not, what the record says, what is kept.

Each test is a row of the table in docs/runs.md. That no fault passes for a result is in test_ngspice.py.
"""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spice_netlists.batch import simulate
from spice_netlists.convergence import HELPS, helped_deck
from spice_netlists.deck import build_deck
from spice_netlists.errors import SimulatorError
from spice_netlists.runs import Job, Runner, RunStore
from tests.conftest import pair_tile, pulses_of
from tests.simulators import CONDUCTANCES, TILE, small_deck, small_job
from tests.tolerances import SPICE_LINEAR
from tilemodel_cli.main import main

ROOT = Path(__file__).parents[1]
FIRST = """
count = len(open(os.environ['COUNT']).read()) if os.path.exists(os.environ['COUNT']) else 0
open(os.environ['COUNT'], 'a').write('x')
"""


@pytest.fixture
def tries(fake, tmp_path, monkeypatch):
    """A fake that knows its number: `count` in its body is 0 at the first try."""
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))

    def install(body):
        fake(FIRST + body)
        return lambda: len((tmp_path / "count").read_text())

    return install


def run_one(job=None, *, store=None, memory_byte=None):
    """The result of one job, in a thread."""
    with Runner("threads", processes=1, store=store, memory_byte=memory_byte) as runner:
        ((_, result),) = runner.run([job or small_job()])
    return result


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL) if count == 0 else good()", "crash: ngspice was killed by signal 9"),
        ("os.kill(os.getpid(), signal.SIGSEGV) if count == 0 else good()", "crash: ngspice was killed by signal 11"),
        ("sys.exit(3) if count == 0 else good()", "crash: ngspice failed with exit status 3: no error line"),
        ("raw([(0.0, 1.0), (END, 1.0)], cut=8) if count == 0 else good()", "result: out.raw: truncated"),
        ("open('out.raw', 'wb') if count == 0 else good()", "result: out.raw: not a binary raw file"),
        ("raw([(0.0, 1.0), (END, float('nan'))]) if count == 0 else good()", "result: out.raw: vector"),
        ("print('blah ' * 99) if count == 0 else good()", "result: ngspice left no result"),
    ],
)
def test_a_crash_or_an_unsound_result_is_tried_again(tries, store, body, outcome):
    n_try = tries(body)
    result = run_one(store=RunStore(store))
    assert n_try() == 2
    first, last = result.record.attempts
    assert first.outcome.startswith(outcome)
    assert (last.outcome, last.convergence_help) == ("done", None)
    assert RunStore(store).get(result.record.key).record == result.record


def test_three_crashes_are_an_error_that_keeps_the_folder_and_the_other_results(tries, store):
    n_try = tries("os.kill(os.getpid(), signal.SIGKILL) if 'PWL' in open('deck.cir').read() and count > 0 else good()")
    with (
        pytest.raises(SimulatorError, match=r"SIGKILL .*deck and log kept in .*\(3 attempts\)") as caught,
        Runner("threads", processes=1, store=RunStore(store)) as runner,
    ):
        list(runner.run([small_job(), small_job(4)]))
    assert caught.value.fault == "crash"
    assert n_try() == 4
    assert RunStore(store).keys() == [small_job().key]


@pytest.mark.parametrize(
    ("body", "fault", "message"),
    [
        ("print('Error on line 3: unknown subckt'); sys.exit(1)", "deck", "unknown subckt"),
        ('print("malloc: Internal Error: can\'t allocate 29 bytes."); sys.exit(1)', "memory", "ran out of memory"),
        ("time.sleep(60)", "time-out", "did not finish within 1 s"),
    ],
)
def test_a_wrong_deck_a_lack_of_memory_and_a_hang_are_not_tried_again(tries, body, fault, message):
    n_try = tries(body)
    with pytest.raises(SimulatorError, match=message) as caught:
        run_one(small_job(timeout_second=1 if "sleep" in body else 20))
    assert caught.value.fault == fault
    assert n_try() == 1


def test_a_flood_is_stopped(fake, monkeypatch):
    monkeypatch.setattr("spice_netlists.process._LOG_MAX_BYTES", 1_000_000)
    fake("while True:\n    print('nonsense ' * 1000)")
    began = time.monotonic()
    with pytest.raises(SimulatorError, match="printed more than 1000000 bytes and was ended") as caught:
        run_one()
    assert caught.value.fault == "flood"
    assert len(caught.value.log) < 2_000_000
    assert time.monotonic() - began < 20


def test_a_full_disk_in_the_runs_folder_is_named(fake, monkeypatch):
    fake("good()")

    def full(_self, *_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(
        SimulatorError, match=r"cannot be written \(No space left on device\); is the disk full"
    ) as caught:
        run_one()
    assert caught.value.fault == "disk"


@pytest.mark.spice
def test_the_memory_limit_holds():
    tile = pair_tile(array={"n_row": 400, "n_col": 8})
    conductances = type(CONDUCTANCES)(g_plus=np.full((400, 8), 1e-5), g_minus=np.full((400, 8), 2e-5))
    with (
        pytest.raises(SimulatorError, match=r"ran out of memory: .*raise the memory limit") as caught,
        Runner("threads", processes=1, memory_byte=24 * 1024**2) as runner,
    ):
        simulate(tile, conductances, np.ones((1, 400), dtype=np.int64), runner=runner)
    assert caught.value.fault == "memory"


TOO_SMALL = "print('doAnalyses: TRAN:  Timestep too small'); sys.exit(1)"


@pytest.mark.parametrize(
    ("condition", "n_try"),
    [("'gminsteps' in deck", 2), ("'method=gear' in deck", 3), ("'reltol=1e-05' in deck", 4)],
)
def test_helps_come_in_their_order_and_are_recorded(tries, condition, n_try):
    count = tries(f"deck = open('deck.cir').read()\nif not ({condition}):\n    {TOO_SMALL}\ngood()")
    with pytest.warns(UserWarning, match=f"1 of 1 runs converged only with help: {HELPS[n_try - 2].name}"):
        result = simulate(TILE, CONDUCTANCES, np.array([[3, 5]]), processes=1)
    assert count() == n_try
    assert result.n_attempt == (n_try,)
    assert result.convergence_help == (HELPS[n_try - 2].name,)
    assert result.deck_sha256 == (small_deck().sha256,)  # the deck as it was asked for


def test_what_never_converges_says_what_was_tried(tries):
    n_try = tries(TOO_SMALL)
    with pytest.raises(SimulatorError, match=f"Timestep too small.*4 attempts; tried {HELPS[0].name}") as caught:
        run_one()
    assert caught.value.fault == "convergence"
    assert n_try() == 4


def test_a_help_changes_the_analysis_and_nothing_else():
    deck = small_deck()
    changed = [
        (ours, theirs)
        for ours, theirs in zip(
            [line for line in helped_deck(deck, HELPS[2]).text.split("\n") if "itl1" not in line],
            deck.text.split("\n"),
            strict=True,
        )
        if ours != theirs
    ]
    assert changed == [
        (
            ".options reltol=1e-05 trtol=1.0 abstol=1e-13 vntol=1e-09 chgtol=1e-17 temp=27.0",
            ".options reltol=1e-06 trtol=1.0 abstol=1e-14 vntol=1e-10 chgtol=1e-18 temp=27.0",
        ),
        (".tran 2.5e-11 1.3005e-07 0 2.5e-11", ".tran 2.5e-10 1.3005e-07 0 2.5e-10"),
    ]


@pytest.mark.spice
def test_help_helps_ngspice():
    """Tolerances at the end of float64: ngspice gives up, and ten times looser ones do."""
    tight = {"reltol": 1e-17, "abstol_ampere": 1e-20, "vntol_volt": 1e-17}
    tile = pair_tile(array={"n_row": 2, "n_col": 1}, simulator=tight)
    job = Job(deck=build_deck(tile, CONDUCTANCES, pulses_of(tile, [3, 5])), engine="ngspice-39", timeout_second=60)
    helped = run_one(job)
    assert [item.convergence_help for item in helped.record.attempts] == [None, *(item.name for item in HELPS)]
    plain = run_one()
    ends = [np.trapezoid(item.waveforms.sensed, item.waveforms.time_second)[0] for item in (helped, plain)]
    assert abs(ends[0] - ends[1]) < SPICE_LINEAR * abs(ends[1])


@pytest.mark.spice
def test_kills_at_random_moments_cost_no_result_and_double_none():
    """The short form of `make soak`: 4 kills with -9 in a sweep of 12."""
    script = ROOT / "tools" / "kill_and_resume.py"
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "4", "--jobs", "12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"kills": 4' in done.stdout


@pytest.mark.spice
def test_nothing_grows_in_a_batch_of_many():
    """The short form of `make soak`; its rate is judged there."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "soak.py"), "--runs", "300"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    complaints = done.stdout.split('"complaints": ')[1]
    assert complaints.startswith("[]") or complaints.split("]")[0].strip('[ \n"') == "it became slower", done.stdout


def test_the_command_line_lists_shows_verifies_and_clears(fake, tmp_path, monkeypatch, capsys):
    fake("good()")
    monkeypatch.chdir(tmp_path)
    Path("tile.toml").write_text('name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 2\nn_col = 1\n')
    np.save("w.npy", np.array([[0.5], [-0.5]]))
    np.save("x.npy", np.array([[127, 5]]))
    store = ["--store", str(tmp_path / "kept")]
    assert main(["spice", "tile.toml", "--weights", "w.npy", "--inputs", "x.npy", "-o", "a.npz", *store]) == 0
    (key,) = RunStore(tmp_path / "kept").keys()
    capsys.readouterr()
    assert main(["runs", "list", *store]) == 0
    assert f"{key[:16]}  ngspice-39" in capsys.readouterr().out
    assert main(["runs", "show", key[:8], *store]) == 0
    assert '"outcome": "done"' in capsys.readouterr().out
    assert main(["runs", "verify", *store]) == 0
    assert "1 run(s) read, 0 damaged" in capsys.readouterr().out
    path = RunStore(tmp_path / "kept").path(key)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert main(["runs", "verify", *store]) == 1
    assert f"damaged: {path}" in capsys.readouterr().out
    assert main(["runs", "gc", *store]) == 0
    assert "removed 0 result(s), 1 damaged" in capsys.readouterr().out
    assert main(["runs", "list", *store]) == 0
    assert capsys.readouterr().out.startswith("0 run(s)")
    assert main(["runs", "show", "abc", *store]) == 2
    again = ["spice", "tile.toml", "--weights", "w.npy", "--inputs", "x.npy", "-o", "b.npz", "--no-store"]
    assert main(again) == 0
    assert RunStore(tmp_path / "kept").keys() == []
    with np.load("a.npz") as first, np.load("b.npz") as second:
        assert all(np.array_equal(first[name], second[name]) for name in first.files)


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_ctrl_c_in_a_terminal_ends_all_and_keeps_what_had_finished(tries, tmp_path, executor):
    """The signal goes to the whole group of processes; the first run ends, the others hang."""
    tries("good() if count == 0 else time.sleep(60)")
    (tmp_path / "tile.toml").write_text('name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 2\nn_col = 1\n')
    np.save(tmp_path / "w.npy", np.array([[0.5], [-0.5]]))
    np.save(tmp_path / "x.npy", np.array([[127, 5], [5, 127], [127, 6]]))
    words = ["spice", "tile.toml", "--weights", "w.npy", "--inputs", "x.npy", "-o", "out.npz", "--store", "kept"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tilemodel_cli.main", *words, "--executor", executor, "--processes", "1"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("kept/??/*.run")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert message.splitlines() == [
        "tilemodel spice: interrupted; nothing was written; runs that had finished are kept, and the same command goes "
        "on from there"
    ]
    assert len(RunStore(tmp_path / "kept").keys()) == 1
    assert not (tmp_path / "out.npz").exists()
    assert not list(tmp_path.glob("tilemodel-*"))
    assert _ends(process.pid)


def _ends(group):
    """Whether the group of processes `group` is gone within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_the_options_of_the_command_line_are_checked(capsys):
    for words in (["--memory-limit", "lots"], ["--store", "a", "--no-store"]):
        with pytest.raises(SystemExit):
            main(["spice", "t.toml", "--weights", "w.npy", "--inputs", "x.npy", "-o", "o.npz", *words])
    assert "expected a size such as 500M or 4G, got 'lots'" in capsys.readouterr().err


def test_simulators_end_with_their_parent(tmp_path, fake):
    """The parent is killed with -9: its simulator and the folder of the run are gone a moment later."""
    fake(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    code = (
        "import os\nfrom tests.simulators import small_job\nfrom spice_netlists.runs import Runner\n"
        f"os.environ['TILEMODEL_NGSPICE'] = {str(tmp_path / 'ngspice')!r}\n"
        "if __name__ == '__main__':\n"
        "    with Runner('processes', processes=1) as runner:\n        list(runner.run([small_job()]))\n"
    )
    (tmp_path / "script.py").write_text(code)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    deadline = time.monotonic() + 30
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    simulator = Path("/proc") / (tmp_path / "pid").read_text()
    assert simulator.exists()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while (simulator.exists() or list(tmp_path.glob("tilemodel-*"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not simulator.exists()
    assert not list(tmp_path.glob("tilemodel-*"))


def test_every_row_of_the_table_of_faults_is_a_test():
    table = (ROOT / "docs" / "runs.md").read_text().split("## Faults")[1].split("## Files")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    code = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    assert len(rows) >= 20
    for row in rows:
        last = row.rstrip("| ").rsplit("|", 1)[1]
        names = re.findall(r"\b(test_\w+)`", last)
        assert names or last.strip() == "the same", row
        assert all(f"def {name}(" in code for name in names), row
