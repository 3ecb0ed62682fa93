"""The study's tiles: IBM's pair of lines, 512 x 512, from what its simulator assumes to what a hard case would be."""

from pathlib import Path

from tilemodel import load_tile
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.tile import TileConfig
from tilemodel.variants import with_tables

__all__ = ["TILES", "tile_called"]

BASE = Path(__file__).parent / "tile.toml"

TILES = {
    "reference": {"r_bit_line_ohm": 0.15, "slower": 1.0, "noisier": 1.0},
    "0.35 ohm": {"r_bit_line_ohm": 0.35, "slower": 1.0, "noisier": 1.0},
    "stress": {"r_bit_line_ohm": 1.0, "slower": 5.0, "noisier": 3.0},
}
"""By name: the bit line's segment, by how much the oscillator is slower, by how much sigma of a read is larger."""


def tile_called(name: str) -> TileConfig:
    """The tile, with read noise and no programming noise: what the paper's networks ran on."""
    tile, values = load_tile(BASE), TILES[name]
    assert tile.noise is not None
    read = tile.noise.read
    factor = values["noisier"]
    louder = read.model_copy(
        update={
            "slope": tuple(factor * value for value in read.slope),
            "offset_siemens": tuple(factor * value for value in read.offset_siemens),
        }
    )
    noise = NoiseConfig(
        t_since_programming_second=tile.noise.t_since_programming_second,
        t_between_passes_second=tile.noise.t_between_passes_second,
        read=louder,
    )
    return with_tables(
        tile,
        wires=tile.wires.model_copy(update={"r_bit_line_ohm": values["r_bit_line_ohm"]}),
        adc=tile.adc.model_copy(update={"f_hertz_per_ampere": tile.adc.f_hertz_per_ampere / values["slower"]}),
        noise=noise,
    )
