"""Prints charges and codes of each line at the end of each window: `python charges.py` after `vacask bench.sim`.

Written by `tilemodel export --to verilog-a`; bench.sim runs it. Reads bench.sim and tran1.raw in its own folder.
"""

import re
import sys
from array import array
from bisect import bisect_left
from pathlib import Path

FOLDER = Path(__file__).parent


def vectors() -> dict[str, list[float]]:
    """The vectors of tran1.raw by name."""
    head, data = (FOLDER / "tran1.raw").read_bytes().split(b"Binary:\n", 1)
    names = re.findall(r"^\s+\d+\s+(\S+)", head.decode().split("\nVariables:")[1], re.MULTILINE)
    values = array("d")
    values.frombytes(data[: len(data) // (8 * len(names)) * 8 * len(names)])
    return {name: values[place :: len(names)].tolist() for place, name in enumerate(names)}


def main() -> None:
    found, bench = vectors(), (FOLDER / "bench.sim").read_text()
    time, full_scale = found["time"], float(re.findall(r"^// full scale (\S+)", bench, re.MULTILINE)[0])
    lines = sorted(int(name[1:]) for name in found if re.fullmatch(r"q\d+", name))
    write = sys.stdout.write
    converts = any(any(found[f"code{line}"]) for line in lines)
    for number, vector, _, end in re.findall(r"^// window (\d+) (\d+) (\S+) (\S+)", bench, re.MULTILINE):
        # the integrators hold from here on until the reset
        place = bisect_left(time, float(end) * (1 - 1e-9))
        for line in lines:
            write(f"q_{number}_{vector}_{line} = {full_scale * found[f'q{line}'][place]:.12e}\n")
            if converts:
                write(f"code_{number}_{vector}_{line} = {found[f'code{line}'][place]:.9e}\n")


if __name__ == "__main__":
    main()
