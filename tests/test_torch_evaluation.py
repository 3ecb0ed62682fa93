"""A network evaluated under a tile: which conditions there are, what each changes, what is kept (make check-torch)."""

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import pair_mapping, pair_tile, switch_mapping
from tilemodel import InputError
from tilemodel.config.load import load_noise_preset, tile_from_mapping

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
from torch import nn

from reports.evaluation import write_evaluation
from tests.exported import as_model
from tilemodel.torch import Task, evaluate
from tilemodel.torch.kept_scores import digest

pytestmark = pytest.mark.torch

ARRAY = {"n_row": 16, "n_col": 4, "read_out_end": "alternating"}
CCO = {"kind": "cco", "f_hertz_per_ampere": 1e14, "phase_cycle": 0.0, "count_max": 4095}
WIRES = {"r_bit_line_ohm": 300.0}
NO_WIRES = {"r_bit_line_ohm": 0.0}
AT_REST = {"v_clamp_volt": 0.4}
MISMATCH = {
    "seed": 3,
    "access_resistance_sigma": 0.0,
    "clamp_offset_sigma_volt": 0.0,
    "mirror_ratio_sigma": 0.0,
    "adc_gain_sigma": 0.3,
    "adc_offset_sigma_lsb": 0.0,
    "adc_unit_capacitor_sigma": 0.0,
}
NOISE = {**load_noise_preset("pcm_ibm"), "t_since_programming_second": 86400.0}
SOFT = {"kind": "switch", "r_on_ohm": 2e4}
READS = ("read", "t_since_programming_second", "t_between_passes_second")
CHEAP = ["together_ordered", "together_split", "together_corrected"]
ALL = ["digital", "quantization", "together", "together_columns", *CHEAP, "together_compensated"]


def near(outputs, target):
    """A score that any change of the outputs moves."""
    return -(outputs - target).abs().sum(dim=-1)


