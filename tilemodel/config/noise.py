"""Noise of the memory elements: what the table `[noise]` of a tile file describes. Laws: `tilemodel.noise`.

Read noise is that of one read, from nanoseconds on; all else is fixed between two reads of a chip.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tilemodel.config.section import Fraction, NotNegative, Positive, Section

__all__ = [
    "Drift",
    "Faults",
    "LongTermNoise",
    "NoiseConfig",
    "PolynomialReadNoise",
    "PowerLawReadNoise",
    "ProgrammingNoise",
    "ReadNoise",
    "Spread",
    "TelegraphNoise",
]

Siemens = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Exponent = Annotated[float, Field(ge=0, le=1)]
Years = Annotated[float, Field(ge=0, le=1e10)]
Duration = Annotated[float, Field(ge=1e-15, le=1e10)]
Coefficients = Annotated[tuple[float, ...], Field(strict=False, min_length=1, max_length=16)]


class PolynomialReadNoise(Section):
    """What a read of duration t sees: sigma = a(x) G + b(x), polynomials of x = log10(t / t_reference_second)."""

    kind: Literal["polynomial"]
    slope: Coefficients
    """Of a(x), lowest power first."""
    offset_siemens: Coefficients
    """Of b(x), lowest power first."""
    t_reference_second: Duration
    t_min_second: Duration
    """Shortest duration that the law was measured at."""
    t_max_second: Duration
    """Longest such duration; beyond it the law is extrapolated, and so marked in results."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.t_min_second >= self.t_max_second:
            raise ValueError("t_min_second must be smaller than t_max_second")
        return self


class PowerLawReadNoise(Section):
    """A spectrum ~ 1 / f^beta between two cut-offs: a sum of Lorentzians whose corners lie between them.

    One-sided density of the conductance between the cut-offs: (density_slope G + density_offset)^2
    (f_reference / f)^beta, and white noise from `f_white_hertz` on, where both are equal.
    """

    kind: Literal["power_law"]
    beta: Annotated[float, Field(gt=0.02, lt=1.98)]
    density_slope_per_root_hertz: NotNegative
    """Root of the density at `f_reference_hertz`, as a fraction of the conductance."""
    density_offset_siemens_per_root_hertz: NotNegative
    """Root of the density at `f_reference_hertz` of a cell without conductance."""
    f_reference_hertz: Positive
    f_low_hertz: Positive
    """Below it the spectrum is flat."""
    f_high_hertz: Positive
    """Above it the spectrum falls as 1 / f^2."""
    f_white_hertz: Positive | None = None
    """Where white noise takes over; absent: there is none."""
    t_min_second: Duration
    t_max_second: Duration
    """Durations for which the law holds; outside, results are marked as extrapolated."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.f_low_hertz >= self.f_high_hertz:
            raise ValueError("f_low_hertz must be smaller than f_high_hertz")
        if self.t_min_second >= self.t_max_second:
            raise ValueError("t_min_second must be smaller than t_max_second")
        return self


ReadNoise = Annotated[PolynomialReadNoise | PowerLawReadNoise, Field(discriminator="kind")]


class TelegraphNoise(Section):
    """Some cells have a trap: their conductance G jumps between G and G (1 + amplitude), about the mean."""

    cell_fraction: Share
    amplitude: Positive
    """Height of the jumps, as a fraction of the conductance."""
    t_high_second: Duration
    """Mean time in the state of higher conductance."""
    t_low_second: Duration


class ProgrammingNoise(Section):
    """A written conductance is off by a normal deviate: sigma = sum_i c_i (G / g_reference)^i, cut at 0."""

    coefficients_siemens: Coefficients
    """Lowest power first."""
    g_reference_siemens: Siemens


class Drift(Section):
    """G(t) = G (t / t_0)^-nu from t_0 on; nu = |normal|, drawn once a cell.

    Mean and sigma of nu are s ln(G / g_reference) + o between a least and a largest value, of the target G.
    """

    nu_mean_log_slope: float
    nu_mean_offset: float
    nu_mean_min: Exponent
    nu_mean_max: Exponent
    nu_sigma_log_slope: float
    nu_sigma_offset: float
    nu_sigma_min: Annotated[float, Field(ge=1e-6, le=1)]
    nu_sigma_max: Exponent
    g_reference_siemens: Siemens
    t_0_second: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.nu_mean_min > self.nu_mean_max or self.nu_sigma_min > self.nu_sigma_max:
            raise ValueError("nu_mean_min and nu_sigma_min must not exceed nu_mean_max and nu_sigma_max")
        return self


class LongTermNoise(Section):
    """1/f noise accumulated since programming: sigma = G Q sqrt(ln((t + t_read) / (2 t_read))).

    Q = min(q_coefficient / max((G / g_reference)^q_exponent, 1e-3), q_max), of the programmed G.
    """

    q_coefficient: NotNegative
    q_exponent: NotNegative
    q_max: NotNegative
    g_reference_siemens: Siemens
    t_read_second: Duration


class Faults(Section):
    """Cells that cannot be programmed."""

    stuck_low_fraction: Fraction
    stuck_low_siemens: Annotated[float, Field(ge=0, le=1)]
    stuck_high_fraction: Fraction
    stuck_high_siemens: Siemens

    @model_validator(mode="after")
    def _exclusive(self) -> Self:
        if self.stuck_low_fraction + self.stuck_high_fraction > 1:
            raise ValueError("stuck_low_fraction and stuck_high_fraction add up to more than 1")
        return self


class Spread(Section):
    """What differs from device to device and is not seen by programming: normal deviates, fixed for a chip."""

    conductance_sigma: Annotated[float, Field(ge=0, le=0.5)]
    """As a fraction of the conductance."""
    polarity_sigma: Annotated[float, Field(ge=0, le=0.5)]
    """Of what a cell conducts less (or more) when its voltage is negative, as a fraction."""


class NoiseConfig(Section):
    """Noise of a tile; a table that is absent is an effect that is left out."""

    t_since_programming_second: Years
    """When the tile is read; before `drift.t_0_second` nothing drifts."""
    t_between_passes_second: Annotated[float, Field(ge=0, le=1e3)]
    """Between the end of a pass's window and the start of the next one."""
    read: ReadNoise | None = None
    telegraph: TelegraphNoise | None = None
    programming: ProgrammingNoise | None = None
    drift: Drift | None = None
    long_term: LongTermNoise | None = None
    faults: Faults | None = None
    spread: Spread | None = None
