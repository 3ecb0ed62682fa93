"""torch on the CPU: the matrix product of the tile's size."""

from benchmarks.peers.common import FloatArray, Matmul, not_importable

__all__ = ["NAME", "available", "matmul"]

NAME = "torch matmul"


def available() -> str | None:
    """None if torch can be imported, else the reason."""
    return not_importable("torch", "pip install torch==2.13.0")


def matmul(matrix: FloatArray, dtype: str = "float64") -> Matmul:
    """Product with `matrix` [n_row, n_line] in `dtype`, float32 or float64, without gradients."""
    import torch

    kind = getattr(torch, dtype)
    weights = torch.tensor(matrix, dtype=kind)
    return Matmul(
        operand=lambda x: torch.tensor(x, dtype=kind),
        multiply=lambda x: torch.matmul(x, weights),
    )
