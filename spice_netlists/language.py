"""Circuits in ngspice's netlist language: lines of text. Its twin for VACASK is `vacask_language`.

The first letter of an element's name says what it is (R, C, V, X), as ngspice wants it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

__all__ = ["Language", "NgspiceLanguage"]


class Language(Protocol):
    """Writer of netlist lines. Numbers are written with `repr`, so that none loses a digit."""

    def comment(self, text: str) -> str: ...

    def resistor(self, name: str, a: str, b: str, ohm: float) -> str: ...

    def capacitor(self, name: str, a: str, b: str, farad: float) -> str: ...

    def resistors(
        self, prefix: str, rows: Iterable[int], a: Iterable[str], b: Iterable[str], ohm: Iterable[float]
    ) -> list[str]:
        """Many at once, named `prefix` and their row."""
        ...

    def dc_source(self, name: str, node: str, volt: float) -> str:
        """A voltage source from `node` to ground."""
        ...

    def pwl_source(self, name: str, node: str, points: Sequence[tuple[float, float]]) -> str:
        """A voltage source to ground through `points` (second, volt), the first at time 0."""
        ...

    def instance(self, name: str, nodes: Sequence[str], model: str, parameters: Mapping[str, float]) -> str:
        """A sub-circuit or model with parameters."""
        ...


class NgspiceLanguage:
    """See `Language`."""

    def comment(self, text: str) -> str:
        return f"* {text}"

    def resistor(self, name: str, a: str, b: str, ohm: float) -> str:
        return f"{name} {a} {b} {ohm!r}"

    def resistors(
        self, prefix: str, rows: Iterable[int], a: Iterable[str], b: Iterable[str], ohm: Iterable[float]
    ) -> list[str]:
        elements = zip(rows, a, b, ohm, strict=False)
        return [f"{prefix}{row} {here} {there} {value!r}" for row, here, there, value in elements]

    def capacitor(self, name: str, a: str, b: str, farad: float) -> str:
        return f"{name} {a} {b} {farad!r}"

    def dc_source(self, name: str, node: str, volt: float) -> str:
        return f"{name} {node} 0 DC {volt!r}"

    def pwl_source(self, name: str, node: str, points: Sequence[tuple[float, float]]) -> str:
        return f"{name} {node} 0 PWL(0 {points[0][1]!r} " + " ".join(f"{t:.12g} {v:.12g}" for t, v in points[1:]) + ")"

    def instance(self, name: str, nodes: Sequence[str], model: str, parameters: Mapping[str, float]) -> str:
        return f"{name} {' '.join(nodes)} {model}" + "".join(f" {key}={value!r}" for key, value in parameters.items())
