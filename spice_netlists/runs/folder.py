"""A finished run as a folder, to look at and to run again by hand: deck, models, log and raw file."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spice_netlists.convergence import HELPS, helped_deck
from spice_netlists.deck import Deck
from spice_netlists.rawfile import raw_bytes
from spice_netlists.runs.record import RunResult, lasting_log
from spice_netlists.vacask_language import VacaskLanguage
from tilemodel.config.errors import InputError

__all__ = ["again_command", "run_files"]

# The simulators read these beside the deck: one thread, and none of the user's settings
_SETTINGS = {"ngspice": (".spiceinit", "set num_threads=1\n"), "vacask": ("empty.toml", "")}


def run_files(deck: Deck, result: RunResult) -> dict[str, bytes | Path]:
    """What `result` of `deck` came from and gave, by file name; a path is to be copied.

    Equal runs give equal bytes: times and memory are left out of the log, and the raw file holds the simulator's points
    under a header without a date. The deck is the one that converged, with its help. Raises `InputError` where the
    result belongs to another deck, or needed a help that this version does not have.
    """
    if result.record.deck_sha256 != deck.sha256:
        raise InputError(f"run {result.record.key}: is of another deck")
    settings, text = _SETTINGS[deck.engine]
    return {
        f"deck{deck.suffix}": _converged(deck, result).text.encode(),
        settings: text.encode(),
        **{name: content.encode() for name, content in deck.files.items()},
        **{include.name: include.path for include in deck.includes},
        f"{deck.engine}.log": lasting_log(result.waveforms.log).encode(),
        "out.raw": raw_bytes(result.record.title, _vectors(deck, result)),
    }


def again_command(engine: str) -> str:
    """What runs a folder's deck again, in that folder."""
    if engine == "vacask":
        return "vacask -qp -sp -n 1 --tomlfile empty.toml deck.sim"
    return "ngspice -b -r again.raw deck.cir"


def _converged(deck: Deck, result: RunResult) -> Deck:
    name = result.record.convergence_help
    if name is None:
        return deck
    aid = next((item for item in HELPS if item.name == name), None)
    if aid is None:
        raise InputError(f"run {result.record.key}: converged with {name!r}, which this version does not know")
    return helped_deck(deck, aid)


def _vectors(deck: Deck, result: RunResult) -> dict[str, NDArray[np.float64]]:
    waveforms = result.waveforms
    names: Iterable[str] = deck.sense_vectors
    if deck.engine == "vacask":
        names = (VacaskLanguage().current_vector(deck.sense.name(line)) for line in deck.lines)
    values = [*waveforms.sensed, *waveforms.outputs_volt]
    return {"time": waveforms.time_second, **dict(zip(names, values, strict=True))}
