"""`rail_pair` against the IR-drop tile of IBM's aihwkit with the same parameters (docs/aihwkit.md)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest

from tilemodel import TileModel, load_tile
from tilemodel.config.operands import Conductances, conductances_from_weights, random_weights

if find_spec("aihwkit") is None:
    pytest.skip("aihwkit is not installed", allow_module_level=True)

import torch
from aihwkit.inference.converter.conductance import SinglePairConductanceConverter
from aihwkit.inference.noise.pcm import PCMLikeNoiseModel
from aihwkit.simulator.configs import TorchInferenceRPUConfigIRDropT
from aihwkit.simulator.parameters.enums import AnalogMVType, BoundManagementType, NoiseManagementType

pytestmark = pytest.mark.aihwkit

N_ROW, N_COL = 64, 8
V_COMMON_VOLT, V_READ_VOLT, G_MIN_MICROSIEMENS, G_MAX_MICROSIEMENS = 0.4, 0.2, 0.1, 25.0
CYCLES_PER_CHARGE = 6.24 / 100  # of 1 uA for one tick of 1 ns

# In float64, of full scale. aihwkit adds 1e-12 uS to ground at each node: 1e-12 to 3e-12 of these tiles' full scale
FLOAT64 = 5e-12
# In float32, in roundings of the 0.4 V on which aihwkit's node voltages sit (measured: 4 to 7)
FLOAT32_ROUNDINGS = 16


@dataclass(frozen=True)
class Coding:
    """How inputs of `bits` (sign included) become pulses; `low_bits` is the width of the split mode's first pass."""

    name: str
    bits: int = 8
    low_bits: int = 3

    @property
    def n_tick_max(self) -> int:
        return 2 ** (self.bits - 1) - 1

    def passes(self, ticks):
        """Ticks, left shift and bits (sign included) of every pass, in the order in which they are applied."""
        sign, magnitude = np.sign(ticks), np.abs(ticks)
        if self.name == "conventional":
            return [(ticks, 0, self.bits)]
        if self.name == "split":
            low = self.low_bits
            return [(sign * (magnitude % 2**low), 0, low + 1), (sign * (magnitude >> low), low, self.bits - low)]
        return [(sign * (magnitude >> bit & 1), bit, 2) for bit in range(self.bits - 1)]


CODINGS = [Coding("conventional"), Coding("split"), Coding("split", low_bits=4), Coding("bit_wise")]
coding_cases = pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: f"{coding.name}{coding.low_bits}")
wire_cases = pytest.mark.parametrize("r_ohm", [0.0, 0.15, 5.0])


@dataclass(frozen=True)
class Ours:
    """Charges and codes of the fast model, and what float32 may be wrong by (both [n_vec, n_col])."""

    charge: np.ndarray
    """Of all passes, shifted and added [uA ticks]."""
    code: np.ndarray
    float32_error: np.ndarray
    code_undecided: np.ndarray
    """Where a pass lies so near to a code's edge that float32 cannot tell its side."""


def our_tile(folder, r_ohm, bits, coding=""):
    """IBM's preset with aihwkit's circuit and window for one pass of `bits`.

    aihwkit's last segment, before the clamp, is half as long as the others. In segments of half the length
    that is a line of 2 n - 1 nodes, every other one without a cell. The window is the longest pulse and one tick.
    """
    text = f"""
        name = "as_in_aihwkit"
        preset = "ibm_pcm_14nm"
        [array]
        n_row = {2 * N_ROW - 1}
        n_col = {N_COL}
        [wires]
        r_bit_line_ohm = {r_ohm / 2}
        [drive]
        input_bits = {bits}
        {coding}
        t_start_second = 0.45e-9
        [read_out]
        t_tail_second = 0.5e-9
    """
    path = folder / "tile.toml"
    path.write_text(text)
    return load_tile(path)


def our_conductances(tile, weights):
    spread = np.zeros((2 * N_ROW - 1, N_COL))
    spread[::2] = weights
    written = conductances_from_weights(tile, spread)
    empty = np.arange(2 * N_ROW - 1)[:, np.newaxis] % 2 == 1
    return Conductances(g_plus=np.where(empty, 0, written.g_plus), g_minus=np.where(empty, 0, written.g_minus))


