"""Read noise of layers on gated tiles: the numpy moments, each vector about its own states (make check-torch)."""

from importlib.util import find_spec

import numpy as np
import pytest

from tests.conftest import switch_mapping
from tests.tolerances import GATED_NOISE
from tilemodel import InputError, TileModel
from tilemodel.config.load import load_noise_preset, tile_from_mapping
from tilemodel.config.operands import Conductances, conductances_from_weights
from tilemodel.config.passes import tile_passes
from tilemodel.parameters import parameters_from_tile

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
from torch import nn

from tests.test_torch_noise import CODINGS, variance_by_roots
from tilemodel.noise.noisy_tile import NoisyTile
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.timing import ReadWindows
from tilemodel.torch import TileLinear, read_noise

pytestmark = pytest.mark.torch

N_ROW = 32
NOISE = {**load_noise_preset("pcm_ibm"), "t_since_programming_second": 86400.0}
# About what SKY130's access transistors have
TRANSISTOR = {
    "r_access_slope_ohm_per_ampere": 8e5,
    "q_pulse_coulomb": 1.2e-15,
    "q_pulse_coulomb_per_siemens": -2.7e-11,
    "c_pulse_farad": 2e-15,
}
GATED_CODINGS = {name: CODINGS[name] for name in ("conventional", "split", "bit_wise")}


def noisy_tile(r_ohm=100.0, **drive):
    array = {"n_row": N_ROW, "n_col": 3, "read_out_end": "alternating"}
    drive = {"sign": "two_phase", **drive}
    mapping = switch_mapping(array=array, wires={"r_bit_line_ohm": r_ohm}, drive=drive)
    return tile_from_mapping({**mapping, "noise": NOISE})


def layer_on(tile, *, dtype=torch.float64, **options):
    torch.manual_seed(5)
    return TileLinear(nn.Linear(N_ROW, 3, dtype=dtype), tile, **options)


def numpy_model(layer):
    tile = layer.geometry.tile
    operands = conductances_from_weights(tile, layer.tile_weights()[0].double().numpy())
    return TileModel(tile, operands, parameters=layer.geometry.parameters)


