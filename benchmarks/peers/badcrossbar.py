"""badcrossbar 1.1.0: nodal analysis of a passive crossbar with sparse matrices, anew for every call."""

import logging

import numpy as np

from benchmarks.peers.common import Currents, FloatArray, not_importable

__all__ = ["NAME", "available", "mesh"]

NAME = "badcrossbar"


def available() -> str | None:
    """None if badcrossbar can be imported, else the reason."""
    return not_importable(
        "badcrossbar", "apt-get install libcairo2-dev pkg-config, then pip install badcrossbar==1.1.0"
    )


def mesh(g_siemens: FloatArray, r_row_ohm: float, r_bit_line_ohm: float) -> Currents:
    """Currents of a passive crossbar [n_row, n_line]; it keeps nothing between calls, so programming costs nothing."""
    import badcrossbar

    logging.getLogger("badcrossbar").setLevel(logging.WARNING)  # it reports every step
    with np.errstate(divide="ignore"):
        resistances = 1.0 / g_siemens

    def currents(v: FloatArray) -> FloatArray:
        solution = badcrossbar.compute(
            np.ascontiguousarray(v.T),
            resistances,
            r_i_word_line=r_row_ohm,
            r_i_bit_line=r_bit_line_ohm,
            node_voltages=False,
            all_currents=False,
        )
        output: FloatArray = np.asarray(solution.currents.output, dtype=np.float64)
        return output

    return currents
