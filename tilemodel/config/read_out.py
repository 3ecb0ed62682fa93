"""The read-out of a bit line: what holds its voltage, integrates its current, and for how long."""

from typing import Annotated, Literal

from pydantic import Field

from tilemodel.config.section import Farads, Positive, PositiveVolts, ResistanceOrZero, Seconds, Section, Volts

__all__ = [
    "IdealClamp",
    "IntegratorReadOut",
    "MirrorReadOut",
    "ReadOutCircuit",
    "ReadOutConfig",
    "ResistiveClamp",
    "Sky130RampReadOut",
]


class IdealClamp(Section):
    """Holds the bit line at the clamp voltage; its current is integrated."""

    kind: Literal["ideal"]


class ResistiveClamp(Section):
    """A clamp with an input resistance."""

    kind: Literal["resistive"]
    r_clamp_ohm: ResistanceOrZero


class MirrorReadOut(Section):
    """A clamp whose current a mirror copies, `ratio` times, onto a capacitor; converters see the copy's charge.

    A switch that holds the capacitor at 0 V opens half-way to the first edge.
    """

    kind: Literal["mirror"]
    r_clamp_ohm: ResistanceOrZero
    ratio: Annotated[float, Field(ge=1e-6, le=1e6)]
    c_integration_farad: Annotated[Farads, Field(gt=0)]
    r_reset_ohm: Positive


class IntegratorReadOut(Section):
    """An op-amp with a capacitor from output to bit line, whose virtual ground is the clamp.

    One pole: gain `open_loop_gain` at rest, unity gain at `unity_gain_hertz`. A switch across the capacitor opens
    half-way to the first edge. The output is sampled at the end of the window.
    """

    kind: Literal["integrator"]
    c_integration_farad: Annotated[Farads, Field(gt=0)]
    open_loop_gain: Annotated[float, Field(ge=10, le=1e9)]
    unity_gain_hertz: Annotated[float, Field(ge=1e3, le=1e15)]
    swing_volt: PositiveVolts
    """Largest deviation of the output from the clamp voltage, both ways."""
    r_reset_ohm: Positive


class Sky130RampReadOut(Section):
    """Clamp, mirror, capacitor, ramp and comparator in SKY130 transistors (docs/read_out_sky130.md); it converts.

    The window ends with the longest pulse; the capacitor takes current for `t_settle_second` more, then a counter
    counts clock periods until the ramp has emptied it.
    """

    kind: Literal["sky130_ramp"]
    corner: Literal["tt", "ff", "ss", "sf", "fs"]
    t_clock_second: Seconds
    count_max: int = Field(ge=1, le=2**20)
    t_settle_second: Seconds


ReadOutCircuit = Annotated[
    IdealClamp | ResistiveClamp | MirrorReadOut | IntegratorReadOut | Sky130RampReadOut,
    Field(discriminator="kind"),
]


class ReadOutConfig(Section):
    """One read-out a bit line, integrating over the window."""

    v_clamp_volt: Volts
    t_tail_second: Annotated[float, Field(ge=0, le=1e3)]
    """Time that the window stays open after the end of the longest possible pulse."""
    window: Literal["settled", "cut"]
    """settled: the tail must have ended with the window, else the tile is refused. cut: it may be cut."""
    circuit: ReadOutCircuit
