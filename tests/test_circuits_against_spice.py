"""Every circuit of examples/circuits that needs no calibration, in ngspice; and the solvers against each other."""

from pathlib import Path

import numpy as np
import pytest

from calibration.reference import reference_error_coulomb, reference_output
from spice_netlists.batch import simulate
from spice_netlists.cells import own_cell_sha256
from tests.tolerances import CYCLE, NEWTON, REFERENCE_FLOOR, SPICE_LINEAR
from tilemodel.config.cell import Sky130NfetAccess
from tilemodel.config.layout import cell_layout
from tilemodel.config.load import load_tile, tile_from_mapping
from tilemodel.config.mismatch import draw_chip
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.config.passes import tile_passes
from tilemodel.config.read_out import IdealClamp, IntegratorReadOut, MirrorReadOut, ResistiveClamp
from tilemodel.conversion import converter_bank
from tilemodel.gated_1t1r import GatedTile
from tilemodel.linear import LinearTile
from tilemodel.model import TileModel, ideal_charge
from tilemodel.network import NetworkTile
from tilemodel.parameters import GatedParameters, parameters_from_tile

FOLDER = Path(__file__).parent.parent / "examples" / "circuits"
CLAMPS = IdealClamp | ResistiveClamp | MirrorReadOut | IntegratorReadOut


def needs_calibration(tile):
    own_circuit = own_cell_sha256(tile) is not None
    transistors = isinstance(getattr(tile.cell, "access", None), Sky130NfetAccess)
    return own_circuit or transistors or not isinstance(tile.read_out.circuit, CLAMPS)


def small(tile):
    array = tile.array.model_copy(update={"n_row": min(tile.array.n_row, 16), "n_col": 3})
    return tile.model_copy(update={"array": array})


CIRCUITS = {path.stem: small(load_tile(path)) for path in sorted(FOLDER.glob("*.toml"))}
UNCALIBRATED = {name: tile for name, tile in CIRCUITS.items() if not needs_calibration(tile)}


def operands(tile, rng, n_vec=2):
    return conductances_from_weights(tile, random_weights(tile, rng)), random_ticks(tile, rng, n_vec)


def test_nothing_but_the_calibrated_circuits_is_left_out():
    assert set(CIRCUITS) - set(UNCALIBRATED) == {
        "cell_2t1r_sky130",
        "cell_subckt",
        "conditions_sky130_slow",
        "device_subckt",
        "read_out_sky130",
    }


@pytest.mark.spice
@pytest.mark.parametrize("name", UNCALIBRATED)
def test_the_circuit_is_predicted_within_its_spec_and_its_bound(name, rng):
    tile = UNCALIBRATED[name]
    c, ticks = operands(tile, rng)
    reference, fast = reference_output(tile, c, ticks), TileModel(tile, c).mvm(ticks)
    ideal = ideal_charge(tile, c, ticks)
    full_scale = np.abs(ideal).max()
    error = np.abs(fast.charge_coulomb - reference.charge_coulomb)

    spec = tile.spec.max_error_percent_full_scale / 100 * full_scale
    assert error.max() < spec
    assert np.abs(ideal - reference.charge_coulomb).max() > 10 * spec  # the spec would mean little otherwise
    assert np.abs(fast.code - reference.code).max() <= tile.spec.max_code_difference_lsb
    assert 100 * np.mean(fast.code == reference.code) >= tile.spec.min_code_match_percent

    moved = reference_error_coulomb(tile, c, ticks, reference.charge_line_coulomb)
    own = np.abs(moved).reshape(*error.shape, -1).sum(axis=2) + REFERENCE_FLOOR * full_scale
    assert np.all(error <= fast.error_bound_coulomb + 3 * own), error / full_scale


INTEGRATOR = "clamp_integrator"
AWKWARD = {
    "op-amps at their swing": (INTEGRATOR, {"read_out": {"circuit": {"swing_volt": 0.03}}}),
    "slow op-amps at their swing": (
        INTEGRATOR,
        {"read_out": {"circuit": {"swing_volt": 0.03, "unity_gain_hertz": 1e9}}},
    ),
    "an integrator's capacitor against the line's": (
        INTEGRATOR,
        {
            "read_out": {"circuit": {"open_loop_gain": 100.0, "c_integration_farad": 2e-12}},
            "wires": {"c_bit_line_farad": 4e-15},
        },
    ),
    "an integrator behind bent cells": (
        INTEGRATOR,
        {
            "cell": {"device": {"kind": "sinh", "v_sinh_volt": 0.43, "polarity_asymmetry": 0.05}},
            "drive": {"t_edge_second": 5e-10},
        },
    ),
    "edges across a kink": (
        "device_polarity",
        {"read_out": {"v_clamp_volt": 0.38}, "drive": {"t_edge_second": 5e-10}},
    ),
    "sinh edges from afar": ("device_sinh", {"read_out": {"v_clamp_volt": 0.35}, "drive": {"t_edge_second": 5e-10}}),
}


def merged(values, changes):
    return {
        key: merged(values.get(key, {}), item) if isinstance(item, dict) else item for key, item in changes.items()
    } | {key: item for key, item in values.items() if key not in changes}


@pytest.mark.spice
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_circuits_stay_within_the_bound(name, rng):
    """What a first guess at the circuit leaves out: 0.0005 to 80 % of full scale when it was."""
    base, changes = AWKWARD[name]
    finer = {"simulator": {"reltol": 1e-8, "max_step_per_lsb": 0.05}}
    plain = CIRCUITS[base].model_dump(mode="python", exclude={"sources"})
    tile = tile_from_mapping(merged(merged(plain, changes), finer))
    c, ticks = operands(tile, rng)
    reference, fast = reference_output(tile, c, ticks), TileModel(tile, c).mvm(ticks)
    full_scale = np.abs(ideal_charge(tile, c, ticks)).max()
    error = np.abs(fast.charge_coulomb - reference.charge_coulomb)
    moved = np.abs(reference_error_coulomb(tile, c, ticks, reference.charge_line_coulomb))
    assert fast.n_saturated == reference.n_saturated
    assert np.all(error <= fast.error_bound_coulomb + 3 * moved + REFERENCE_FLOOR * full_scale), error / full_scale
    if "swing" in name:
        assert fast.n_saturated > 0


