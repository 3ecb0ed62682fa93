"""Converters: limits and identities of each law, mismatch, and what INL and DNL measure of them."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

from tests.tolerances import relative
from tilemodel.adc import ConverterBank, largest_code, lsb_coulomb, quantize
from tilemodel.adc_metrics import code_edges_coulomb, transfer_metrics
from tilemodel.config.adc import LINE_KEYS, AdcConfig, CcoAdc, IdealAdc, LinearAdc, RampAdc, SarAdc
from tilemodel.config.conditions import MismatchConfig
from tilemodel.config.errors import InputError

LSB = 2.0**-50  # about 1 fC, exact, so that whole charges lie on the edges of codes
LINEAR = LinearAdc(kind="linear", adc_bits=8, charge_full_scale_coulomb=127e-15, gain=1.0, offset_lsb=0.0, inl_lsb=())
CCO = CcoAdc(kind="cco", f_hertz_per_ampere=1e15, phase_cycle=0.0, count_max=100)
RAMP = RampAdc(
    kind="ramp", adc_bits=6, charge_full_scale_coulomb=64 * LSB, gain=1.0, ramp_curvature=0.0, offset_lsb=0.0
)
SAR = SarAdc(kind="sar", adc_bits=6, charge_full_scale_coulomb=64 * LSB, offset_lsb=0.0)
BENT = CCO.model_copy(update={"i_half_ampere": 1e-6})
WITH_CODES = {"linear": LINEAR, "cco": CCO, "ramp": RAMP, "sar": SAR}
NOT_MATCHED = {"adc_gain_sigma": 0.02, "adc_offset_sigma_lsb": 0.7, "adc_unit_capacitor_sigma": 0.1}

finite_lsb = st.floats(-1e6, 1e6)
kinds = st.sampled_from(sorted(WITH_CODES))


def mismatch(seed=1, **sigmas):
    off = dict.fromkeys(MismatchConfig.model_fields, 0.0)
    return MismatchConfig(**(off | {"seed": seed} | sigmas))


def with_(adc, **values):
    """`adc` with other values, validated."""
    return type(adc)(**(adc.model_dump() | values))


def codes(adc, charge_lsb, *, signed=True):
    return quantize(adc, np.array(charge_lsb) * 1e-15, signed=signed).tolist()


def bank_codes(bank, charge_lsb):
    """Codes of charges [n] in LSB on all lines, [n, n_line]."""
    return bank.codes(np.multiply.outer(np.asarray(charge_lsb, float), np.full(bank.n_line, bank.lsb_coulomb)))


def test_linear_rounds_to_nearest_and_saturates():
    assert codes(LINEAR, [0.49, 0.51, -0.51, 126.6, 500, -500]) == [0, 1, -1, 127, 127, -127]


def test_unsigned_linear_spans_its_full_scale_with_all_codes():
    lsb = lsb_coulomb(LINEAR, signed=False)
    assert lsb == relative(127e-15 / 255, 1e-12)
    assert quantize(LINEAR, np.array([-lsb, 127e-15, 2 * 127e-15]), signed=False).tolist() == [0, 255, 255]


def test_linear_gain_and_offset_act_in_lsb():
    adc = LINEAR.model_copy(update={"gain": 1.1, "offset_lsb": 2.0})
    assert codes(adc, [0, 10, 100]) == [2, 13, 112]


def test_linear_inl_is_interpolated_between_its_knots_and_held_outside():
    adc = with_(LINEAR, inl_lsb=(-10.0, 0.0, 20.0))  # at codes -127, 0 and 127
    assert codes(adc, [-127, -63.4, 0, 12.7, 100, 500]) == [-127, -68, 0, 15, 116, 127]
    assert codes(with_(adc, inl_lsb=(0.0,) * 9), [0.49, -63.51]) == codes(LINEAR, [0.49, -63.51])


def test_cco_truncates_toward_zero_and_saturates():
    assert codes(CCO, [0.99, 1.01, -0.99, -1.01, 99.5, 1e6, -1e6]) == [0, 1, 0, -1, 99, 100, -100]
    assert codes(CCO, [-5.0], signed=False) == [0]


def test_cco_started_in_mid_cycle_counts_the_first_one_early_in_both_directions():
    adc = with_(CCO, phase_cycle=0.75)
    assert codes(adc, [0.0, 0.24, 0.26, 1.26, -0.24, -0.26, 1e6, -1e6]) == [0, 0, 1, 2, 0, -1, 100, -100]
    assert codes(adc, [-5.0, 0.0], signed=False) == [0, 0]


@pytest.mark.parametrize("adc", [RAMP, SAR], ids=["ramp", "sar"])
def test_ramp_and_sar_take_the_floor_and_have_one_code_more_below_zero(adc):
    unsigned, signed = ConverterBank(adc, None, 1, False), ConverterBank(adc, None, 1, True)
    assert (unsigned.smallest_code, unsigned.largest_code) == (0, 63)
    assert (signed.smallest_code, signed.largest_code) == (-32, 31)
    assert unsigned.lsb_coulomb == LSB
    assert signed.lsb_coulomb == 2 * LSB
    charges = [-40, -32, -1.01, -0.01, 0, 0.99, 1, 30.99, 31, 63, 64]
    assert bank_codes(signed, charges)[:, 0].tolist() == [-32, -32, -2, -1, 0, 0, 1, 30, 31, 31, 31]
    assert bank_codes(unsigned, charges)[:, 0].tolist() == [0, 0, 0, 0, 0, 0, 1, 30, 31, 63, 63]


@pytest.mark.parametrize("adc", [RAMP, SAR], ids=["ramp", "sar"])
def test_half_an_lsb_of_offset_makes_the_floor_round(adc):
    bank = ConverterBank(with_(adc, offset_lsb=0.5), None, 1, True)
    assert bank_codes(bank, [-0.51, -0.49, 0.49, 0.51])[:, 0].tolist() == [-1, 0, 0, 1]


def test_ramp_gain_is_the_nominal_slope_over_the_real_one():
    assert bank_codes(ConverterBank(with_(RAMP, gain=0.5), None, 1, False), [21, 63])[:, 0].tolist() == [10, 31]


@pytest.mark.parametrize("curvature", [-0.2, -0.01, 0.01, 0.2])
def test_curved_ramp_keeps_its_ends_and_is_crossed_early_where_it_lies_high(curvature):
    bank = ConverterBank(with_(RAMP, ramp_curvature=curvature), None, 1, False)
    edge = code_edges_coulomb(bank)[:, 0] / bank.lsb_coulomb
    time = np.arange(1, 64) / 64
    assert edge == relative(64 * time + 4 * curvature * 64 * time * (1 - time), 1e-9)
    assert edge[31] == relative(32 + 64 * curvature, 1e-9)
    assert np.sign(transfer_metrics(bank).inl_end_point_lsb[31, 0]) == -np.sign(curvature)


def test_no_converter_no_codes():
    assert quantize(IdealAdc(kind="ideal"), np.zeros(3), signed=True) is None
    bank = ConverterBank(IdealAdc(kind="ideal"), mismatch(**NOT_MATCHED), 3, True)
    assert bank.codes(np.zeros((2, 3))) is None
    with pytest.raises(InputError, match="no codes"):
        bank.saturated(np.zeros(3, dtype=np.int64))


@pytest.mark.parametrize("kind", sorted(WITH_CODES))
@pytest.mark.parametrize("signed", [True, False])
def test_mismatch_of_no_width_changes_nothing(kind, signed, rng):
    charge = rng.normal(0, 60e-15, (50, 4))
    plain = ConverterBank(WITH_CODES[kind], None, 4, signed)
    none = ConverterBank(WITH_CODES[kind], mismatch(seed=3), 4, signed)
    np.testing.assert_array_equal(plain.codes(charge), none.codes(charge))
    np.testing.assert_array_equal(plain.codes(charge), quantize(WITH_CODES[kind], charge, signed=signed))
    assert plain.largest_code == largest_code(WITH_CODES[kind], signed=signed)


@pytest.mark.parametrize("kind", sorted(WITH_CODES))
def test_saturation_is_both_ends_of_a_signed_range_and_the_top_of_an_unsigned_one(kind):
    signed, unsigned = (ConverterBank(WITH_CODES[kind], None, 2, sign) for sign in (True, False))
    ends = [-1e6, 0, 3.3, 1e6]
    low, high = signed.smallest_code, signed.largest_code
    assert bank_codes(signed, ends)[[0, 1, 3], 0].tolist() == [low, 0, high]
    assert signed.saturated(bank_codes(signed, ends))[:, 1].tolist() == [True, False, False, True]
    assert bank_codes(unsigned, ends)[[0, 1, 3], 0].tolist() == [0, 0, unsigned.largest_code]
    assert unsigned.saturated(bank_codes(unsigned, ends))[:, 1].tolist() == [False, False, False, True]


@given(kind=kinds, signed=st.booleans(), seed=st.integers(0, 2**32), charges=st.lists(finite_lsb, min_size=2))
def test_no_mismatch_makes_a_code_fall_with_rising_charge(kind, signed, seed, charges):
    bank = ConverterBank(WITH_CODES[kind], mismatch(seed, **NOT_MATCHED), 3, signed)
    found = bank_codes(bank, sorted(charges))
    assert (np.diff(found, axis=0) >= 0).all()
    assert (found >= bank.smallest_code).all()
    assert (found <= bank.largest_code).all()


@given(kind=kinds, signed=st.booleans(), charge=st.floats(-200, 300))
def test_without_mismatch_a_code_is_within_its_law_of_the_charge(kind, signed, charge):
    bank = ConverterBank(WITH_CODES[kind], None, 1, signed)
    code = int(bank_codes(bank, [charge])[0, 0])
    inside = min(max(charge, bank.smallest_code), bank.largest_code)
    bounds = {"linear": (-0.5, 0.5), "ramp": (-1, 0), "sar": (-1, 0), "cco": (-1, 0) if charge > 0 else (0, 1)}[kind]
    assert bounds[0] - 1e-9 <= code - inside <= bounds[1] + 1e-9


@given(bits=st.integers(2, 16), charge=st.floats(-70000, 70000), offset=st.integers(-3, 3), signed=st.booleans())
def test_sar_with_equal_capacitors_is_the_clipped_floor_and_so_is_the_straight_ramp(bits, charge, offset, signed):
    n_code = 2**bits
    lsb = 1e-15 * (2 if signed else 1)
    shared = {"adc_bits": bits, "charge_full_scale_coulomb": 1e-15 * n_code, "offset_lsb": float(offset)}
    sar = ConverterBank(SarAdc(kind="sar", **shared), None, 1, signed)
    ramp = ConverterBank(RampAdc(kind="ramp", gain=1.0, ramp_curvature=0.0, **shared), None, 1, signed)
    zero = n_code // 2 if signed else 0
    level = charge * lsb / sar.lsb_coulomb + offset + zero  # with the rounding that the converter's own sum has
    floor = np.clip(np.floor(level), 0, n_code - 1) - zero
    assert sar.codes(np.array([charge * lsb]))[0] == floor
    assert ramp.codes(np.array([charge * lsb]))[0] == floor


def test_sar_decides_bit_by_bit_with_the_capacitors_it_has():
    bank = ConverterBank(SAR, mismatch(adc_unit_capacitor_sigma=0.15), 1, False)
    weight = bank.bit_weight_lsb[0]
    for level in np.linspace(0.01, 63.99, 97):
        code, total = 0, 0.0
        for bit in range(5, -1, -1):
            if total + weight[bit] <= level:
                code, total = code + 2**bit, total + weight[bit]
        assert bank_codes(bank, [level])[0, 0] == code


def test_sar_mismatch_spreads_its_edges_as_sums_of_unit_capacitors():
    """Edge k is k of 2^B units over their total: standard deviation sigma sqrt(k (1 - k / 2^B)) LSB."""
    sigma, n_line = 1e-3, 3000
    bank = ConverterBank(SAR, mismatch(adc_unit_capacitor_sigma=sigma), n_line, False)
    metrics = transfer_metrics(bank)
    spread = (metrics.edge_coulomb / bank.lsb_coulomb).std(axis=1)
    k = metrics.code
    statistics = 5 / np.sqrt(2 * n_line)
    assert spread == pytest.approx(sigma * np.sqrt(k * (1 - k / 64)), rel=statistics)
    worst = metrics.inl_end_point_lsb.std(axis=1)
    assert worst[31] == pytest.approx(sigma * np.sqrt(64) / 2, rel=statistics + 1 / 63)  # end points are edges 1 and 63
    dnl_at_middle = metrics.dnl_lsb[30].std()  # code 31 ends where the largest capacitor takes over
    assert dnl_at_middle == pytest.approx(sigma * np.sqrt(63), rel=statistics + 1 / 63)


def test_sar_mismatch_loses_codes_and_never_order():
    bank = ConverterBank(SAR, mismatch(adc_unit_capacitor_sigma=0.2), 20, False)
    metrics = transfer_metrics(bank)
    assert metrics.missing.any()
    assert (metrics.dnl_lsb >= -1).all()
    np.testing.assert_array_equal(metrics.missing, metrics.dnl_lsb == -1)
    scan = bank_codes(bank, np.linspace(-1, 65, 100_001))
    for line in range(20):
        lost = np.setdiff1d(np.arange(1, 63), scan[:, line])
        np.testing.assert_array_equal(lost, metrics.code[:-1][metrics.missing[:, line]])


def test_gain_and_offset_of_the_lines_are_drawn_with_their_sigma_and_act_on_every_kind():
    n_line = 4000
    drawn = mismatch(adc_gain_sigma=0.02, adc_offset_sigma_lsb=0.7)
    for adc in WITH_CODES.values():
        bank = ConverterBank(adc, drawn, n_line, True)
        assert bank.gain_line.mean() == pytest.approx(1, abs=5 * 0.02 / np.sqrt(n_line))
        assert bank.gain_line.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * n_line))
        assert bank.offset_line_lsb.std() == pytest.approx(0.7, rel=5 / np.sqrt(2 * n_line))
        assert abs(np.corrcoef(bank.gain_line, bank.offset_line_lsb)[0, 1]) < 5 / np.sqrt(n_line)
        few = ConverterBank(adc, drawn, 50, True)
        edge = code_edges_coulomb(few, lowest_code=9, highest_code=11) / few.lsb_coulomb
        law = {"linear": 0.5}.get(adc.kind, 0.0)
        assert edge * few.gain_line + few.offset_line_lsb == relative(
            np.array([[10 - law], [11 - law]]) * np.ones(50), 1e-9
        )


@pytest.mark.parametrize("kind", ["linear", "ramp", "sar"])
def test_offset_of_the_design_and_of_the_line_add(kind):
    shifted = with_(WITH_CODES[kind], offset_lsb=3.0)
    drawn = mismatch(adc_offset_sigma_lsb=0.7)
    edges = [
        code_edges_coulomb(ConverterBank(adc, drawn, 5, True), lowest_code=9, highest_code=10)
        for adc in (WITH_CODES[kind], shifted)
    ]
    lsb = ConverterBank(shifted, None, 1, True).lsb_coulomb
    assert (edges[0] - edges[1]) / lsb == relative(np.full((1, 5), 3.0), 1e-9)


def test_a_chip_is_reproduced_by_its_seed_and_another_seed_is_another_chip():
    banks = [ConverterBank(SAR, mismatch(seed, **NOT_MATCHED), 6, True) for seed in (5, 5, 6)]
    for name in ("gain_line", "offset_line_lsb", "bit_weight_lsb"):
        first, again, other = (getattr(bank, name) for bank in banks)
        np.testing.assert_array_equal(first, again)
        assert not np.isclose(first, other, rtol=1e-9).any()


@pytest.mark.parametrize("alone", sorted(NOT_MATCHED))
def test_draws_do_not_move_when_others_are_switched_on_or_lines_added(alone):
    name = {"adc_gain_sigma": "gain_line", "adc_offset_sigma_lsb": "offset_line_lsb"}.get(alone, "bit_weight_lsb")
    single = getattr(ConverterBank(SAR, mismatch(**{alone: NOT_MATCHED[alone]}), 4, True), name)
    together = getattr(ConverterBank(SAR, mismatch(**NOT_MATCHED), 4, True), name)
    more_lines = getattr(ConverterBank(SAR, mismatch(**NOT_MATCHED), 9, True), name)
    np.testing.assert_array_equal(single, together)
    np.testing.assert_array_equal(single, more_lines[:4])


@pytest.mark.parametrize(("sigma", "what"), [("adc_gain_sigma", "gain"), ("adc_unit_capacitor_sigma", "a capacitor")])
def test_mismatch_that_leaves_no_converter_is_refused(sigma, what):
    with pytest.raises(InputError, match=rf"mismatch\.{sigma} .*{what}.*lower it"):
        ConverterBank(SAR, mismatch(**{sigma: 3.0}), 30, True)


def test_linear_oscillator_counts_charge_whatever_the_waveform(rng):
    bank = ConverterBank(CCO, mismatch(adc_gain_sigma=0.05, adc_offset_sigma_lsb=0.5), 3, True)
    assert bank.input == "charge"
    current, step = rng.normal(0, 1e-6, (40, 7, 3)), 3e-9
    cycles = (bank.rate_hertz(current) * step).sum(axis=0)
    np.testing.assert_array_equal(bank.codes_of_cycles(cycles), bank.codes((current * step).sum(axis=0)))


def test_bent_oscillator_halves_at_its_current_and_counts_a_constant_current():
    bank = ConverterBank(BENT, None, 1, True)
    assert bank.input == "current"
    assert bank.rate_hertz(np.array([[1e-6], [-1e-6]])) == relative(np.array([[0.5e9], [-0.5e9]]), 1e-12)
    cycles = bank.rate_hertz(np.array([[3e-6], [-3e-6]])) * 100.7e-9
    assert bank.codes_of_cycles(cycles)[:, 0].tolist() == [75, -75]
    with pytest.raises(InputError, match="integrate rate_hertz"):
        bank.codes(np.zeros(1))


@given(current=st.floats(1e-12, 1e3), rise=st.floats(1.001, 10))
def test_bent_oscillator_is_odd_rises_with_the_current_and_stays_below_its_limits(current, rise):
    bank = ConverterBank(BENT, None, 1, True)
    rates = bank.rate_hertz(np.array([[current], [current * rise], [-current]]))[:, 0]
    assert rates[2] == -rates[0]
    assert 0 < rates[0] < rates[1] or current > 1e2  # further up the difference is below float64's resolution
    assert rates[1] <= 1e15 * min(current * rise, 1e-6) * (1 + 1e-12)


def test_bent_oscillator_becomes_linear_as_its_half_current_grows(rng):
    current = rng.normal(0, 1e-6, (20, 2))
    nearly = ConverterBank(with_(CCO, i_half_ampere=1e5), None, 2, True)
    linear = ConverterBank(CCO, None, 2, True)
    assert nearly.rate_hertz(current) == relative(linear.rate_hertz(current), 1e-10)


def test_period_of_the_bent_oscillator_is_that_of_the_linear_one_and_a_constant_delay():
    current = np.array([[1e-9], [1e-7], [1e-5]])
    bent, linear = (ConverterBank(adc, None, 1, True).rate_hertz(current) for adc in (BENT, CCO))
    assert 1 / bent - 1 / linear == relative(np.full((3, 1), 1e-9), 1e-6)  # 1 / (k i_half)


def test_only_an_oscillator_has_cycles():
    for call in ("rate_hertz", "codes_of_cycles"):
        with pytest.raises(InputError, match="'sar' has no oscillator"):
            getattr(ConverterBank(SAR, None, 1, True), call)(np.zeros(1))


def test_metrics_of_a_perfect_converter_are_zero():
    for adc in (LINEAR, RAMP, SAR):
        for signed in (True, False):
            bank = ConverterBank(adc, mismatch(adc_gain_sigma=0.02, adc_offset_sigma_lsb=0.7), 3, signed)
            metrics = transfer_metrics(bank)
            for values in (metrics.inl_end_point_lsb, metrics.inl_best_fit_lsb, metrics.dnl_lsb):
                assert abs(values).max() < 1e-9
            assert not metrics.missing.any()
            assert metrics.step_coulomb * bank.gain_line == relative(np.full(3, bank.lsb_coulomb), 1e-9)


def test_end_point_inl_recovers_the_inl_that_was_put_in():
    """A law with no INL at its ends is found again, at the charge where each edge lies, with its sign."""
    knots = (0.0, 0.0, 1.5, -0.7, 0.0, 0.0)
    bank = ConverterBank(with_(LINEAR, inl_lsb=knots), None, 1, True)
    metrics = transfer_metrics(bank)
    put_in = np.interp(metrics.edge_coulomb[:, 0] / bank.lsb_coulomb, np.linspace(-127, 127, 6), knots)
    assert abs(put_in).max() > 1.4
    assert abs(metrics.inl_end_point_lsb[:, 0] - put_in).max() < 1e-9


def test_best_fit_inl_is_free_of_offset_and_slope_and_no_worse_in_the_mean():
    bank = ConverterBank(with_(RAMP, ramp_curvature=0.05), None, 1, False)
    metrics = transfer_metrics(bank)
    best, end = metrics.inl_best_fit_lsb[:, 0], metrics.inl_end_point_lsb[:, 0]
    assert abs(best.sum()) < 1e-9
    assert abs(best @ (metrics.edge_coulomb[:, 0] / bank.lsb_coulomb)) < 1e-7
    assert (best**2).sum() < (end**2).sum()
    assert end.min() == relative(-0.05 * 64 * (31 / 32) ** 2, 1e-9)  # from edge 1 to edge 63
    assert np.ptp(best) == pytest.approx(0.05 * 64, rel=0.05)


def test_dnl_sums_to_the_end_point_inl_with_the_opposite_sign(rng):
    metrics = transfer_metrics(ConverterBank(SAR, mismatch(**NOT_MATCHED), 5, True))
    assert abs(metrics.dnl_lsb).max() > 0.1
    assert abs(np.cumsum(metrics.dnl_lsb, axis=0) + metrics.inl_end_point_lsb[1:]).max() < 1e-9


def test_metrics_show_the_wide_zero_of_a_counter_that_truncates():
    metrics = transfer_metrics(ConverterBank(with_(CCO, phase_cycle=0.25), None, 1, True))
    dnl = metrics.dnl_lsb[:, 0] - metrics.dnl_lsb[0, 0]
    assert dnl[metrics.code[:-1] == 0] == pytest.approx(0.5, rel=0.02)
    assert abs(dnl[metrics.code[:-1] != 0]).max() < 1e-9


def test_metrics_of_a_bent_oscillator_are_those_of_its_law_under_constant_current():
    bank = ConverterBank(BENT, None, 1, False)
    window = 200e-9
    edge = code_edges_coulomb(bank, highest_code=90, t_window_second=window)[:, 0]
    rate = np.arange(1, 91) / window
    assert edge == relative(rate / (1e15 - rate / 1e-6) * window, 1e-9)
    with pytest.raises(InputError, match="t_window_second"):
        transfer_metrics(bank)
    with pytest.raises(InputError, match="no charge takes all lines from code 0 to 100"):
        transfer_metrics(bank, t_window_second=100e-9)


@pytest.mark.parametrize(
    ("adc", "limits", "message"),
    [
        (IdealAdc(kind="ideal"), {}, "no codes"),
        (SAR, {"lowest_code": 5, "highest_code": 5}, "must rise"),
        (SAR, {"highest_code": 64}, "0 to 63"),
        (SAR, {"highest_code": 2}, "at least 3 code edges"),
        (with_(CCO, count_max=2**21), {}, "too many"),
    ],
)
def test_metrics_refuse_what_they_cannot_measure(adc, limits, message):
    with pytest.raises(InputError, match=message):
        transfer_metrics(ConverterBank(adc, None, 1, False), **limits)


@pytest.mark.parametrize(
    ("adc", "values", "message"),
    [
        (LINEAR, {"inl_lsb": (1.0,)}, "at both ends"),
        (LINEAR, {"inl_lsb": (0.0, -254.0)}, "code would fall"),
        (LINEAR, {"inl_lsb": (0.0, float("nan"))}, "finite"),
        (LINEAR, {"inl_lsb": (0.0, "1")}, "valid number"),
        (CCO, {"phase_cycle": 1.0}, "less than 1"),
        (CCO, {"i_half_ampere": 0.0}, "greater than or equal"),
        (RAMP, {"ramp_curvature": 0.25}, "less than 0.25"),
        (RAMP, {"adc_bits": 17}, "less than or equal to 16"),
        (SAR, {"gain": 1.0}, "Extra inputs"),
    ],
)
def test_sections_refuse_what_has_no_sense(adc, values, message):
    with pytest.raises(ValidationError, match=message):
        with_(adc, **values)


@pytest.mark.parametrize("adc", [*WITH_CODES.values(), BENT, IdealAdc(kind="ideal")], ids=lambda adc: adc.kind)
def test_sections_have_no_hidden_numbers_and_survive_json(adc):
    union = TypeAdapter(AdcConfig)
    assert union.validate_python(adc.model_dump(mode="json")) == adc
    assert {name for name, field in type(adc).model_fields.items() if not field.is_required()} <= {
        "i_half_ampere",
        *LINE_KEYS,
    }