def ticks_of():
    """One vector without half of its pulses, one without any."""
    torch.manual_seed(2)
    ticks = torch.randint(-127, 128, (4, N_ROW))
    ticks[0, : N_ROW // 2], ticks[1] = 0, 0
    return ticks


def first_order(model, ticks):
    """Variance of the columns' charges [coulomb^2], [n_vec, n_col]: each cell moved in the numpy model, row by row."""
    tile, arrays = model.tile, model.conductances.arrays()
    drives = tile_passes(tile, ticks)
    windows = ReadWindows.of_passes(tile, tile.noise, tile_process(tile.noise), drives)
    total = np.zeros((len(ticks), tile.array.n_col))
    for index, (name, g) in enumerate(arrays.items()):
        for i in range(tile.array.n_row):
            moved = _by_row(model, ticks, name, i)[:, :, index::2]
            for q, later in enumerate(drives):
                for p, earlier in enumerate(drives[: q + 1]):
                    powers = windows.covariance(p, earlier.n_tick[:, i], q, later.n_tick[:, i])
                    covariance = sum(c[:, np.newaxis] * g[i] ** m for m, c in enumerate(powers))
                    factor = earlier.factor * later.factor * (1 if p == q else 2)
                    total += factor * moved[p] * moved[q] * covariance
    return total


def _by_row(model, ticks, name, i):
    """Derivative of the lines' charges by the cell of their own in row `i` of an array, [n_pass, n_vec, n_line]."""
    arrays, step = model.conductances.arrays(), 1e-4 * model.conductances.arrays()[name][i]
    ends = []
    for sign in (1, -1):
        changed = {each: g.copy() for each, g in arrays.items()}
        changed[name][i] += sign * step
        outputs = model.programmed_with(Conductances(**changed)).passes(ticks)
        ends.append(np.stack([output.charge_line_coulomb for output in outputs]))
    return (ends[0] - ends[1]) / (2 * np.repeat(step, 2))


@pytest.mark.parametrize("coding", list(GATED_CODINGS))
@pytest.mark.parametrize("transistor", [{}, TRANSISTOR], ids=["switch", "transistor"])
def test_variance_of_all_passes_together_is_that_of_moved_cells(monkeypatch, coding, transistor):
    tile = noisy_tile(**GATED_CODINGS[coding])
    layer = layer_on(tile, parameters=parameters_from_tile(tile).model_copy(update=transistor))
    ticks = ticks_of()
    expected = first_order(numpy_model(layer), ticks.numpy())
    with torch.no_grad():
        got = variance_by_roots(monkeypatch, layer, ticks)
    np.testing.assert_allclose(got, expected, rtol=GATED_NOISE[bool(transistor)], atol=1e-10 * expected.max())


def test_it_is_the_spread_of_the_numpy_models_reads():
    """Every cell drawn and the tile solved anew for each of the reads."""
    layer, ticks = layer_on(noisy_tile()), ticks_of()[2:3]
    chip, n_read = NoisyTile(numpy_model(layer), np.random.default_rng(1)), 400
    expected = chip.mvm(ticks.expand(n_read, -1).numpy(), np.random.default_rng(2)).charge_coulomb
    layer.set_read_noise(torch.Generator().manual_seed(1))
    with torch.no_grad():
        got = layer.codes(ticks.expand(4 * n_read, -1)).numpy()
    np.testing.assert_allclose(got.std(axis=0), expected.std(axis=0), rtol=0.2)  # 5 sigma of two such estimates


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("accuracy", ["exact", 1e-2])
def test_it_is_drawn_alike_whatever_the_accuracy_and_again_from_the_same_seed(accuracy, dtype):
    x = torch.randn(6, N_ROW, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).to(dtype)
    deviations = []
    for each in (accuracy, "exact"):
        layer = layer_on(noisy_tile(), dtype=dtype, accuracy=each)
        layer.set_input_range(4.0)
        with torch.no_grad():
            quiet = layer(x)
            layer.set_read_noise(torch.Generator().manual_seed(3))
            deviations.append(layer(x) - quiet)
            assert not torch.equal(layer(x) - quiet, deviations[-1])
    close = 1e-10 if dtype == torch.float64 else 1e-4
    assert (deviations[0] - deviations[1]).abs().max() < close * deviations[0].abs().max()


def test_it_moves_no_gradient_by_inputs_and_compiles():
    torch._dynamo.reset()
    layer, x = layer_on(noisy_tile(coding="split", split_low_bits=3)), torch.randn(4, N_ROW, dtype=torch.float64)
    layer.set_input_range(2.0)
    x.requires_grad_()
    (quiet,) = torch.autograd.grad(layer(x).sum(), x)
    layer.set_read_noise(torch.Generator().manual_seed(3))
    (noisy,) = torch.autograd.grad(layer(x).sum(), x)
    torch.testing.assert_close(noisy, quiet)
    found = []
    with torch.no_grad():
        for run in (layer, torch.compile(layer, backend="eager")):
            layer.set_read_noise(torch.Generator().manual_seed(3))
            found.append(run(x))
    torch.testing.assert_close(found[1], found[0])


def test_tiles_of_a_layer_have_that_of_layers_of_their_own(monkeypatch):
    monkeypatch.setattr(read_noise, "_normal", lambda like, _generator: torch.ones_like(like))
    torch.manual_seed(4)
    plain, ticks = nn.Linear(N_ROW + 18, 5, dtype=torch.float64), torch.randint(-127, 128, (4, N_ROW + 18))

    def deviation(rows):
        part = nn.Linear(plain.weight[:, rows].shape[1], 5, dtype=torch.float64)
        with torch.no_grad():
            part.weight.copy_(plain.weight[:, rows])
            layer = TileLinear(part, noisy_tile())
            quiet = layer.codes(ticks[:, rows])
            layer.set_read_noise(torch.Generator())
            return layer.codes(ticks[:, rows]) - quiet

    whole = deviation(slice(None))
    assert (whole != 0).all()
    expected = deviation(slice(0, N_ROW)) + deviation(slice(N_ROW, None))
    np.testing.assert_allclose(whole.numpy(), expected.numpy(), rtol=0, atol=1e-10 * float(whole.abs().max()))


def test_empty_cells_have_none():
    mapping = switch_mapping(
        array={"n_row": N_ROW, "n_col": 3}, drive={"sign": "two_phase"}, conductance={"g_min_siemens": 0.0}
    )
    layer = TileLinear(nn.Linear(N_ROW, 3, dtype=torch.float64), tile_from_mapping({**mapping, "noise": NOISE}))
    with torch.no_grad():
        layer.weight.zero_()
        layer.set_read_noise(torch.Generator().manual_seed(3))
        assert not layer.codes(ticks_of()).any()


def test_a_tile_without_noise_is_refused():
    mapping = switch_mapping(drive={"sign": "two_phase"})
    with pytest.raises(InputError, match="has no noise"):
        TileLinear(nn.Linear(4, 2), tile_from_mapping(mapping)).set_read_noise(torch.Generator())
