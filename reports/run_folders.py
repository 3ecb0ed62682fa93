"""One folder a run of a report: what was simulated and what came out, to run again by hand. See docs/reports.md."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reports.validation import Validation
from spice_netlists.batch import batch_decks, runs_per_vector
from spice_netlists.deck import Deck
from spice_netlists.runs import Job, RunStore
from spice_netlists.runs.folder import again_command, run_files
from tilemodel.config.errors import InputError
from tilemodel.config.passes import tile_passes

__all__ = ["RunFolders", "RunList", "RunRow"]


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run of a validation."""

    name: str
    """Of its folder."""
    vector: int
    halved_tolerances: bool
    """Whether it belongs to the measurement of the reference's own error."""
    bit_lines: tuple[int, ...]
    deck_sha256: str
    run_key: str
    """Its name in a store."""
    left_out: str | None
    """Why it has no folder; None: it has one."""


@dataclass(frozen=True, kw_only=True)
class RunList:
    """The runs of a validation, with or without their folders."""

    rows: tuple[RunRow, ...]
    again: str
    """The command that runs a deck again, in its folder."""

    @property
    def left_out(self) -> tuple[RunRow, ...]:
        """Those without a folder."""
        return tuple(row for row in self.rows if row.left_out is not None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(kw_only=True)
class RunFolders:
    """Writes the runs of one report after another out of `store`, up to `max_byte` in all.

    In the order of passes, vectors and groups of columns; the first run that does not fit ends it, so that equal inputs
    give equal folders. Model files, which many decks share, are written once and linked where the disk can do that.
    """

    store: RunStore
    max_byte: int
    n_kept: int = 0
    n_left_out: int = 0
    _written: int = 0
    _models: dict[str, Path] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Runs with and without a folder so far."""
        return {"kept": self.n_kept, "left_out": self.n_left_out}

    def write(self, validation: Validation, folder: Path) -> RunList:
        """Write a folder a run into `folder` (made if there is any) and say which runs there are."""
        rows, full = [], False
        for place in _places(validation):
            left_out = "no room" if full else self._write(place, folder / place.name)
            full = left_out == "no room"
            self.n_kept += left_out is None
            self.n_left_out += left_out is not None
            rows.append(
                RunRow(
                    name=place.name,
                    vector=place.vector,
                    halved_tolerances=place.halved,
                    bit_lines=place.deck.lines,
                    deck_sha256=place.deck.sha256,
                    run_key=place.key,
                    left_out=left_out,
                )
            )
        return RunList(rows=tuple(rows), again=again_command(validation.tile.simulator.engine))

    def _write(self, place: "_Place", folder: Path) -> str | None:
        """Why there is no folder, if there is none."""
        try:
            result = self.store.get(place.key)
            files = None if result is None else run_files(place.deck, result)
        except InputError:
            return "not sound in the store"
        if files is None:
            return "not in the store"
        new = {name: item for name, item in files.items() if name not in self._models}
        n_byte = sum(len(item) if isinstance(item, bytes) else item.stat().st_size for item in new.values())
        if self._written + n_byte > self.max_byte:
            return "no room"
        self._written += n_byte
        folder.mkdir(parents=True)
        for name, item in files.items():
            if isinstance(item, bytes):
                (folder / name).write_bytes(item)
            else:
                self._place_model(item, folder / name)
        return None

    def _place_model(self, source: Path, path: Path) -> None:
        first = self._models.get(path.name)
        if first is not None and first.is_file():
            try:
                os.link(first, path)
            except OSError:
                shutil.copyfile(first, path)
            return
        shutil.copyfile(source, path)
        self._models[path.name] = path


@dataclass(frozen=True, kw_only=True)
class _Place:
    name: str
    vector: int
    halved: bool
    deck: Deck
    key: str


def _places(validation: Validation) -> Iterator[_Place]:
    """Every run of the batch, then those of its first vector with halved tolerances."""
    tile, ticks = validation.tile, validation.ticks
    engine = validation.reference.provenance["engine"]
    for halved in (False, True):
        simulator = tile.simulator.refined() if halved else tile.simulator
        batch = ticks[:1] if halved else ticks
        n_pass = len(tile_passes(tile, batch))
        decks = batch_decks(tile, validation.conductances, batch, cell=validation.cell, simulator=simulator)
        n_group = runs_per_vector(tile) // n_pass
        for number, deck in enumerate(decks):
            index, vector = divmod(number // n_group, len(batch))
            parts = [f"vector_{vector:04d}"]
            parts += [f"pass_{index}"] if n_pass > 1 else []
            parts += [f"lines_{deck.lines[0]}-{deck.lines[-1]}"] if n_group > 1 else []
            parts += ["halved_tolerances"] if halved else []
            key = Job(deck=deck, engine=engine, timeout_second=simulator.timeout_second).key
            yield _Place(name="_".join(parts), vector=vector, halved=halved, deck=deck, key=key)
