"""`tilemodel evaluate`, as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.test_cli import ROOT, complaint
from tilemodel_cli.main import main

needs_torch = [pytest.mark.torch, pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")]

TILE = """
name = "tiny"
preset = "ibm_pcm_14nm"
[array]
n_row = 8
n_col = 4
[wires]
r_bit_line_ohm = 500.0
[noise]
preset = "pcm_ibm"
t_since_programming_second = 3600.0
"""
TASK = """
import time
import torch
from tilemodel.torch import Task
import data_of_task

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(8, 3)
    def forward(self, inputs):
        time.sleep(data_of_task.SECOND)
        return self.linear(inputs)

def task():
    network, inputs = Network(), data_of_task.inputs()
    with torch.no_grad():
        target = network.linear(inputs).argmax(dim=-1)
    return Task(name="tiny", network=network, batches=[(inputs, target)], calibration=[inputs])

def another():
    return 3

def broken():
    return [][1]
"""
DATA = """
import os
import torch
SECOND = float(os.environ.get("TASK_SECOND", "0"))
def inputs():
    return torch.randn(200, 8, generator=torch.Generator().manual_seed(1))
"""
EVALUATE = ["evaluate", "tile.toml", "--task", "task.py", "--seeds", "2", "-o", "out"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with a tile and a task that imports its neighbour, entered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "data_of_task", raising=False)
    for name, text in (("tile.toml", TILE), ("task.py", TASK), ("data_of_task.py", DATA)):
        Path(name).write_text(text)
    return tmp_path


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_without_torch_it_says_what_to_install(files, capsys):
    assert "pip install 'tilemodel[torch]'" in complaint(capsys, *EVALUATE)
    assert not Path("out").exists()


@pytest.mark.parametrize("words", [["--seeds", "0"], ["--only", "wires,,adc"], ["--store", "x", "--no-store"]])
def test_wrong_words_are_exit_status_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*EVALUATE, *words])
    assert stop.value.code == 2
    assert "tilemodel evaluate: error" in capsys.readouterr().err


class TestWithTorch:
    pytestmark = needs_torch

    def test_a_network_is_evaluated_and_its_scores_are_kept(self, files, store, capsys):
        assert main(EVALUATE) == 0
        out = capsys.readouterr().out
        assert "wires (IR drop)" in out
        assert f"evaluation: {(files / 'out' / 'index.html').as_uri()}" in out
        content = json.loads(Path("out/evaluation.json").read_text())
        names = [row["name"] for row in content["rows"]]
        assert {"digital", "wires", "adc", "chip", "read_noise", "together"} <= set(names)
        kept = list((store / "evaluations").iterdir())
        assert len(kept) == sum(row["n_seed"] for row in content["rows"][1:])
        before = Path("out/evaluation.json").read_bytes()
        assert main([*EVALUATE, "--store", "other"]) == main(EVALUATE) == 0
        assert Path("out/evaluation.json").read_bytes() == before
        assert len(list(Path("other").iterdir())) == len(kept) == len(list((store / "evaluations").iterdir()))

    def test_the_example_of_the_docs(self, files):
        tile, task = (str(ROOT / "examples" / name) for name in ("evaluate_ibm_64x64.toml", "task_spirals.py"))
        assert main(["evaluate", tile, "--task", task, "--only", "wires,chip", "--seeds", "1", "-o", "out"]) == 0
        digital, wires, chip = (row["score"] for row in json.loads(Path("out/evaluation.json").read_text())["rows"])
        assert digital > wires > 0.9
        assert chip < 0.5  # drift

    def test_only_some_conditions_and_nothing_kept(self, files, store, capsys):
        assert main([*EVALUATE, "--only", "wires, chip", "--no-store", "--seed", "4"]) == 0
        content = json.loads(Path("out/evaluation.json").read_text())
        assert [row["name"] for row in content["rows"]] == ["digital", "wires", "chip"]
        assert content["provenance"]["seed"] == 4
        assert not (store / "evaluations").exists()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"--task": "none.py"}, "none.py: no such file; give the Python file that defines the task"),
            ({"--task": "tile.toml"}, "its name must end in .py"),
            ({"--task": "task.py:nothing"}, "task.py: has no function nothing; define `def nothing()"),
            ({"--task": "task.py:another"}, "another() returned a int; return a tilemodel.torch.Task"),
            ({"--task": "task.py:broken"}, "task.py, line 26: broken() raised IndexError"),
            ({"--task": "syntax.py"}, "syntax.py, line 2: running the file raised SyntaxError"),
            ({"--task": "imports.py"}, "raised ModuleNotFoundError: No module named 'no_such_thing'; install"),
            ({"--task": "exits.py"}, "running the file raised SystemExit: 3"),
            ({"--only": "wire"}, "no condition wire; this tile has"),
            ({"-o": "task.py"}, "task.py: exists and is not a folder"),
            ({"--accuracy": "2"}, "accuracy"),
            ({"--store": "tile.toml"}, "tile.toml: cannot keep scores there"),
        ],
    )
    def test_mistakes_are_exit_status_2_with_cause_and_remedy(self, files, capsys, changes, message):
        Path("syntax.py").write_text("x = 1\ndef task(:\n")
        Path("imports.py").write_text("import no_such_thing\n")
        Path("exits.py").write_text("raise SystemExit(3)\n")
        words = {**dict(zip(EVALUATE[2::2], EVALUATE[3::2], strict=True)), **changes}
        assert message in complaint(capsys, *EVALUATE[:2], *(word for pair in words.items() for word in pair))
        assert not Path("out").exists()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_evaluation_says_that_it_goes_on(self, files, number):
        command = [sys.executable, "-m", "tilemodel_cli.main", *EVALUATE, "--only", "wires,adc,chip", "--store", "kept"]
        environment = {**os.environ, "TASK_SECOND": "1", "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not list(files.glob("kept/*.scores")):
                time.sleep(0.02)
            process.send_signal(number)
            said = process.stderr.read()
        assert process.returncode == (130 if number == signal.SIGINT else 143)
        assert "nothing was written; scores that had finished are kept, and the same command goes on from there" in said
        assert not Path("out").exists()
        n_kept = len(list(files.glob("kept/*.scores")))
        assert 1 <= n_kept < 4
        assert not list(files.glob("kept/.*"))
        assert main([*command[3:]]) == 0
        assert len(list(files.glob("kept/*.scores"))) == 4
