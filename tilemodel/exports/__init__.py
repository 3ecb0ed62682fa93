"""Exports of a calibrated tile into other simulators: `TARGETS[name](probe)` gives an `Export` (docs/exports.md).

A new target is one module with a function from `Probe` to `Export`, and a line here.
"""

from collections.abc import Callable, Mapping

from tilemodel.exports.aihwkit import export_aihwkit
from tilemodel.exports.crosssim import export_crosssim
from tilemodel.exports.lightning import export_lightning
from tilemodel.exports.memtorch import export_memtorch
from tilemodel.exports.neurosim import export_neurosim
from tilemodel.exports.ngspice import export_ngspice
from tilemodel.exports.plain import export_json, export_numpy
from tilemodel.exports.probe import Errors, Probe, random_probe
from tilemodel.exports.target import Export, Loss
from tilemodel.exports.torch_state import export_torch

__all__ = ["TARGETS", "Errors", "Export", "Loss", "Probe", "random_probe"]

TARGETS: Mapping[str, Callable[[Probe], Export]] = {
    "aihwkit": export_aihwkit,
    "aihwkit-lightning": export_lightning,
    "crosssim": export_crosssim,
    "json": export_json,
    "memtorch": export_memtorch,
    "neurosim": export_neurosim,
    "ngspice": export_ngspice,
    "numpy": export_numpy,
    "torch": export_torch,
}
