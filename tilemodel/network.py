"""A programmed tile of any kind, solved event by event by relaxation. Derivation: docs/network.md."""

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.cell import SinhDevice, SubcktDevice
from tilemodel.config.errors import InputError
from tilemodel.config.layout import CellLayout, lines_read_north
from tilemodel.config.mismatch import ChipDraw
from tilemodel.config.passes import Pass
from tilemodel.config.tile import TileConfig
from tilemodel.ends import end_resistance_ohm
from tilemodel.parameters import AccessLaw, AnyParameters, DrivenParameters
from tilemodel.programmed import LineCharges, LineCurrents
from tilemodel.solvers.ladder import transfer_to_clamp
from tilemodel.solvers.relaxation import Network, Pulses, Solution, solve_network

__all__ = ["NetworkTile"]

FloatArray = NDArray[np.float64]


class NetworkTile:
    """Cells and wires as the relaxation wants them."""

    def __init__(self, tile: TileConfig, cells: CellLayout, chip: ChipDraw, parameters: AnyParameters) -> None:
        self._tile, self._sign = tile, cells.charge_sign
        laws = _access_laws(parameters, len(cells.rest_volt))
        g, wires = cells.g_siemens, tile.wires_in_use
        driven = parameters if isinstance(parameters, DrivenParameters) else None
        v_sinh, asymmetry = _device_law(tile, driven)
        clamp = tile.read_out.v_clamp_volt if driven is None else driven.v_clamp_volt
        swing = np.array(cells.swing_volt)
        self._network = Network(
            g=np.ascontiguousarray(g if driven is None else g * driven.g_factor),
            r_access=np.stack([law.r_ohm * chip.access_resistance_factor for law in laws]),
            r_access_slope=np.array([law.slope_ohm_per_ampere for law in laws]),
            pulse_charge=np.stack(
                [
                    law.q0_coulomb + law.q1_coulomb_per_siemens * g_rail + law.q2_coulomb_per_siemens2 * g_rail**2
                    for law, g_rail in zip(laws, g, strict=True)
                ]
            ),
            c_pulse=np.array([law.c_farad for law in laws]),
            v_sinh=v_sinh,
            polarity_asymmetry=asymmetry,
            gate_sign=np.array(cells.gate_sign, dtype=np.int64),
            rest_volt=np.array(cells.rest_volt) - clamp,
            swing_volt=swing if driven is None else swing * (driven.v_read_volt / tile.v_read_volt),
            clamp_volt=chip.clamp_offset_volt,
            north=lines_read_north(tile),
            r_bit=parameters.r_bit_line_ohm,
            r_end=end_resistance_ohm(tile),
            r_row=wires.r_row_ohm if driven is None else driven.r_row_ohm,
            r_driver=wires.r_driver_ohm,
            west=wires.row_driven_end in ("west", "both"),
            east=wires.row_driven_end in ("east", "both"),
            c_bit=wires.c_bit_line_farad,
            c_row=wires.c_row_farad,
        )

    def charges(self, drive: Pass) -> LineCharges:
        """Charge of every bit line over the window of a pass."""
        solution = self._solve(drive, waveforms=False)
        return LineCharges(charge_coulomb=self._sign * solution.charge, error_bound_coulomb=solution.error_bound)

    def currents(self, drive: Pass) -> LineCurrents:
        """Currents tick by tick."""
        solution = self._solve(drive, waveforms=True)
        return LineCurrents(
            current_ampere=self._sign * solution.current,
            conductance_siemens=solution.conductance,
            released_coulomb=self._sign * solution.released,
            capacitance_farad=self._capacitance_farad(),
            is_linear=self._is_linear,
            error_bound_coulomb=solution.error_bound,
        )

    def _capacitance_farad(self) -> FloatArray:
        """Of the lines at rest, [n_line]: sum of c t^2, t the transfer to the clamp; gated cells are off then."""
        network = self._network
        kink = 1.0 - network.polarity_asymmetry * (network.rest_volt[:, np.newaxis] < network.clamp_volt)
        connected = (network.gate_sign == 0)[:, np.newaxis] * kink
        g: FloatArray = np.einsum("kl,kil->il", connected, network.g)
        ordered = np.where(network.north, g[::-1], g)
        transfer, _ = transfer_to_clamp(ordered, network.r_bit, network.r_end)
        capacitance: FloatArray = network.c_bit * (transfer**2).sum(axis=0)
        return capacitance

    @property
    def _is_linear(self) -> bool:
        network = self._network
        return network.v_sinh == 0 and network.polarity_asymmetry == 0 and not network.r_access_slope.any()

    def rest_current_ampere(self) -> FloatArray:
        """Currents without a pulse, [n_line]."""
        n_row = self._network.g.shape[1]
        none = Pass(area=np.zeros((1, n_row), dtype=np.int64), amplitude_coded=False, factor=1, n_tick_max=0)
        current: FloatArray = self.currents(none).current_ampere[0, 0]
        return current

    def _solve(self, drive: Pass, *, waveforms: bool) -> Solution:
        timing = self._tile.drive
        pulses = Pulses(
            n_tick=np.ascontiguousarray(drive.n_tick),
            height=np.ascontiguousarray(drive.height),
            n_tick_max=drive.n_tick_max,
            t_lsb=timing.t_lsb_second,
            t_edge=timing.t_edge_second,
            t_start=timing.t_start_second,
            t_window=self._tile.t_window_second(drive.n_tick_max),
        )
        try:
            return solve_network(self._network, pulses, waveforms=waveforms)
        except FloatingPointError as error:
            raise InputError(
                f"tile {self._tile.name}: {error}; look for a parameter that is out of all proportion"
            ) from None


def _device_law(tile: TileConfig, driven: DrivenParameters | None) -> tuple[float, float]:
    """Voltage of the sinh law (0: linear) and polarity asymmetry: fitted ones, or the tile's."""
    device = tile.cell.device
    if driven is not None:
        curvature = driven.device_curvature_per_volt2
        return (curvature**-0.5 if curvature > 0 else 0.0), driven.polarity_asymmetry
    assert not isinstance(device, SubcktDevice)  # of cells without access device only
    return device.v_sinh_volt if isinstance(device, SinhDevice) else 0.0, device.polarity_asymmetry


def _access_laws(parameters: AnyParameters, n_rail: int) -> tuple[AccessLaw, ...]:
    if not isinstance(parameters, DrivenParameters):
        return parameters.access_laws()
    none = AccessLaw(
        r_ohm=0.0,
        slope_ohm_per_ampere=0.0,
        q0_coulomb=0.0,
        q1_coulomb_per_siemens=0.0,
        q2_coulomb_per_siemens2=0.0,
        c_farad=0.0,
    )
    return (none,) * n_rail