class Counted(nn.Module):
    """A network that counts the batches it has seen, itself and its copies, and fails at the one called `fails`."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(20, 12), nn.Tanh(), nn.Linear(12, 3)).double()

    def forward(self, inputs):
        calls.append(1)
        if len(calls) == fails_at[0]:
            raise error[0]
        return self.layers(inputs)


calls, fails_at, error = [], [0], [None]


@pytest.fixture(autouse=True)
def _fresh():
    calls.clear()
    fails_at[0] = 0


def make_task(**changes):
    inputs = torch.from_numpy(np.random.default_rng(1).uniform(-1, 1, (60, 20)))
    network = Counted()
    with torch.no_grad():
        target = network.layers(inputs)
    batches = [(inputs[:40], target[:40]), (inputs[40:], target[40:])]
    given = {"name": "test", "network": network, "batches": batches, "calibration": [inputs[:50]], "score": near}
    return Task(**{**given, "metric": "closeness", "clipped_fraction": 0.0, **changes})


def noisy_tile():
    return tile_from_mapping(
        {**pair_mapping(array=ARRAY, wires=WIRES, adc=CCO), "mismatch": MISMATCH, "noise": NOISE}
    )  # fmt: skip


def gated_mapping(**tables):
    drive = {"sign": "two_phase", "input_bits": 4}
    return switch_mapping(array=ARRAY, wires={"r_bit_line_ohm": 20.0}, drive=drive, adc=CCO, **tables)


def test_a_linear_tile_has_each_of_its_parts_and_what_is_drawn():
    tile, task = noisy_tile(), make_task()
    found = evaluate(task, tile, n_seed=2)
    parts = ["wires", "clamp", "adc", "mismatch", "chip", "read_noise"]
    assert list(found.scores) == ["digital", "quantization", *parts, *ALL[2:]]
    assert {name: len(scores) for name, scores in found.scores.items() if len(scores) == 2} == dict.fromkeys(
        ["mismatch", "chip", "read_noise", *ALL[2:]], 2
    )
    assert all(scores.shape[1] == 60 for scores in found.scores.values())
    assert found.score("digital") == 0
    for name in parts:  # something beside the rounding of inputs
        assert not np.array_equal(found.scores[name][0], found.scores["quantization"][0]) or name == "clamp"
    assert not np.array_equal(found.scores["chip"][0], found.scores["chip"][1])
    assert found.score("together") < found.score("together_columns") < 0


def test_a_gated_tile_has_its_access_devices_and_no_compensation():
    found = evaluate(make_task(), tile_from_mapping(gated_mapping(cell={"access": SOFT})), accuracy=1e-2)
    assert list(found.scores) == ["digital", "quantization", "wires", "access", "adc", *ALL[2:6]]
    assert found.score("access") < found.score("quantization")
    assert found.score("together") < found.score("together_columns")


def test_read_noise_of_a_gated_tile_is_refused_before_anything_runs_with_what_is_left():
    tile = tile_from_mapping({**gated_mapping(), "noise": NOISE})
    with pytest.raises(InputError, match=r"read_noise.*only quantization,wires,access,adc,chip") as refusal:
        evaluate(make_task(), tile)
    assert not calls
    names = str(refusal.value).rpartition("only ")[2].split(",")
    assert list(evaluate(make_task(), tile, only=names, n_seed=1, accuracy=1e-2).scores) == ["digital", *names]


@pytest.mark.parametrize(
    ("part", "tables"),
    [
        ("wires", {"wires": WIRES}),
        ("adc", {"wires": NO_WIRES, "adc": CCO}),
        (
            "mismatch",
            {"wires": NO_WIRES, "mismatch": {**MISMATCH, "adc_gain_sigma": 0.0, "clamp_offset_sigma_volt": 1e-3}},
        ),
        ("read_noise", {"wires": NO_WIRES, "noise": {name: NOISE[name] for name in READS}}),
    ],
)
def test_the_only_part_of_a_tile_alone_is_the_tile(part, tables):
    mapping = pair_mapping(array=ARRAY, read_out=AT_REST, **{"wires": NO_WIRES, **tables})
    found = evaluate(make_task(), tile_from_mapping(mapping), n_seed=2)
    parts = [name for name in found.scores if name not in ALL]
    assert parts == [part]
    assert np.array_equal(found.scores[part], found.scores["together"])
    assert not np.array_equal(found.scores[part][0], found.scores["quantization"][0])


def test_a_compact_model_brings_its_parameters():
    tile = pair_tile(array=ARRAY, wires=WIRES, read_out=AT_REST)
    model = as_model(tile)
    plain, fitted = (evaluate(make_task(), each, only=["wires"]) for each in (tile, model))
    assert np.array_equal(plain.scores["wires"], fitted.scores["wires"])
    assert fitted.provenance["calibration"] is not None
    other = model.model_copy(update={"parameters": model.parameters.model_copy(update={"r_bit_line_ohm": 600.0})})
    assert evaluate(make_task(), other, only=["wires"]).score("wires") < plain.score("wires")


def test_a_seed_gives_the_same_draws_and_another_seed_others():
    first, again, other = (
        evaluate(make_task(), noisy_tile(), only=["mismatch", "chip", "read_noise"], n_seed=2, seed=seed)
        for seed in (0, 0, 7)
    )
    for name, scores in first.scores.items():
        assert np.array_equal(scores, again.scores[name])
        assert np.array_equal(scores, other.scores[name]) is (name == "digital")


def test_the_network_is_left_as_it_was():
    task = make_task()
    task.network.train()
    task.network.layers[1].eval()
    before, state = digest(task.network), torch.get_rng_state()
    evaluate(task, noisy_tile(), only=["together"], n_seed=1)
    assert digest(task.network) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert (task.network.training, task.network.layers[1].training) == (True, False)


def test_a_loader_that_can_be_read_once_will_do():
    task = make_task()
    once = evaluate(
        make_task(batches=iter(task.batches), calibration=iter(task.calibration)), noisy_tile(), only=["adc"]
    )
    assert np.array_equal(once.scores["adc"], evaluate(task, noisy_tile(), only=["adc"]).scores["adc"])


class Shared(nn.Module):
    """A layer that stands in two places, named arguments, an output with logits."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.first = nn.Linear(12, 12)
        self.second = self.first

    def forward(self, *, values, mask):
        return SimpleNamespace(logits=self.second(torch.tanh(self.first(values * mask))))


def test_named_arguments_shared_layers_and_logits():
    rng = np.random.default_rng(3)
    values, mask = (torch.from_numpy(rng.normal(size=(50, 12))).float() for _ in range(2))
    network, batch = Shared(), {"values": values, "mask": mask}
    target = network(**batch).logits.argmax(dim=-1)
    task = Task(name="shared", network=network, batches=[(batch, target)], calibration=[batch])
    found = evaluate(task, pair_tile(array=ARRAY, wires={"r_bit_line_ohm": 2000.0}, read_out=AT_REST))
    assert found.score("digital") == 1
    assert found.score("wires") < 1
    assert found.score("together_compensated") == found.score("quantization") > 0.9


