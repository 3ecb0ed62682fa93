"""What circuit exports share of a tile's bit lines: values, limits, and what the lines leave out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.layout import cell_layout, lines_read_north
from tilemodel.config.mismatch import draw_chip
from tilemodel.config.read_out import IdealClamp, ResistiveClamp
from tilemodel.ends import end_resistance_ohm
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Loss
from tilemodel.linear import LinearTile
from tilemodel.model import TileModel
from tilemodel.parameters import DrivenParameters, GatedParameters
from tilemodel.solvers.ladder import transfer_to_clamp

__all__ = [
    "NortonLine",
    "check_line_ends",
    "clamp_volt",
    "delay_second",
    "gated_cells",
    "line_losses",
    "norton_lines",
    "predict_lines",
    "rows_resist",
]

FloatArray = NDArray[np.float64]


def check_line_ends(probe: Probe, target: str) -> None:
    """Raise `InputError` for read-outs and offsets that lines without a common row cannot have."""
    read_out = probe.tile.read_out
    if read_out.window == "cut" or not isinstance(read_out.circuit, IdealClamp | ResistiveClamp):
        raise InputError(
            f"tile {probe.tile.name} [read_out]: the {target} export ends lines at ideal or resistive clamps that take "
            f"the whole tail, got window = {read_out.window!r} and circuit kind = {read_out.circuit.kind!r}; "
            "take window = 'settled' and such a clamp"
        )
    if rows_resist(probe) and np.any(draw_chip(probe.tile).clamp_offset_volt):
        raise InputError(
            f"tile {probe.tile.name} [mismatch]: the exported lines share no rows, so clamp offsets cannot act "
            "through rows with resistance; export without clamp offsets or with ideal rows"
        )


def clamp_volt(probe: Probe) -> float:
    """Where the lines are held; that of gated tiles is their read voltage."""
    parameters = probe.model.parameters
    return parameters.v_clamp_volt if isinstance(parameters, DrivenParameters) else probe.tile.v_read_volt


def gated_cells(probe: Probe) -> tuple[FloatArray, float]:
    """Conductance of memory and access in series at no current [n_row, n_line], and the access's slope [ohm/ampere]."""
    parameters = probe.model.parameters
    assert isinstance(parameters, GatedParameters)
    memory = cell_layout(probe.tile, probe.conductances).g_siemens[0]
    access = parameters.r_access_ohm * draw_chip(probe.tile).access_resistance_factor
    return memory / (1 + memory * access), parameters.r_access_slope_ohm_per_ampere


@dataclass(frozen=True, kw_only=True)
class NortonLine:
    """What a linear tile's bit line is at its clamp: a source behind one pole, and a conductance to the rows' rest."""

    unit_ampere: float
    """Of the row that counts most, at full height; 1 of a line without cells."""
    weights: list[float]
    """Of each row, of `unit_ampere`."""
    delay_second: float
    conductance_siemens: float
    rest_volt: float


def norton_lines(probe: Probe) -> Iterator[NortonLine]:
    """The lines of a linear tile."""
    tile, parameters = probe.tile, probe.model.parameters
    assert isinstance(parameters, DrivenParameters)
    cells = cell_layout(tile, probe.conductances)
    linear = LinearTile(tile, cells, draw_chip(tile), parameters)
    conductance = linear.conductance_siemens.sum(axis=1)
    delay = delay_second(probe, cells.g_siemens.sum(axis=0) * parameters.g_factor)
    for line, ampere in enumerate(linear.w_eff_ampere.T):
        unit = float(np.abs(ampere).max()) or 1.0
        yield NortonLine(
            unit_ampere=unit,
            weights=(ampere / unit).tolist(),
            delay_second=float(delay[line]),
            conductance_siemens=float(conductance[line]),
            rest_volt=float(cells.rest_volt[0]),
        )


def rows_resist(probe: Probe) -> bool:
    """Whether rows share a resistance, through which lines are coupled."""
    parameters, wires = probe.model.parameters, probe.tile.wires_in_use
    return isinstance(parameters, DrivenParameters) and (parameters.r_row_ohm > 0 or wires.r_driver_ohm > 0)


def delay_second(probe: Probe, g: FloatArray) -> FloatArray:
    """First moment of the clamp current's step response, [n_line], with all rows stepping together on ideal rows."""
    tile, n_row = probe.tile, len(g)
    r, r_end = probe.model.parameters.r_bit_line_ohm, end_resistance_ohm(tile)
    c = tile.wires_in_use.c_bit_line_farad
    g = np.where(lines_read_north(tile), g[::-1], g)
    transfer, _ = transfer_to_clamp(g, r, r_end)
    if r == 0:
        resistance = r_end / (1 + r_end * g.sum(axis=0))
        return np.asarray(n_row * c * resistance)
    matrix = np.zeros((n_row, n_row))
    inner = np.arange(n_row - 1)
    matrix[inner, inner + 1] = matrix[inner + 1, inner] = -1 / r
    # By reciprocity: nodes store C w, of which the network hands on G^-1
    delays = np.empty(g.shape[1])
    for line in range(g.shape[1]):
        diagonal = g[:, line] + np.r_[1 / r, np.full(n_row - 1, 2 / r)]
        diagonal[-1] = g[-1, line] + (1 / r if n_row > 1 else 0.0) + 1 / (r + r_end)
        stored = np.linalg.solve(matrix + np.diag(diagonal), c * transfer[:, line])
        delays[line] = stored @ g[:, line] / (transfer[:, line] @ g[:, line])
    return delays


def _settling_loss(probe: Probe) -> Iterator[Loss]:
    """What one pole leaves out of a linear line's settling."""
    farad = probe.tile.wires_in_use.c_bit_line_farad
    if isinstance(probe.model.parameters, DrivenParameters) and farad > 0:
        yield Loss(
            quantity="settling of a line",
            value=f"c_bit_line = {farad:g} F a segment",
            done="one pole with the ladder's mean delay on ideal rows; settled charges, all a probe sees, are exact",
            errors=None,
        )


def _quiet_pulses(probe: Probe) -> GatedParameters | None:
    """The parameters without charge at pulse ends; None where there is none."""
    parameters = probe.model.parameters
    if not isinstance(parameters, GatedParameters):
        return None
    names = [name for name in type(parameters).model_fields if name.startswith(("q_pulse", "c_pulse"))]
    if not any(getattr(parameters, name) for name in names):
        return None
    return parameters.model_copy(update=dict.fromkeys(names, 0.0))


def line_losses(probe: Probe) -> Iterator[Loss]:
    """What the lines themselves leave out."""
    yield from _settling_loss(probe)
    bare = _quiet_pulses(probe)
    if bare is not None:
        yield Loss(
            quantity="charge at pulse ends",
            value="q_pulse, c_pulse of the access devices",
            done="left out: its cells conduct in proportion to their row's input",
            errors=probe.errors_without(probe.tile, bare),
        )


def predict_lines(probe: Probe) -> FloatArray:
    """Charges [coulomb], [n_vec, n_col], of the exported lines."""
    bare = _quiet_pulses(probe)
    if bare is None:
        return probe.charge_coulomb
    charge: FloatArray = TileModel(probe.tile, probe.conductances, bare).mvm(probe.ticks).charge_coulomb
    return charge
