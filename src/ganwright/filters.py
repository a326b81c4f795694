"""One-dimensional filters as matrices, whose products have gradients of any order."""

from __future__ import annotations

from torch import Tensor


def banded(row: Tensor, places: Tensor) -> Tensor:
    """A matrix with `row[places]` where there is such a tap, and 0 elsewhere."""
    inside = (places >= 0) & (places < len(row))
    return row[places.clamp(0, len(row) - 1)] * inside


def by_matrices(x: Tensor, A: Tensor, B: Tensor) -> Tensor:
    """Images with each column times A and each row times B: A x B^T.

    Args:
        x: [n, C, H, W], in any memory format, which what comes out has too.
        A: [H', H].
        B: [W', W].

    Returns:
        [n, C, H', W'].
    """
    n, c = x.shape[:2]
    if x.stride(1) != 1:
        return A @ (x @ B.T)
    x = A @ x.permute(0, 2, 3, 1).reshape(n, A.shape[1], -1)
    x = (B @ x.reshape(-1, B.shape[1], c)).reshape(n, len(A), len(B), c)
    return x.permute(0, 3, 1, 2)