@pytest.mark.spice
def test_the_mirrors_capacitor_keeps_what_its_reset_leaves(rng):
    """The current at rest through 1 kohm: 0.02 % of full scale."""
    tile = UNCALIBRATED["clamp_mirror"]
    circuit = tile.read_out.circuit.model_copy(update={"r_reset_ohm": 1000.0})
    tile = tile.model_copy(update={"read_out": tile.read_out.model_copy(update={"circuit": circuit})})
    c, ticks = operands(tile, rng)
    error = TileModel(tile, c).mvm(ticks).charge_coulomb - reference_output(tile, c, ticks).charge_coulomb
    assert np.abs(error).max() < SPICE_LINEAR * np.abs(ideal_charge(tile, c, ticks)).max()


@pytest.mark.spice
def test_oscillators_count_what_edges_release(rng):
    """Bent cells with long edges before compressing oscillators: a quarter of a cycle of 70 when it is left out."""
    changes = {
        "cell": {"device": {"kind": "sinh", "v_sinh_volt": 0.1, "polarity_asymmetry": 0.0}},
        "drive": {"t_edge_second": 8e-10},
        "simulator": {"reltol": 1e-8, "max_step_per_lsb": 0.01},
        "mismatch": None,
    }
    plain = CIRCUITS["adc_cco_compressing"].model_dump(mode="python", exclude={"sources"})
    tile = tile_from_mapping(merged(plain, changes))
    c, ticks = operands(tile, rng, 1)
    bank = converter_bank(tile)
    simulated = simulate(tile, c, ticks, rate=lambda current, _: bank.rate_hertz(current)).passes[0].cycle_line
    error = TileModel(tile, c).passes(ticks)[0].cycle_line - simulated
    assert np.abs(error).max() < CYCLE * np.abs(simulated).max()


def solved(kind, tile, c, parameters, ticks):
    """Charges and their bounds, pass by pass, and currents, of the programmed tile `kind`."""
    programmed = kind(tile, cell_layout(tile, c), draw_chip(tile), parameters)
    drives = tile_passes(tile, ticks)
    return programmed, [programmed.charges(drive) for drive in drives], [programmed.currents(drive) for drive in drives]


SPECIAL = {
    name: (GatedTile if TileModel(tile, operands(tile, np.random.default_rng(0))[0]).solver == "gated" else LinearTile)
    for name, tile in UNCALIBRATED.items()
    if tile.read_out.window == "settled"
    and TileModel(tile, operands(tile, np.random.default_rng(0))[0]).solver != "network"
}


@pytest.mark.parametrize("name", SPECIAL)
def test_the_network_of_a_tile_agrees_with_its_special_solver(name, rng):
    tile = UNCALIBRATED[name]
    c, ticks = operands(tile, rng)
    parameters = parameters_from_tile(tile)
    special, charges, currents = solved(SPECIAL[name], tile, c, parameters, ticks)
    network, expected, all_currents = solved(NetworkTile, tile, c, parameters, ticks)
    largest = max(np.abs(item.charge_coulomb).max() for item in expected)
    for one, other in zip(charges, expected, strict=True):
        np.testing.assert_allclose(one.charge_coulomb, other.charge_coulomb, rtol=0, atol=NEWTON * largest)
        error = np.abs(one.charge_coulomb - other.charge_coulomb)
        assert np.all(error <= one.error_bound_coulomb + other.error_bound_coulomb)
    for one, other in zip(currents, all_currents, strict=True):
        scale = np.abs(other.current_ampere).max()
        np.testing.assert_allclose(one.current_ampere, other.current_ampere, rtol=0, atol=NEWTON * scale)
        if tile.wires.r_row_ohm == tile.wires.r_driver_ohm == 0:
            scale = other.conductance_siemens.max()
            np.testing.assert_allclose(one.conductance_siemens, other.conductance_siemens, rtol=0, atol=NEWTON * scale)
    rest = network.rest_current_ampere()
    np.testing.assert_allclose(special.rest_current_ampere(), rest, rtol=0, atol=NEWTON * scale)


def test_both_special_solvers_are_held_against_the_network():
    assert set(SPECIAL.values()) == {GatedTile, LinearTile}


@pytest.mark.parametrize("r_bit_line", [0.33, 60.0])
def test_the_bound_of_bent_access_devices_covers_what_their_first_order_leaves(r_bit_line, rng):
    """`GatedTile` takes the curvature to first order, `NetworkTile` as it is."""
    tile = UNCALIBRATED["read_north"]
    c, ticks = operands(tile, rng)
    bent = GatedParameters.of_switch(r_bit_line_ohm=r_bit_line, r_access_ohm=900.0)
    bent = bent.model_copy(
        update={"r_access_slope_ohm_per_ampere": 2e7, "q_pulse_coulomb": 1e-16, "c_pulse_farad": 1e-15}
    )
    _, charges, _ = solved(GatedTile, tile, c, bent, ticks)
    _, expected, _ = solved(NetworkTile, tile, c, bent, ticks)
    error = np.abs(charges[0].charge_coulomb - expected[0].charge_coulomb)
    assert np.all(error <= charges[0].error_bound_coulomb)
    assert error.max() > 1e-3 * charges[0].error_bound_coulomb.max()
