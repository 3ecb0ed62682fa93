"""Our own layers in PyTorch: the compact model, and `state.npz`, what `tilemodel.torch.TileLinear` loads beside it.

A layer scales each column by its largest weight and programs the scaled ones. `deviation` is what the probe's
conductances are beyond those, and `column_gain` takes the scale back, so that the layer has these very conductances.
"""

import io

import numpy as np

from tilemodel.compact import SCHEMA_VERSION
from tilemodel.config.layout import cell_layout
from tilemodel.config.operands import conductances_from_weights
from tilemodel.coverage import refuse_outside_layers
from tilemodel.exports.probe import NOISE_KINDS, Probe
from tilemodel.exports.target import Export
from tilemodel.exports.without import losses

__all__ = ["export_torch"]

_DONE = {
    **dict.fromkeys(NOISE_KINDS, "off in the state; layer.program(generator) draws a chip"),
    **dict.fromkeys(
        ("read", "telegraph"),
        "off in the state; layer.set_read_noise(generator) draws it, where rows are ideal",
    ),
}


def export_torch(probe: Probe) -> Export:
    """`model.json` for `TileLinear.from_model`, `state.npz` for its `load_state_dict`.

    Arrays, n_out = n_col and n_in = n_row: `weight` [n_out, n_in], `input_range` [], `deviation` [siemens],
    [n_rail, 1, n_row, n_line], `column_gain` [1, n_out]. Raises `InputError` for a tile that such a layer refuses.
    """
    refuse_outside_layers(probe.tile, probe.model.parameters)
    g, tile = probe.conductances, probe.tile
    weights = (g.g_plus - g.g_minus) / (tile.conductance.g_max_siemens - tile.conductance.g_min_siemens)
    largest = np.abs(weights).max(axis=0)
    scale = np.where(largest > 0, largest, 1.0)
    plain = conductances_from_weights(tile, weights / scale)
    deviation = cell_layout(tile, g).g_siemens - cell_layout(tile, plain).g_siemens
    state = io.BytesIO()
    np.savez(
        state,
        allow_pickle=False,
        weight=weights.T,
        input_range=np.ones(()),
        deviation=deviation[:, np.newaxis],
        column_gain=1.0 / scale[np.newaxis],
    )
    return Export(
        target="torch",
        target_version=SCHEMA_VERSION,
        upkeep="ours",
        files={"model.json": probe.model.model_dump_json(indent=2) + "\n", "state.npz": state.getvalue()},
        losses=losses(probe, _DONE),
        predict=lambda given: given.charge_coulomb,
    )
