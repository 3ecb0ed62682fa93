"""`python set_neurosim_param.py PATH/Param.cpp` sets the values of neurosim.json in NeuroSim V1.4's `Param.cpp`.

Written by `tilemodel export --to neurosim`. The first assignment of each name is changed; the file is left alone if
one of them is missing.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

VALUES: dict[str, Any] = json.loads((Path(__file__).parent / "neurosim.json").read_text())


def with_values(text: str, values: dict[str, Any]) -> str:
    """`text` of `Param.cpp` with the first assignment of every name replaced."""
    for name, value in values.items():
        text, n_changed = re.subn(rf"(?m)^(\s*{name}\s*=\s*)[^;]*;", rf"\g<1>{value!r};", text, count=1)
        if n_changed == 0:
            raise SystemExit(f"no assignment of {name}: is this the Param.cpp of NeuroSim V1.4?")
    return text


if __name__ == "__main__":
    param = Path(sys.argv[1])
    param.write_text(with_values(param.read_text(), VALUES["param_cpp"]))
