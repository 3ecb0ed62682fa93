"""What sits between a bit line's last segment and the ideal clamp."""

from tilemodel.config.read_out import MirrorReadOut, ResistiveClamp
from tilemodel.config.tile import TileConfig

__all__ = ["end_resistance_ohm"]


def end_resistance_ohm(tile: TileConfig) -> float:
    """Terminal and clamp resistance [ohm]."""
    circuit = tile.read_out.circuit
    clamp = circuit.r_clamp_ohm if isinstance(circuit, ResistiveClamp | MirrorReadOut) else 0.0
    return tile.wires.r_terminal_ohm + clamp
