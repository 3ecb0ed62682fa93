"""The circuit that CrossSim solves for a tile, and what it computes from it before its converter."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.cell import LinearDevice, RailPairCell
from tilemodel.config.read_out import IdealClamp
from tilemodel.ends import end_resistance_ohm
from tilemodel.exports.bare import one_pair, pair_gain
from tilemodel.exports.crosssim_converter import clamp_offset_volt
from tilemodel.exports.probe import Probe
from tilemodel.model import TileModel
from tilemodel.variants import with_tables

__all__ = ["coulomb_per_current", "is_pair", "parasitics", "predict"]

FloatArray = NDArray[np.float64]


def is_pair(probe: Probe) -> bool:
    """Whether both cells of a weight hang on one bit line."""
    return probe.tile.cell.kind in ("rail_pair", "rail_quad")


def parasitics(probe: Probe) -> dict[str, Any]:
    """Values of `xbar.array.parasitics`; it leaves out what ends a line without wires."""
    wires, parameters = probe.tile.wires_in_use, probe.model.parameters
    pair = is_pair(probe)
    r_row = getattr(parameters, "r_row_ohm", wires.r_row_ohm)
    values = {"Rp_col": parameters.r_bit_line_ohm, "Rp_row": 0.0 if pair else r_row}
    enable = any(value > 0 for value in values.values())
    values |= {"Rp_row_terminal": 0.0, "Rp_col_terminal": end_resistance_ohm(probe.tile) if enable else 0.0}
    return {"enable": enable, **values}


def coulomb_per_current(probe: Probe) -> float:
    """What its current, in units of G_max at full input, is as a charge."""
    tile = probe.tile
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0)
    longest = tile.drive.n_tick_max * tile.drive.t_lsb_second
    return float(ratio * pair_gain(tile) * tile.conductance.g_max_siemens * tile.v_read_volt * longest)


def predict(probe: Probe) -> FloatArray:
    """Charges [coulomb], [n_vec, n_col], before its converter."""
    return _pair_charge(probe) if is_pair(probe) else _two_arrays_charge(probe)


def _pair_charge(probe: Probe) -> FloatArray:
    """Of resistors on ideal rows, all columns read at the last row; the clamps' offset is added by `TileADC`."""
    tile, values = probe.tile, parasitics(probe)
    none = dict.fromkeys(("r_row_ohm", "r_driver_ohm", "c_bit_line_farad", "c_row_farad"), 0.0)
    wires = tile.wires.model_copy(
        update={
            **none,
            "r_bit_line_ohm": values["Rp_col"],
            "r_terminal_ohm": values["Rp_col_terminal"],
            "temperature_coefficient_per_kelvin": 0.0,
        }
    )
    device = LinearDevice(kind="linear", polarity_asymmetry=0.0)
    cell = RailPairCell(kind="rail_pair", v_common_volt=0.0, v_read_volt=tile.v_read_volt, device=device)
    clamp = {"v_clamp_volt": clamp_offset_volt(probe), "circuit": IdealClamp(kind="ideal"), "window": "settled"}
    near = with_tables(
        tile,
        array=tile.array.model_copy(update={"read_out_end": "south"}),
        wires=wires,
        cell=cell,
        read_out=tile.read_out.model_copy(update=clamp),
        conditions=tile.conditions.model_copy(update={"wire_resistance_factor": 1.0, "supply_factor": 1.0}),
        mismatch=None,
        noise=None,
    )
    charge: FloatArray = TileModel(near, one_pair(probe.conductances)).mvm(probe.ticks).charge_coulomb
    return charge * float(getattr(tile.read_out.circuit, "ratio", 1.0)) * pair_gain(tile)


def _two_arrays_charge(probe: Probe) -> FloatArray:
    """Of G+ and G- in arrays of their own, subtracted."""
    from tilemodel.solvers.mesh import mesh_transfer

    values, given = parasitics(probe), probe.conductances
    tile = probe.tile
    transfers = [
        mesh_transfer(
            g[np.newaxis],
            r_bit_ohm=values["Rp_col"],
            r_end_ohm=values["Rp_col_terminal"],
            r_row_ohm=values["Rp_row"],
            r_driver_ohm=0.0,
            driven_end="west",
            north=np.zeros(tile.array.n_col, dtype=bool),
        )[0][0]
        for g in (given.g_plus, given.g_minus)
    ]
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0)
    unit = ratio * tile.v_read_volt * tile.drive.t_lsb_second
    charge: FloatArray = probe.ticks.astype(np.float64) @ (transfers[0] - transfers[1]) * unit
    return charge