@pytest.mark.parametrize("raised", [KeyboardInterrupt("stop"), RuntimeError("no power")])
def test_an_evaluation_goes_on_without_the_scores_that_had_finished(tmp_path, raised):
    def run(kept):
        return evaluate(make_task(), noisy_tile(), n_seed=2, only=["wires", "adc", "chip"], kept=tmp_path / kept)

    whole = run("other")
    n_whole = len(calls)
    calls.clear()
    fails_at[0], error[0] = n_whole - 2, raised  # within the last but one of the passes
    with pytest.raises(KeyboardInterrupt if isinstance(raised, KeyboardInterrupt) else InputError, match=str(raised)):
        run("kept")
    assert len(list((tmp_path / "kept").iterdir())) == 2
    calls.clear()
    fails_at[0] = 0
    resumed = run("kept")
    assert len(calls) == n_whole - 2 * 2  # two passes of two batches were kept
    for name, evaluation in (("a", whole), ("b", resumed)):
        write_evaluation(evaluation, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    calls.clear()
    run("kept")
    assert len(calls) == 3  # the calibration and the digital network's batches


def _other_weights():
    network = Counted()
    with torch.no_grad():
        network.layers[2].bias[0] += 1e-3
    return {"network": network}


CHANGES = {
    "network": _other_weights,
    "batch": lambda: {"batches": [(batch[0] + 1e-6, batch[1]) for batch in make_task().batches]},
    "order": lambda: {"batches": make_task().batches[::-1]},
    "calibration": lambda: {"calibration": [make_task().calibration[0] * 1.1]},
    "clipping": lambda: {"clipped_fraction": 0.1},
    "score": lambda: {"score": lambda outputs, target: near(outputs, target) * 1.0},
    "layers": lambda: {"include": lambda name, _layer: name != "layers.2"},
}


@pytest.mark.parametrize("what", [*CHANGES, "tile", "seed", "accuracy"])
def test_what_was_kept_is_not_used_for_anything_else(tmp_path, what):
    def run(changes, tile, **options):
        evaluate(make_task(**changes), tile, only=["chip"], n_seed=1, kept=tmp_path, **options)
        return len(list(tmp_path.iterdir()))

    tile = noisy_tile()
    assert run({}, tile) == run({}, tile) == 1
    if what == "tile":
        noise = {**NOISE, "t_since_programming_second": 3600.0}
        assert run({}, tile_from_mapping({**pair_mapping(array=ARRAY), "noise": noise})) == 2
    elif what in ("seed", "accuracy"):
        assert run({}, tile, **({"seed": 1} if what == "seed" else {"accuracy": 1e-3})) == 2
    else:
        assert run(CHANGES[what](), tile) == 2


@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""])
def test_damaged_scores_are_computed_again(tmp_path, damage):
    first = evaluate(make_task(), noisy_tile(), only=["wires"], kept=tmp_path)
    (path,) = tmp_path.iterdir()
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    again = evaluate(make_task(), noisy_tile(), only=["wires"], kept=tmp_path)
    assert np.array_equal(first.scores["wires"], again.scores["wires"])
    assert path.read_bytes() == sound


def test_progress_counts_the_passes():
    seen = []
    evaluate(make_task(), noisy_tile(), only=["wires", "chip"], n_seed=2, on_done=lambda *pair: seen.append(pair))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_digests_tell_apart_what_differs_and_only_that():
    values = [["ab", "c"], ["a", "bc"], {"a": 1.0}, {"a": 1}, [torch.zeros(2)], [torch.zeros(2, 1)], [1, [2]], [[1], 2]]
    assert len({digest(value) for value in values}) == len(values)
    network = nn.Sequential(nn.Linear(2, 2))
    network.extra_repr = lambda: repr(near)  # it shows an address
    before = digest(network)
    network.extra_repr = lambda: repr(near).replace(" at 0x", " at 0x1")
    assert digest(network) == before
    with pytest.raises(InputError, match="array of objects"):
        digest([np.array([object()])])
    with pytest.raises(InputError, match="a set"):
        digest([{1}])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batches": []}, "at least one batch"),
        ({"calibration": []}, "one for the calibration"),
        ({"batches": [torch.zeros(3, 20)]}, "a batch must be a pair"),
        ({"calibration": [(torch.zeros(3, 20).double(), torch.zeros(3))]}, "calibration holds inputs alone"),
        ({"calibration": [torch.zeros(3, 20).double()]}, r"inputs of layers\.0 are all 0 in the calibration; give"),
        ({"score": lambda outputs, target: outputs}, r"score gave \(40, 3\) for a batch of 40 targets"),
        ({"score": lambda outputs, target: torch.full((len(target),), torch.nan)}, "one finite number"),
        ({"score": lambda outputs, target: 1 / 0}, "digital: the network or score raised ZeroDivisionError"),
        ({"batches": [(batch[0][:1], batch[1][:1]) for batch in make_task().batches[:1]]}, "one example"),
        ({"batches": [(make_task().batches[0][0], {1})]}, "raised TypeError"),
        ({"include": lambda _name, _layer: False}, "no nn.Linear"),
    ],
)
def test_bad_tasks_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        evaluate(make_task(**changes), noisy_tile(), only=["wires"])


def test_unknown_conditions_and_no_seeds_are_refused():
    with pytest.raises(InputError, match="no condition wire; this tile has digital, quantization, wires"):
        evaluate(make_task(), noisy_tile(), only=["wire"])
    with pytest.raises(InputError, match="at least one seed"):
        evaluate(make_task(), noisy_tile(), n_seed=0)
    with pytest.raises(InputError, match="was not evaluated"):
        evaluate(make_task(), noisy_tile(), only=[]).score("wires")