def our_pass(folder, r_ohm, bits, weights, ticks):
    """Charges [uA ticks] and codes of one pass, and the charge error of one rounding of 0.4 V."""
    tile = our_tile(folder, r_ohm, bits)
    model = TileModel(tile, our_conductances(tile, weights))
    spread = np.zeros((len(ticks), 2 * N_ROW - 1), dtype=np.int64)
    spread[:, ::2] = ticks
    output = model.mvm(spread)
    at_rest = model.charges(np.zeros_like(spread[:1]))
    clamp_offset = V_COMMON_VOLT - tile.read_out.v_clamp_volt
    rounding = np.finfo(np.float32).eps * V_COMMON_VOLT / clamp_offset * at_rest
    unit = 1e-6 * tile.drive.t_lsb_second
    return output.charge_coulomb / unit, output.code, np.abs(rounding) / unit


def ours(folder, r_ohm, coding, weights, ticks, *, trapezoid=False):
    charge, code, error, undecided = 0.0, 0, 0.0, False
    for ticks_of_pass, shift, bits in coding.passes(ticks):
        q, c, rounding = our_pass(folder, r_ohm, bits, weights, ticks_of_pass)
        if trapezoid:  # half a tick more for every pulse: the first sample is taken twice
            first, _, _ = our_pass(folder, r_ohm, bits, weights, np.sign(ticks_of_pass))
            rest, _, _ = our_pass(folder, r_ohm, bits, weights, np.zeros_like(ticks_of_pass))
            q = q + (first - rest) / 2
        bound = FLOAT32_ROUNDINGS * rounding
        cycles = np.abs(q) * CYCLES_PER_CHARGE
        near_edge = (np.abs(cycles - np.rint(cycles)) <= bound * CYCLES_PER_CHARGE) & (np.rint(cycles) > 0)
        charge, code = charge + 2**shift * q, code + 2**shift * c
        error, undecided = error + 2**shift * bound, undecided | near_edge
    return Ours(charge, code, error, undecided)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """aihwkit makes some of its arrays with torch's default type, whatever the tile's is."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def pulses_in_float32(bits):
    """Ticks that aihwkit applies for 0 ... n_tick_max: its test for the end, x > t, fails where they round apart."""
    n_tick_max = 2 ** (bits - 1) - 1
    x = torch.arange(n_tick_max + 1, dtype=torch.float32) * (1 / n_tick_max)
    grid = torch.linspace(0.0, 1.0, n_tick_max + 1, dtype=torch.float32)
    return (x[:, None] > grid).sum(1).numpy()


# With 8 bits the two round alike if torch has fused multiply-add (AVX2), else 73 becomes 74 and so on
float32_exact = pytest.mark.skipif(
    (pulses_in_float32(8) != np.arange(128)).any(), reason="without AVX2, aihwkit in float32 lengthens pulses"
)


def g_converter():
    return SinglePairConductanceConverter(g_max=G_MAX_MICROSIEMENS, g_min=G_MIN_MICROSIEMENS)


def aihwkit_config(r_ohm, coding, *, adc, trapezoid):
    config = TorchInferenceRPUConfigIRDropT()
    config.mapping.max_input_size = N_ROW  # or it pads the tile to 512 rows with cells at g_min
    config.noise_model = PCMLikeNoiseModel(g_converter=g_converter())
    io = config.forward
    io.inp_res, io.inp_bound, io.inp_noise = 1 / (2**coding.bits - 2), 1.0, 0.0
    io.out_res, io.out_bound, io.out_noise = -1.0, -1.0, 0.0
    io.noise_management, io.bound_management = NoiseManagementType.NONE, BoundManagementType.NONE
    modes = {"conventional": "ONE_PASS", "split": "SPLIT_MODE", "bit_wise": "BIT_WISE"}
    io.mv_type, io.split_mode_bit_shift = AnalogMVType[modes[coding.name]], coding.low_bits
    io.ir_drop_rs, io.ir_drop_segments = r_ohm, N_ROW  # its defaults: ir_drop 1.0, clamp 0.4005 V, 6.24 GHz
    io.adc_quantization, io.ir_drop_integration_sum = adc, not trapezoid
    return config


def aihwkit(r_ohm, coding, weights, ticks, dtype, *, adc=False, trapezoid=False):
    """The tile's output as charges [uA ticks], or codes if `adc`."""
    with default_dtype(dtype), torch.no_grad():
        config = aihwkit_config(r_ohm, coding, adc=adc, trapezoid=trapezoid)
        tile = config.simulator_tile_class(weights.shape[0], weights.shape[1], config)
        tile.set_weights(torch.tensor(weights.T.copy(), dtype=dtype))
        output = tile.forward(torch.tensor(ticks / coding.n_tick_max, dtype=dtype), is_test=True)
    scale = (G_MAX_MICROSIEMENS - G_MIN_MICROSIEMENS) * V_READ_VOLT * coding.n_tick_max
    charge = output.numpy().astype(np.float64) * scale
    return charge * CYCLES_PER_CHARGE if adc else charge


