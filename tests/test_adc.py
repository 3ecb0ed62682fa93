"""Converters."""

import numpy as np

from tests.tolerances import relative
from tilemodel.adc import lsb_coulomb, quantize
from tilemodel.config.tile import CcoAdc, IdealAdc, LinearAdc

LINEAR = LinearAdc(kind="linear", adc_bits=8, charge_full_scale_coulomb=127e-15, gain=1.0, offset_lsb=0.0)
CCO = CcoAdc(kind="cco", f_hertz_per_ampere=1e15, count_max=100)


def codes(adc, charge_lsb, *, signed=True):
    return quantize(adc, np.array(charge_lsb) * 1e-15, signed=signed).tolist()


def test_linear_rounds_to_nearest_and_saturates():
    assert codes(LINEAR, [0.49, 0.51, -0.51, 126.6, 500, -500]) == [0, 1, -1, 127, 127, -127]


def test_unsigned_linear_spans_its_full_scale_with_all_codes():
    lsb = lsb_coulomb(LINEAR, signed=False)
    assert lsb == relative(127e-15 / 255, 1e-12)
    assert quantize(LINEAR, np.array([-lsb, 127e-15, 2 * 127e-15]), signed=False).tolist() == [0, 255, 255]


def test_linear_gain_and_offset_act_in_lsb():
    adc = LINEAR.model_copy(update={"gain": 1.1, "offset_lsb": 2.0})
    assert codes(adc, [0, 10, 100]) == [2, 13, 112]


def test_cco_truncates_toward_zero_and_saturates():
    assert codes(CCO, [0.99, 1.01, -0.99, -1.01, 99.5, 1e6, -1e6]) == [0, 1, 0, -1, 99, 100, -100]
    assert codes(CCO, [-5.0], signed=False) == [0]


def test_no_converter_no_codes():
    assert quantize(IdealAdc(kind="ideal"), np.zeros(3), signed=True) is None
