"""SPICE as the reference: a tile's outputs from ngspice, and how wrong the reference itself is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spice_netlists.batch import Progress, Rate, simulate
from spice_netlists.cells import CellCircuit, own_cell_sha256
from spice_netlists.process import StopSignal
from spice_netlists.runs import Runner
from tilemodel.config.operands import Conductances, ticks_sha256
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import converter_bank
from tilemodel.output import TileOutput, tile_output

__all__ = ["reference_error_coulomb", "reference_output", "timed_reference"]


def reference_output(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    cell: CellCircuit | None = None,
    processes: int | None = None,
    runner: Runner | None = None,
    on_done: Progress | None = None,
    stop: StopSignal | None = None,
) -> TileOutput:
    """Simulate `ticks` [n_vec, n_row] and pass the charges through the tile's converters.

    Arguments and errors as `spice_netlists.simulate`.
    """
    return timed_reference(
        tile,
        conductances,
        ticks,
        cell=cell,
        processes=processes,
        runner=runner,
        on_done=on_done,
        stop=stop,
    )[0]


def timed_reference(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    cell: CellCircuit | None = None,
    processes: int | None = None,
    runner: Runner | None = None,
    on_done: Progress | None = None,
    stop: StopSignal | None = None,
) -> tuple[TileOutput, float]:
    """As `reference_output`, and the time of all runs one after another [second], each when it was computed."""
    result = simulate(
        tile,
        conductances,
        ticks,
        cell=cell,
        rate=_rate(tile),
        processes=processes,
        runner=runner,
        on_done=on_done,
        stop=stop,
    )
    provenance = {
        "engine": result.engine,
        "simulator": tile.simulator.model_dump(mode="json"),
        "conductances_sha256": conductances.sha256(),
        "ticks_sha256": ticks_sha256(ticks),
        "cell_sha256": own_cell_sha256(tile, cell),
        "deck_sha256": list(result.deck_sha256),
        "run_key": list(result.run_key),
        "n_attempt": list(result.n_attempt),
        "convergence_help": list(result.convergence_help),
        "residual_current_fraction": result.residual_current_fraction,
    }
    return tile_output(tile, result.passes, provenance), sum(result.wall_second)


def reference_error_coulomb(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    charge_line_coulomb: NDArray[np.float64],
    *,
    cell: CellCircuit | None = None,
    processes: int | None = None,
    runner: Runner | None = None,
    on_done: Progress | None = None,
) -> NDArray[np.float64]:
    """Change of the line charges [coulomb], [n_vec, n_line], when the simulator's tolerances and step are halved.

    `charge_line_coulomb` is what the tile's own settings gave for the same `ticks`.
    """
    refined = simulate(
        tile,
        conductances,
        ticks,
        cell=cell,
        simulator=tile.simulator.refined(),
        processes=processes,
        runner=runner,
        on_done=on_done,
    )
    return refined.charge_line_coulomb - charge_line_coulomb


def _rate(tile: TileConfig) -> Rate | None:
    """The converters' oscillators, where their codes depend on the waveforms."""
    bank = converter_bank(tile)
    if bank.input == "charge":
        return None

    def rate(current_ampere: NDArray[np.float64], lines: Sequence[int]) -> NDArray[np.float64]:
        all_lines = np.zeros((*current_ampere.shape[:-1], bank.n_line))
        all_lines[..., list(lines)] = current_ampere
        return bank.rate_hertz(all_lines)[..., list(lines)]

    return rate