@pytest.fixture
def weights(tmp_path, rng):
    values = random_weights(our_tile(tmp_path, 0.0, 8), rng)[:N_ROW]
    values[3, 2] = 1.0  # aihwkit stretches a matrix until its largest weight has g_max
    return values


@pytest.fixture
def ticks(rng):
    values = rng.integers(-127, 128, (8, N_ROW))
    values[0], values[1] = 0, 127
    return values


def test_weights_become_the_same_conductances(tmp_path, weights):
    tile = our_tile(tmp_path, 0.15, 8)
    mapped = our_conductances(tile, weights)
    (plus, minus), _ = g_converter().convert_to_conductances(torch.tensor(weights, dtype=torch.float64))
    np.testing.assert_allclose(mapped.g_plus[::2], 1e-6 * plus.numpy(), rtol=1e-14)
    np.testing.assert_allclose(mapped.g_minus[::2], 1e-6 * minus.numpy(), rtol=1e-14)


@wire_cases
@coding_cases
@pytest.mark.parametrize("trapezoid", [False, True])
def test_charges_in_float64(tmp_path, weights, ticks, r_ohm, coding, trapezoid):
    expected = ours(tmp_path, r_ohm, coding, weights, ticks, trapezoid=trapezoid).charge
    charge = aihwkit(r_ohm, coding, weights, ticks, torch.float64, trapezoid=trapezoid)
    assert np.abs(charge - expected).max() <= FLOAT64 * np.abs(expected).max()


@float32_exact
@wire_cases
@coding_cases
def test_charges_in_float32(tmp_path, weights, ticks, r_ohm, coding):
    expected = ours(tmp_path, r_ohm, coding, weights, ticks)
    charge = aihwkit(r_ohm, coding, weights, ticks, torch.float32)
    assert (np.abs(charge - expected.charge) <= expected.float32_error).all()
    assert expected.float32_error.max() < 2e-4 * np.abs(expected.charge).max()  # the bound itself says something


@wire_cases
@coding_cases
@pytest.mark.parametrize("dtype", [pytest.param(torch.float32, marks=float32_exact), torch.float64], ids=str)
def test_codes(tmp_path, weights, ticks, r_ohm, coding, dtype):
    expected = ours(tmp_path, r_ohm, coding, weights, ticks)
    code = aihwkit(r_ohm, coding, weights, ticks, dtype, adc=True)
    assert np.abs(code - np.rint(code)).max() < 1e-3
    differ = np.rint(code) != expected.code
    assert not (differ & ~expected.code_undecided).any()
    assert not (dtype == torch.float64 and differ.any())
    assert expected.code_undecided.mean() < 0.1
    assert np.abs(expected.code).max() > 100


