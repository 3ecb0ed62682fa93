"""What is tried, in which order, where ngspice does not converge on a deck.

First what changes the way to the answer and not the answer, then a finer time axis, last coarser tolerances, which cost
accuracy. Each help keeps those before it. A result names the help that it needed.
"""

import dataclasses
import re
from dataclasses import dataclass

from spice_netlists.deck import Deck

__all__ = ["HELPS", "Help", "helped_deck"]

_TOLERANCE = re.compile(r"\b(reltol|abstol|vntol|chgtol)=(\S+)")


@dataclass(frozen=True, kw_only=True)
class Help:
    """One change of a deck's analysis."""

    name: str
    options: str
    """ngspice options, added to the deck's own."""
    step_factor: float = 1.0
    """Times the longest time step."""
    tolerance_factor: float = 1.0
    """Times reltol, abstol, vntol and chgtol."""


_STEPPING = "itl1=1000 itl2=500 itl4=100 gminsteps=50 srcsteps=50"
HELPS = (
    Help(name="gmin and source stepping in 50 steps", options=_STEPPING),
    Help(name="time step / 10, Gear", options=f"{_STEPPING} method=gear", step_factor=0.1),
    Help(
        name="tolerances x 10",
        options=f"{_STEPPING} method=gear",
        step_factor=0.1,
        tolerance_factor=10.0,
    ),
)


def helped_deck(deck: Deck, aid: Help) -> Deck:
    """The same ngspice deck with `aid`."""
    options, analysis = deck.text.rindex("\n.options ") + 1, deck.text.rindex("\n.tran ") + 1
    head, end = deck.text[:options], deck.text[analysis:]
    own = deck.text[options:analysis]
    words, rest = own.split("\n", 1)
    scaled = _TOLERANCE.sub(lambda found: f"{found[1]}={float(found[2]) * aid.tolerance_factor:.12g}", words)
    line, measures = end.split("\n", 1)
    _, step, stop, start, _ = line.split()
    finer = f"{float(step) * aid.step_factor:.12g}"
    text = f"{head}{scaled}\n.options {aid.options}\n{rest}.tran {finer} {stop} {start} {finer}\n{measures}"
    return dataclasses.replace(deck, text=text)
