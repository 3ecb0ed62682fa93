"""A linear tile whose row wires and bit lines both resist: its effective matrix, by a ladder of matrices.

Eliminating the rails of row i leaves conductances between the bit lines there. Walking over the rows, all that
lies behind is a network between the n_line nodes of the current row, the front: a conductance matrix
Y = diag(A 1 + S^T 1) - A, with A >= 0 between the lines and S >= 0 [n_source, n_line] the current into the front
held at 0 V for 1 V at each source. Moving the front through the conductances `ahead` [n_line] gives

    P = (Y + diag(ahead))^-1,    S <- S P diag(ahead),    A <- diag(ahead) P diag(ahead) off the diagonal.

Lines that are clamped behind the walk's start: their clamps are sources, and the currents E [n_source, n_clamp]
into them for a front at 0 V grow by S P S_clamp^T at each move. Nothing is ever subtracted but in the Cholesky
factorisation. Derivation and cost: docs/mesh.md.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, blas, lapack

__all__ = ["DrivenEnd", "Rows", "ends_of_rails", "inverse", "looking_west", "mesh_transfer"]

FloatArray = NDArray[np.float64]
DrivenEnd = Literal["west", "east", "both"]

# Rails along which a voltage falls by more than exp(this) are treated apart: exp() of twice as much overflows
_STEEP = 300.0


def mesh_transfer(
    g: FloatArray,
    *,
    r_bit_ohm: float,
    r_end_ohm: float,
    r_row_ohm: float,
    r_driver_ohm: float,
    driven_end: DrivenEnd,
    north: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray]:
    """Transfer [K, n_row, n_line] and `y_in` [n_line, n_line], both in siemens.

    With driver voltages V [K, n_row] and clamp voltages C [n_line], the current into the clamp of line l is
    sum_ki transfer[k, i, l] V[k, i] - sum_m y_in[l, m] C[m].

    `g` [K, n_row, n_line] [siemens] joins rail k of row i to line l; `north` [n_line] says which lines are clamped
    before row 0, the others behind the last row. Between driver and first node lie `r_driver_ohm` and one
    `r_row_ohm`, between clamp and nearest node `r_end_ohm` and one `r_bit_ohm`. O(n_row n_line^2 (n_line + K n_row)).
    """
    n_rail, n_row, n_line = g.shape
    early = np.zeros(n_line, dtype=bool) if r_bit_ohm == 0.0 else np.array(north, dtype=bool)  # an ideal line: no ends
    flip = 2 * np.count_nonzero(early) > n_line
    if flip:
        g, early = g[:, ::-1], ~early

    rows = Rows(g, r_row_ohm, r_driver_ohm, driven_end)
    r_last = r_bit_ohm + r_end_ohm
    front = _Front(early, n_rail * n_row, 1.0 / r_last if early.any() else 0.0)
    for i in range(n_row):
        if i > 0 and r_bit_ohm > 0.0:
            front.move(np.full(n_line, 1.0 / r_bit_ohm))
        front.join(rows.between_lines(i), rows.sources(i))
    if r_last > 0.0:
        front.move(np.where(early, 0.0, 1.0 / r_last))

    by_source, y_in = front.seen_from_clamps()
    transfer = np.ascontiguousarray(by_source.reshape(n_row, n_rail, n_line).transpose(1, 0, 2))
    return (transfer[:, ::-1] if flip else transfer), y_in


class _Front:
    """What lies behind the current row, seen from its nodes: A, S and E of the module's text.

    Of symmetric matrices only the upper triangle means anything; LAPACK sees it, transposed, as the lower one. The
    sources are the clamps behind the start and then the rails in the order in which they joined.
    """

    def __init__(self, early: NDArray[np.bool_], n_source: int, g_clamp: float) -> None:
        """`early` [n_line]: clamped behind the start, through `g_clamp` [siemens]; `n_source` rails will join."""
        lines = np.flatnonzero(early)
        self._early = early
        self._n_early = self._n = lines.size
        self._a = np.zeros((early.size, early.size))
        self._s = np.zeros((lines.size + n_source, early.size))
        self._spare = np.zeros_like(self._s)
        self._e = np.zeros((lines.size + n_source, lines.size))
        self._s[np.arange(lines.size), lines] = g_clamp

    def join(self, between_lines: FloatArray, sources: FloatArray) -> None:
        """Add a row at the front: conductances between the lines (upper triangle) and its sources [K, n_line]."""
        self._a += between_lines
        np.fill_diagonal(self._a, 0.0)  # as P and `between_lines` come, it is not
        self._s[self._n : self._n + len(sources)] = sources
        self._n += len(sources)

    def move(self, ahead: FloatArray) -> None:
        """Move the front through the conductances `ahead` [n_line] [siemens]; 0 leaves a line's node behind."""
        s, through = self._s[: self._n], self._spare[: self._n]
        y = -self._a
        ones = np.ones(len(y))
        np.fill_diagonal(y, blas.dsymv(1.0, self._a.T, ones, lower=1) + s.sum(axis=0) + ahead)
        p = inverse(y)
        blas.dsymm(1.0, p.T, s.T, c=through.T, lower=1, overwrite_c=1)
        if self._n_early:
            e = self._e[: self._n]
            blas.dgemm(1.0, s[: self._n_early].T, through.T, beta=1.0, c=e.T, trans_a=1, overwrite_c=1)
        through *= ahead
        self._s, self._spare = self._spare, self._s
        p *= ahead
        p *= ahead[:, np.newaxis]
        self._a = p

    def seen_from_clamps(self) -> tuple[FloatArray, FloatArray]:
        """Transfer of the rails [n_source, n_line] and y_in [n_line, n_line], the front having reached the clamps."""
        by_source = self._s[: self._n]
        by_source[:, self._early] = self._e[: self._n]
        transfer = by_source[self._n_early :]
        between = np.triu(self._a, 1)
        between += between.T
        between[self._early] = by_source[: self._n_early]
        between[:, self._early] = by_source[: self._n_early].T
        np.fill_diagonal(between, 0.0)
        return transfer, np.diag(transfer.sum(axis=0) + between.sum(axis=1)) - between