@wire_cases
@coding_cases
def test_charges_and_codes_of_the_drives_own_passes(tmp_path, weights, ticks, r_ohm, coding):
    """`[drive] coding` does what the passes above do one by one."""
    split = f"split_low_bits = {coding.low_bits}" if coding.name == "split" else ""
    tile = our_tile(tmp_path, r_ohm, coding.bits, f'coding = "{coding.name}"\n{split}')
    spread = np.zeros((len(ticks), 2 * N_ROW - 1), dtype=np.int64)
    spread[:, ::2] = ticks
    output = TileModel(tile, our_conductances(tile, weights)).mvm(spread)
    charge = aihwkit(r_ohm, coding, weights, ticks, torch.float64)
    ours_charge = output.charge_coulomb / (1e-6 * tile.drive.t_lsb_second)
    assert np.abs(ours_charge - charge).max() <= FLOAT64 * np.abs(charge).max()
    np.testing.assert_array_equal(output.code, np.rint(aihwkit(r_ohm, coding, weights, ticks, torch.float64, adc=True)))


def test_float32_lengthens_pulses_of_seven_bits(tmp_path, weights, ticks):
    """Seven bits are its default: inp_res = 1 / 126."""
    coding = Coding("conventional", bits=7)
    ticks = np.sign(ticks) * (np.abs(ticks) // 2)
    lengthened = np.sign(ticks) * pulses_in_float32(7)[np.abs(ticks)]
    assert (lengthened != ticks).any()
    for dtype, applied in ((torch.float64, ticks), (torch.float32, lengthened)):
        expected = ours(tmp_path, 0.15, coding, weights, applied)
        charge = aihwkit(0.15, coding, weights, ticks, dtype)
        assert (np.abs(charge - expected.charge) <= expected.float32_error).all()


def test_an_odd_number_of_columns_fails_in_aihwkit(weights, ticks):
    with pytest.raises(RuntimeError, match="must match the size"):
        aihwkit(0.15, CODINGS[0], weights[:, :3], ticks, torch.float64)


@pytest.mark.parametrize("rows", [slice(None), slice(0, 3)], ids=["batch", "three vectors"])
def test_read_noise_with_aihwkits_shortcuts_is_aihwkits(rows, tmp_path, monkeypatch):
    """The same normal deviates through `_apply_xdep_pcm_read_noise` and through the option named after it."""
    from aihwkit.simulator.tiles.analog_mvm_irdrop_t import AnalogMVMIRDropT

    from tilemodel.config.load import load_noise_preset
    from tilemodel.config.noise import NoiseConfig
    from tilemodel.noise.aihwkit_law import aihwkit_read

    rng = np.random.default_rng(8)
    weights = rng.uniform(-1, 1, (N_ROW, N_COL))
    ticks = rng.integers(-127, 128, (16, N_ROW))[rows]
    resolution = 1 / 254
    normal = rng.standard_normal((N_ROW, N_COL))
    module = "aihwkit.simulator.tiles.analog_mvm_irdrop_t.randn_like"
    monkeypatch.setattr(module, lambda tensor: torch.from_numpy(normal).to(tensor.dtype))
    config = TorchInferenceRPUConfigIRDropT()
    config.forward.xdep_pcm_read_noise_scale = 1.0
    converter = SinglePairConductanceConverter(g_min=G_MIN_MICROSIEMENS, g_max=G_MAX_MICROSIEMENS)
    theirs = AnalogMVMIRDropT._apply_xdep_pcm_read_noise(
        torch.from_numpy(weights), torch.from_numpy(ticks * 2 * resolution), config.forward, converter, resolution
    )

    class Normals:
        """A generator that gives the same deviates."""

        def standard_normal(self, shape):
            assert shape == normal.shape
            return normal

    path = tmp_path / "tile.toml"
    path.write_text(f'name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = {N_ROW}\nn_col = {N_COL}\n')
    tile = load_tile(path)
    scale = (G_MAX_MICROSIEMENS - G_MIN_MICROSIEMENS) / np.abs(weights).max()
    magnitude = 1e-6 * (G_MIN_MICROSIEMENS + scale * np.abs(weights))
    low = np.full_like(magnitude, 1e-6 * G_MIN_MICROSIEMENS)
    pair = Conductances(g_plus=np.where(weights > 0, magnitude, low), g_minus=np.where(weights > 0, low, magnitude))
    noise = NoiseConfig(**load_noise_preset("pcm_ibm"))
    read = aihwkit_read(tile, noise, pair, ticks, Normals())
    ours = 1e6 * (read.g_plus - read.g_minus) / scale
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-6)
