"""Kernels kept on disk outlive a change of version."""

import subprocess
import sys

MODULE = """
from typing import NamedTuple

from tilemodel.solvers.compile import compiled


class {name}(NamedTuple):
    x: float


@compiled()
def twice(given):
    return 2 * given.x


print(twice({name}(1.5)))
"""


def test_what_an_older_version_kept_is_compiled_anew_where_its_types_are_gone(tmp_path):
    for name in ("Before", "After", "After"):
        (tmp_path / "kernels.py").write_text(MODULE.format(name=name))
        command = [sys.executable, "-c", "import kernels"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout == "3.0\n", done.stderr
    assert list((tmp_path / "__pycache__").glob("*.nbi"))
