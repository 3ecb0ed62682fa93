"""Read-outs as transistor circuits, which take the place of the ideal clamp at a bit line."""

from spice_netlists.read_outs.sky130_ramp import RampReadOut

__all__ = ["RampReadOut"]
