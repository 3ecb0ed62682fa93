"""A job: one deck for one version of a simulator, known by the hash of everything that its result depends on."""

import functools
import hashlib
import json
from dataclasses import dataclass

from spice_netlists.convergence import HELPS
from spice_netlists.deck import Deck

__all__ = ["Job"]

# Raised whenever the same deck may give another result: how simulators are called, what is read of their output
_OPTIONS = 1


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be simulated, and what the simulator may take."""

    deck: Deck
    engine: str
    """Name and version, such as ngspice-39."""
    timeout_second: float
    memory_byte: int | None = None
    """None = unlimited."""

    @functools.cached_property
    def key(self) -> str:
        """Hash of deck, engine, version and options [hexadecimal]; time-out and memory don't change a result."""
        helps = [repr(item) for item in HELPS] if self.deck.engine == "ngspice" else []
        content = [_OPTIONS, self.engine, self.deck.sha256, self.deck.lines, helps]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()
