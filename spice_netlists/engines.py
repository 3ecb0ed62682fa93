"""The circuit simulators, behind one call: a deck says which of them it is written for."""

import dataclasses
import threading

from spice_netlists.deck import Deck
from spice_netlists.ngspice import find_ngspice, ngspice_version, run_ngspice
from spice_netlists.process import Waveforms
from spice_netlists.vacask import find_vacask, run_vacask, vacask_version
from tilemodel.config.tile import SimulatorConfig

__all__ = ["engine_version", "run_deck"]


def engine_version(simulator: SimulatorConfig) -> str:
    """Name and version of the simulator that `simulator` asks for. Raises `SimulatorMissingError` without it."""
    if simulator.engine == "vacask":
        return vacask_version(find_vacask())
    return ngspice_version(find_ngspice())


def run_deck(deck: Deck, *, timeout_second: float, stop: threading.Event | None = None) -> Waveforms:
    """Run `deck` in the simulator that it is written for; see `run_ngspice` and `run_vacask`."""
    stop = stop or threading.Event()
    if deck.engine == "ngspice":
        return run_ngspice(deck, timeout_second=timeout_second, stop=stop)
    waveforms = run_vacask(
        deck.text,
        save=[deck.sense.name(line) for line in deck.lines],
        t_stop_second=deck.t_stop_second,
        timeout_second=timeout_second,
        files=deck.files,
        stop=stop,
    )
    return dataclasses.replace(waveforms, lines=deck.lines)
