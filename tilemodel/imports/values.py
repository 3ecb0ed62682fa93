"""Values of a foreign configuration by dotted name, with a record of those that were not there."""

import math
from collections.abc import Mapping
from typing import Any

from tilemodel.config.errors import InputError

__all__ = ["Values"]


class Values:
    """Read access to nested mappings; what is missing is the simulator's default, and is noted in `defaults`."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.defaults: list[str] = []

    def has(self, dotted: str) -> bool:
        """Whether the value is there."""
        part: Any = self._content
        for name in dotted.split("."):
            if not isinstance(part, Mapping) or name not in part:
                return False
            part = part[name]
        return True

    def get(self, dotted: str, default: Any) -> Any:
        """The value, or `default`. Raises `InputError` where a table is a plain value."""
        part: Any = self._content
        for name in dotted.split("."):
            if not isinstance(part, Mapping):
                raise InputError(f"{dotted}: expected a table, got {part!r}")
            if name not in part:
                self._note(f"{dotted} = {default}")
                return default
            part = part[name]
        return part

    def _note(self, text: str) -> None:
        if text not in self.defaults:
            self.defaults.append(text)

    def number(self, dotted: str, default: float, *, lowest: float = -math.inf) -> float:
        """A finite number of at least `lowest`. Raises `InputError` for anything else."""
        value = self.get(dotted, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < lowest:
            limit = "" if lowest == -math.inf else f" of at least {lowest:g}"
            raise InputError(f"{dotted}: expected a number{limit}, got {value!r}")
        return float(value)

    def refuse_unless(self, dotted: str, default: Any, *allowed: Any) -> Any:
        """The value if it is one of `allowed`. Raises `InputError` for what cannot be computed here."""
        value = self.get(dotted, default)
        if value not in allowed:
            choices = ", ".join(repr(item) for item in allowed)
            raise InputError(f"{dotted} = {value!r}: cannot be computed here; only {choices}")
        return value
