"""Cells as sub-circuits: memory elements, 1T1R and 2T1R cells, or the user's own."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from spice_netlists.pdk import sky130_model_file
from spice_netlists.screening import check_circuit_text
from tilemodel.config.cell import (
    Access,
    Device,
    GatedCell,
    GatedPairCell,
    LinearDevice,
    SinhDevice,
    Sky130NfetAccess,
    SubcktAccess,
    SubcktDevice,
    SwitchAccess,
)
from tilemodel.config.errors import InputError
from tilemodel.config.load import read_limited
from tilemodel.config.tile import TileConfig

__all__ = [
    "CellCircuit",
    "MemoryCircuit",
    "access_varies",
    "is_ohmic",
    "memory_circuit",
    "own_cell_sha256",
    "tile_cell",
]

_MAX_CIRCUIT_BYTES = 1_000_000
# Share of a varying access resistance that the switch itself has
_SWITCH_SHARE = 1e-3


@dataclass(frozen=True, kw_only=True)
class CellCircuit:
    """A sub-circuit that stands for a cell, and the model files that it needs.

    `text` holds `.subckt name bit_line word_line source_line` with a parameter `g`, the conductance of the memory
    element; in a 2T1R tile the pins are bit line, upper and lower word line, upper and lower source line. Raises
    `InputError` if it does not, or if it holds anything but circuit lines.
    """

    name: str
    text: str
    v_gate_volt: float
    """Word-line voltage of an active cell."""
    model_files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        heads = re.findall(r"^\s*\.subckt\s+(\S+)\s+([^\n]*)", self.text, re.IGNORECASE | re.MULTILINE)
        head = next((rest for name, rest in heads if name.lower() == self.name.lower()), None)
        if head is None:
            raise InputError(f"cell: the text has no '.subckt {self.name}'; it has {[name for name, _ in heads]}")
        words = head.lower().replace("params:", " ").split()
        pins = [word for word in words if "=" not in word]
        if len(pins) not in (2, 3, 5) or not any(word.startswith("g=") for word in words):
            raise InputError(
                f"cell {self.name}: expected three pins (bit, word, source line; five in a 2T1R cell, two in a memory "
                f"element) and a parameter g, got {head!r}"
            )
        check_circuit_text(self.text, f"cell {self.name}")
        unreadable = [path for path in self.model_files if not path.is_file()]
        if unreadable:
            raise InputError(f"cell {self.name}: the model file {unreadable[0]} does not exist")

    def sha256(self) -> str:
        """Hash of the circuit, its gate voltage and its model files' contents [hexadecimal]."""
        digest = hashlib.sha256(f"{self.text}\n{self.v_gate_volt!r}".encode())
        for path in self.model_files:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def pin_count(self) -> int:
        """Pins of the sub-circuit."""
        heads = re.findall(r"^\s*\.subckt\s+(\S+)\s+([^\n]*)", self.text, re.IGNORECASE | re.MULTILINE)
        head = next(rest for name, rest in heads if name.lower() == self.name.lower())
        return len([word for word in head.lower().replace("params:", " ").split() if "=" not in word])


@dataclass(frozen=True, kw_only=True)
class MemoryCircuit:
    """A memory element as a sub-circuit with a parameter `g`."""

    name: str
    text: str


def is_ohmic(device: Device | SubcktDevice) -> bool:
    """Whether the memory element is a plain resistor."""
    return isinstance(device, LinearDevice) and device.polarity_asymmetry == 0


def memory_circuit(device: Device | SubcktDevice) -> MemoryCircuit | None:
    """The memory element as a sub-circuit with pins row side and bit line; None where a resistor does.

    Raises `InputError` for a circuit of the user's own without the two pins and the parameter `g`.
    """
    if isinstance(device, SubcktDevice):
        circuit = CellCircuit(name=device.subckt, text=_read_circuit(Path(device.file)), v_gate_volt=0.0)
        if circuit.pin_count() != 2:
            raise InputError(
                f"device {device.subckt}: a memory element has two pins (row side, bit line), this one has "
                f"{circuit.pin_count()}"
            )
        return MemoryCircuit(name=device.subckt, text=circuit.text)
    if is_ohmic(device):
        return None
    v = "V(a,b)"
    law = f"{device.v_sinh_volt!r}*sinh({v}/{device.v_sinh_volt!r})" if isinstance(device, SinhDevice) else v
    factor = 1.0 - device.polarity_asymmetry
    both = law if factor == 1.0 else f"({v} >= 0 ? 1 : {factor!r})*{law}"
    return MemoryCircuit(name="memory", text=f".subckt memory a b g=1u\nBm a b I={{g}}*({both})\n.ends")


