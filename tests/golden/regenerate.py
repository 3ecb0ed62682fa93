"""Write the golden decks anew: python -m tests.golden.regenerate, then read the difference."""

from pathlib import Path

from spice_netlists.deck import build_deck
from tests.conftest import pair_tile, pulses_of, switch_tile
from tests.test_deck import small

for name, make, ticks in (("pair", pair_tile, [3, -127]), ("switch", switch_tile, [0, 5])):
    tile, conductances = small(make)
    Path(__file__).with_name(f"{name}.cir").write_text(build_deck(tile, conductances, pulses_of(tile, ticks)).text)
