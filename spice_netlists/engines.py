"""The circuit simulators, behind one call: a deck says which of them it is written for."""

import dataclasses
import threading

from spice_netlists.deck import Deck
from spice_netlists.ngspice import find_ngspice, ngspice_version, run_ngspice
from spice_netlists.process import Limits, StopSignal, Waveforms
from spice_netlists.vacask import find_vacask, run_vacask, vacask_version

__all__ = ["engine_version", "run_deck"]


def engine_version(engine: str) -> str:
    """Name and version of the simulator `engine` (ngspice or vacask). Raises `SimulatorMissingError` without it."""
    if engine == "vacask":
        return vacask_version(find_vacask())
    return ngspice_version(find_ngspice())


def run_deck(
    deck: Deck, *, timeout_second: float, memory_byte: int | None = None, stop: StopSignal | None = None
) -> Waveforms:
    """Run `deck` in the simulator that it is written for; see `run_ngspice` and `run_vacask`."""
    stop = stop or threading.Event()
    if deck.engine == "ngspice":
        return run_ngspice(deck, limits=Limits(timeout_second=timeout_second, memory_byte=memory_byte), stop=stop)
    waveforms = run_vacask(
        deck.text,
        save=[deck.sense.name(line) for line in deck.lines],
        t_stop_second=deck.t_stop_second,
        timeout_second=timeout_second,
        memory_byte=memory_byte,
        files=deck.files,
        stop=stop,
    )
    return dataclasses.replace(waveforms, lines=deck.lines)
