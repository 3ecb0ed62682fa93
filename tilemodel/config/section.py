"""What every table of a tile file is built from: the strict, frozen base class and the ranges of sense."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Charge",
    "Farads",
    "Fraction",
    "NotNegative",
    "Ohms",
    "Percent",
    "Positive",
    "PositiveVolts",
    "ResistanceOrZero",
    "Seconds",
    "Section",
    "Volts",
]

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
# Limits of sense: wide enough for any tile, narrow enough to catch a wrong unit and to keep numbers finite
Seconds = Annotated[float, Field(ge=1e-15, le=1e3)]
Volts = Annotated[float, Field(ge=-1e3, le=1e3)]
PositiveVolts = Annotated[float, Field(gt=0, le=1e3)]
Ohms = Annotated[float, Field(gt=0, le=1e9)]
ResistanceOrZero = Annotated[float, Field(ge=0, le=1e9)]
Farads = Annotated[float, Field(ge=0, le=1e-6)]
Charge = Annotated[float, Field(ge=1e-24, le=1.0)]
Percent = Annotated[float, Field(ge=0, le=100)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """One table of a tile file: frozen, strictly typed, without unknown keys, without NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
