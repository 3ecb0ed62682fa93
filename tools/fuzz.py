"""Coverage-guided fuzzing of everything that reads a file, with atheris: `make fuzz`, or `fuzz.py TARGET SECONDS`.

Each target takes any bytes and may raise the one error that it promises; anything else is a find, and atheris writes
the bytes that led to it to a file.
"""

import contextlib
import hashlib
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # atheris' import hook does not see an editable installation

with atheris.instrument_imports(include=["tilemodel.config", "tilemodel.compact", "spice_netlists", "tomllib"]):
    import numpy as np

    from spice_netlists.errors import SimulatorError
    from spice_netlists.rawfile import read_raw
    from spice_netlists.runs.record import from_bytes
    from tilemodel.compact import load_model
    from tilemodel.config.arrays import read_arrays
    from tilemodel.config.errors import InputError
    from tilemodel.config.load import load_tile

FOLDER = Path(tempfile.mkdtemp(prefix="tilemodel-fuzz-"))
RAW = (
    b"Title: x\nDate: today\nPlotname: Transient Analysis\nFlags: real\nNo. Variables: 2\nNo. Points: 3\nVariables:\n"
    b"\t0\ttime\ttime\n\t1\ti(v)\tcurrent\nBinary:\n" + np.arange(6.0).tobytes()
)


def from_file(name: str, load: Callable[[Path], object]) -> Callable[[bytes], None]:
    """A target that hands its bytes to `load` as a file."""

    def target(data: bytes) -> None:
        path = FOLDER / name
        path.write_bytes(data)
        with contextlib.suppress(InputError, SimulatorError):
            load(path)

    return target


def arrays(data: bytes) -> None:
    with contextlib.suppress(InputError):
        read_arrays(io.BytesIO(data), 1_000_000)


def record(data: bytes) -> None:
    """With the right hash, so that what lies behind it is reached."""
    head = b"tilemodel-run-1 sha256 " + hashlib.sha256(data).hexdigest().encode() + b"\n"
    with contextlib.suppress(InputError):
        from_bytes(head + data, "a" * 64)


def array_seeds() -> list[bytes]:
    seeds = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, record=np.frombuffer(b"{}", dtype=np.uint8), time_second=np.arange(3.0), lines=np.arange(1))
        seeds.append(file.getvalue())
    file = io.BytesIO()
    np.save(file, np.ones((2, 3)))
    return [*seeds, file.getvalue()]


TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "tile": (from_file("tile.toml", load_tile), [path.read_bytes() for path in (ROOT / "examples").rglob("*.toml")]),
    "model": (
        from_file("model.json", load_model),
        [path.read_bytes() for path in (ROOT / "docs/studies").rglob("model*.json")],
    ),
    "raw": (from_file("out.raw", lambda path: read_raw(path, ("time", "i(v)"))), [RAW]),
    "arrays": (arrays, array_seeds()),
    "record": (record, array_seeds()),
}


def main() -> None:
    name, seconds = sys.argv[1:3]
    target, seeds = TARGETS[name]
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-timeout=20", str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
