"""The cell of a gated tile as a sub-circuit: pins bit line, word line, source line, parameter g [siemens]."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from spice_netlists.pdk import sky130_model_file
from tilemodel.config.errors import InputError
from tilemodel.config.tile import Sky130NfetAccess, SwitchAccess

__all__ = ["CellCircuit", "standard_cell"]

CELL_NAME = "cell_1t1r"


@dataclass(frozen=True, kw_only=True)
class CellCircuit:
    """A sub-circuit that stands for a cell, and the model files that it needs.

    `text` holds `.subckt name bit_line word_line source_line ...` with a parameter `g`, the conductance of
    the memory element. Raises `InputError` if it does not, or if it holds anything but circuit lines.
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
        if len(pins) != 3 or not any(word.startswith("g=") for word in words):
            raise InputError(
                f"cell {self.name}: expected three pins (bit, word, source line) and a parameter g, got {head!r}"
            )
        forbidden = re.search(r"^\s*\.(control|end|include|inc|lib|exec|tran|options?)\b", self.text, re.I | re.M)
        unreadable = [path for path in self.model_files if not path.is_file()]
        if unreadable:
            raise InputError(f"cell {self.name}: the model file {unreadable[0]} does not exist")
        if forbidden:
            raise InputError(
                f"cell {self.name}: {forbidden.group().strip()!r} has no place in it; name model files in model_files"
            )

    def sha256(self) -> str:
        """Hash of the circuit, its gate voltage and its model files' contents [hexadecimal]."""
        digest = hashlib.sha256(f"{self.text}\n{self.v_gate_volt!r}".encode())
        for path in self.model_files:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def standard_cell(access: SwitchAccess | Sky130NfetAccess) -> CellCircuit:
    """Memory element at the bit line, access device between it and the source line."""
    if isinstance(access, SwitchAccess):
        text = (
            ".model access_switch sw(vt=0.5 vh=0 "
            f"ron={access.r_on_ohm!r} roff=1e15)\n"
            f".subckt {CELL_NAME} bl wl sl g=1u\n"
            "Rmem bl m {1/g}\n"
            "Sacc m sl wl 0 access_switch\n"
            ".ends"
        )
        return CellCircuit(name=CELL_NAME, text=text, v_gate_volt=1.0)
    text = (
        f".subckt {CELL_NAME} bl wl sl g=1u\n"
        "Rmem bl m {1/g}\n"
        f"Macc m wl sl 0 sky130_fd_pr__nfet_01v8__model W={access.width_metre!r} L={access.length_metre!r}\n"
        ".ends"
    )
    return CellCircuit(
        name=CELL_NAME,
        text=text,
        v_gate_volt=access.v_gate_volt,
        model_files=(sky130_model_file(access.corner),),
    )