def inverse(matrix: FloatArray) -> FloatArray:
    """Upper triangle of the inverse of a positive definite matrix, of which only that triangle is read; in place."""
    factor, failed = lapack.dpotrf(matrix.T, lower=1, overwrite_a=1)
    if not failed:
        inverse, failed = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed:
        message = "the mesh has no solution in float64: expected finite conductances >= 0 and resistances >= 0"
        raise LinAlgError(message)
    result: FloatArray = inverse.T
    return result


class Rows:
    """Every rail eliminated on its own: what it does to the bit lines. Arrays are [K, n_row, n_line].

    With `west` and `east` the conductance that a node sees of its rail to either side (own cell excluded), the
    voltage at node l for a unit current there is 1 / (west + cell + east), and from a node to the next one
    eastward the voltage falls by 1 / (1 + r (cell + east)). `fall` is minus the logarithm of these, summed.
    """

    def __init__(self, g: FloatArray, r_ohm: float, r_driver_ohm: float, driven_end: DrivenEnd) -> None:
        self._sources = g
        self._injected = np.zeros(g.shape)
        self._collected = g
        self._fall = np.zeros(g.shape)
        if r_ohm + r_driver_ohm > 0.0:
            self._eliminate(g, r_ohm, r_driver_ohm, driven_end)
        self._steep = bool(self._fall.max(initial=0.0) > _STEEP)
        if not self._steep:
            self._injected = self._injected * np.exp(self._fall)
            self._collected = self._collected * np.exp(-self._fall)

    def _eliminate(self, g: FloatArray, r_ohm: float, r_driver_ohm: float, driven_end: DrivenEnd) -> None:
        g_west, g_east = ends_of_rails(r_ohm, r_driver_ohm, driven_end)
        west = looking_west(g, r_ohm, g_west)
        east = looking_west(g[..., ::-1], r_ohm, g_east)[..., ::-1]
        own_ohm = 1.0 / (west + g + east)
        np.cumsum(np.log1p(r_ohm * (east + g)[..., 1:]), axis=-1, out=self._fall[..., 1:])
        from_west = g_west * own_ohm[..., :1] * np.exp(-self._fall)
        from_east = g_east * own_ohm * np.exp(self._fall - self._fall[..., -1:])
        self._sources = g * (from_west + from_east)
        self._injected = g * own_ohm

    def sources(self, i: int) -> FloatArray:
        """Current into each grounded line for 1 V at the driver of each rail of row i [siemens], [K, n_line]."""
        return self._sources[:, i]

    def between_lines(self, i: int) -> FloatArray:
        """Conductances that row i puts between the lines [siemens], [n_line, n_line], right of the diagonal."""
        injected, collected, fall = self._injected[:, i], self._collected[:, i], self._fall[:, i]
        if not self._steep:
            between: FloatArray = blas.dgemm(1.0, collected.T, injected.T, trans_b=1).T
            return between
        gain = np.exp(np.minimum(fall[:, :, np.newaxis] - fall[:, np.newaxis], 0.0))
        total: FloatArray = np.einsum("ka,kab,kb->ab", injected, gain, collected)
        return total


def ends_of_rails(r_ohm: float, r_driver_ohm: float, driven_end: DrivenEnd) -> tuple[float, float]:
    """Conductances [siemens] between the driver and a rail's first and last node; 0 where it is not driven."""
    g_first = 1.0 / (r_ohm + r_driver_ohm)
    return (0.0 if driven_end == "east" else g_first), (0.0 if driven_end == "west" else g_first)


def looking_west(g: FloatArray, r_ohm: float, g_first: float) -> FloatArray:
    """Conductance that each rail node sees to its west [siemens], the rail ending there in `g_first`."""
    seen = np.empty(g.shape)
    seen[..., 0] = g_first
    for line in range(1, g.shape[-1]):
        behind = seen[..., line - 1] + g[..., line - 1]
        seen[..., line] = behind / (1.0 + r_ohm * behind)
    return seen
