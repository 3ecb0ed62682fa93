"""How inputs become pulses on the rows."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tilemodel.config.section import Seconds, Section

__all__ = ["DriveConfig"]


class DriveConfig(Section):
    """Pulses of |x| ticks of `t_lsb_second`, all starting together; or, amplitude-coded, of one length.

    An edge lasts `t_edge_second` and the falling one starts |x| ticks after the rising one started, so
    that the integral of a pulse is exactly |x| ticks times its height.
    """

    coding: Literal["conventional", "split", "bit_wise", "amplitude"]
    """conventional: one pulse of |x| ticks. split: one of the low bits, then one of the high bits. bit_wise: one
    of one tick for each bit. Each pass is converted, then shifted and added. amplitude: one pulse of the longest
    length and |x| / n_tick_max of the height."""
    sign: Literal["polarity", "two_phase", "unsigned"]
    """polarity: the pulse's sign. two_phase: positive inputs first, then negative ones, subtracted behind the
    converter. unsigned: a negative input is refused."""
    input_bits: int = Field(ge=2, le=12)
    """With the sign."""
    split_low_bits: Annotated[int, Field(ge=1, le=10)] | None = None
    """Bits of the first pass where `coding` is split."""
    t_lsb_second: Seconds
    t_edge_second: Seconds
    t_start_second: Seconds
    """Time before the first edge, all rows at rest."""

    @property
    def n_tick_max(self) -> int:
        """Largest magnitude of an input [ticks]: 2**(input_bits - 1) - 1 beside the sign."""
        return int(2 ** (self.input_bits - 1) - 1)

    @model_validator(mode="after")
    def _edge_fits(self) -> "DriveConfig":
        if self.t_edge_second > self.t_lsb_second:
            raise ValueError("t_edge_second must not exceed t_lsb_second, or one-tick pulses overlap their edges")
        if self.t_edge_second < 1e-9 * self.n_tick_max * self.t_lsb_second:
            raise ValueError("t_edge_second must be at least 1e-9 of the longest pulse, or its corners fall together")
        return self

    @model_validator(mode="after")
    def _split_fits(self) -> "DriveConfig":
        if (self.coding == "split") != (self.split_low_bits is not None):
            raise ValueError("split_low_bits belongs to coding = 'split', and only to it")
        if self.split_low_bits is not None and self.split_low_bits >= self.input_bits - 1:
            raise ValueError(f"split_low_bits must be below the {self.input_bits - 1} bits of an input's magnitude")
        return self
