"""Exports for one's own programs: the compact model with its schema, and the programmed tile as arrays."""

import io
import json

import numpy as np
from numpy.typing import NDArray

from tilemodel.compact import SCHEMA_VERSION, compact_schema
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Export, Loss
from tilemodel.exports.without import losses
from tilemodel.version import VERSION

__all__ = ["export_json", "export_numpy"]

FloatArray = NDArray[np.float64]


def export_json(probe: Probe) -> Export:
    """The compact model and the JSON schema that it obeys; nothing is lost."""
    return Export(
        target="json",
        target_version=SCHEMA_VERSION,
        upkeep="ours",
        files={
            "model.json": probe.model.model_dump_json(indent=2) + "\n",
            "schema.json": json.dumps(compact_schema(), indent=2) + "\n",
        },
        losses=(),
        predict=lambda given: given.charge_coulomb,
    )


def export_numpy(probe: Probe) -> Export:
    """`tile.npz`: what charges are in ticks of the probe's conductances, as one matrix and an offset.

    Exact for linear tiles; for the others the best linear map about the mean of the probe's vectors, from central
    differences of one row at a time.
    """
    matrix, offset = _linear_map(probe)
    arrays: dict[str, FloatArray] = {
        "w_eff_coulomb_per_tick": matrix,
        "offset_coulomb": offset,
        **{f"{name}_siemens": values for name, values in probe.conductances.arrays().items()},
    }
    text = io.BytesIO()
    np.savez(text, allow_pickle=False, **arrays)
    exact = probe.programmed.solver == "linear"
    found = [*losses(probe, {"adc": "left out: the arrays end before the converter; tile.adc in about.json has it"})]
    if not exact:
        found.append(
            Loss(
                quantity="state dependence",
                value=f"solver {probe.programmed.solver}",
                done="replaced by the best linear map about the mean of the probe's vectors",
                errors=probe.errors(_apply(probe, matrix, offset)),
            )
        )
    found += [*losses(probe, dict.fromkeys(("read", "telegraph"), "left out: charges are those of a quiet read"))]
    about = {
        "schema_version": "tilemodel-export-numpy-1",
        "written_by": f"tilemodel {VERSION}",
        "use": "charge_coulomb[n_vec, n_col] = ticks[n_vec, n_row] @ w_eff_coulomb_per_tick + offset_coulomb",
        "exact": exact,
        "tile": probe.tile.model_dump(mode="json", exclude={"sources"}),
    }
    return Export(
        target="numpy",
        target_version="npz",
        upkeep="ours",
        files={"tile.npz": text.getvalue(), "about.json": json.dumps(about, indent=2) + "\n"},
        losses=tuple(found),
        predict=lambda given: _apply(given, matrix, offset),
    )


def _apply(probe: Probe, matrix: FloatArray, offset: FloatArray) -> FloatArray:
    result: FloatArray = probe.ticks.astype(np.float64) @ matrix + offset
    return result


def _linear_map(probe: Probe) -> tuple[FloatArray, FloatArray]:
    """Matrix [n_row, n_col] and offset [n_col] through the model at one row up and one down from the working point."""
    n_row, drive = probe.tile.array.n_row, probe.tile.drive
    if probe.programmed.solver == "linear":
        half = (drive.n_tick_max + 1) // 2
        unsigned = drive.sign == "unsigned"
        centre = np.full(n_row, half if unsigned else 0)
        step = np.full(n_row, drive.n_tick_max - half if unsigned else drive.n_tick_max)
    else:
        centre = np.rint(np.abs(probe.ticks).mean(axis=0)).astype(np.int64)
        step = np.maximum(1, centre // 2)
        centre = np.minimum(centre, drive.n_tick_max - step)
    moves = np.diag(step)
    charge = probe.programmed.mvm(np.concatenate([centre + moves, centre - moves])).charge_coulomb
    matrix: FloatArray = (charge[:n_row] - charge[n_row:]) / (2.0 * step[:, np.newaxis])
    offset: FloatArray = charge.mean(axis=0) - centre.astype(np.float64) @ matrix
    return matrix, offset