def tile_cell(tile: TileConfig, own: CellCircuit | None = None) -> CellCircuit:
    """The cell of a gated tile: `own` if given, else what the tile file says.

    Raises `InputError` for a cell of the user's with pins that the tile's kind does not have.
    """
    cell = tile.cell
    assert isinstance(cell, GatedCell | GatedPairCell)
    circuit = own or _described_cell(tile, cell)
    expected = 3 if isinstance(cell, GatedCell) else 5
    if circuit.pin_count() != expected:
        raise InputError(
            f"cell {circuit.name}: a {cell.kind} cell has {expected} pins, this one has {circuit.pin_count()}"
        )
    return circuit


def _described_cell(tile: TileConfig, cell: GatedCell | GatedPairCell) -> CellCircuit:
    access = cell.access
    supply = tile.conditions.supply_factor
    if isinstance(access, SubcktAccess):
        return CellCircuit(
            name=access.subckt,
            text=_read_circuit(Path(access.file)),
            v_gate_volt=access.v_gate_volt * supply,
            model_files=tuple(Path(path) for path in access.model_files),
        )
    pair = isinstance(cell, GatedPairCell)
    memory = memory_circuit(cell.device)
    element = "Rmem bl m {1/g}" if memory is None else f"Xmem m bl {memory.name} g={{g}}"
    name = "cell_2t1r" if pair else "cell_1t1r"
    pins = "bl wlp wln slp sln" if pair else "bl wl sl"
    paths = [("p", "wlp", "slp"), ("n", "wln", "sln")] if pair else [("", "wl", "sl")]
    varies = access_varies(tile)
    lines = [
        *([_switch_model(access, varies=varies)] if isinstance(access, SwitchAccess) else []),
        *([memory.text] if memory else []),
        f".subckt {name} {pins} g=1u{' ra=1' if varies else ''}",
        element,
        *(line for path in paths for line in _access_lines(access, *path, varies=varies)),
        ".ends",
    ]
    return CellCircuit(
        name=name,
        text="\n".join(lines),
        v_gate_volt=(access.v_gate_volt if isinstance(access, Sky130NfetAccess) else 1.0) * supply,
        model_files=(sky130_model_file(access.corner),) if isinstance(access, Sky130NfetAccess) else (),
    )


def own_cell_sha256(tile: TileConfig, own: CellCircuit | None = None) -> str | None:
    """Hash of the user's cell circuit, given or named in the tile file; None for the project's own cells."""
    if own is not None:
        return own.sha256()
    if isinstance(getattr(tile.cell, "access", None), SubcktAccess):
        return tile_cell(tile).sha256()
    memory = memory_circuit(tile.cell.device) if isinstance(tile.cell.device, SubcktDevice) else None
    return None if memory is None else hashlib.sha256(memory.text.encode()).hexdigest()


def access_varies(tile: TileConfig) -> bool:
    """Whether the access devices of the tile's cells differ, so that a cell has the parameter `ra`."""
    return tile.mismatch is not None and tile.mismatch.access_resistance_sigma > 0


def _read_circuit(path: Path) -> str:
    try:
        return read_limited(path, _MAX_CIRCUIT_BYTES, "a cell circuit (.subckt)").decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no text, so no cell circuit: {error}") from None


def _switch_model(access: SwitchAccess, *, varies: bool) -> str:
    r_on = access.r_on_ohm * (_SWITCH_SHARE if varies else 1.0)
    return f".model access_switch sw(vt=0.5 vh=0 ron={r_on!r} roff=1e15)"


def _access_lines(access: Access, suffix: str, word: str, rail: str, *, varies: bool) -> list[str]:
    """The access device between the inner node m and a rail; one that varies is mostly a resistor, `ra` times r_on."""
    if isinstance(access, SwitchAccess):
        if not varies:
            return [f"Sacc{suffix} m {rail} {word} 0 access_switch"]
        return [
            f"Sacc{suffix} m x{suffix} {word} 0 access_switch",
            f"Racc{suffix} x{suffix} {rail} {{{access.r_on_ohm!r}*(ra-{_SWITCH_SHARE!r})}}",
        ]
    assert isinstance(access, Sky130NfetAccess)
    model = "sky130_fd_pr__nfet_01v8__model"
    return [f"Macc{suffix} m {word} {rail} 0 {model} W={access.width_metre!r} L={access.length_metre!r}"]
