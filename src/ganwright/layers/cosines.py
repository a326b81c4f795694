"""How similar the samples of a batch are, as distributions that compare between networks."""

from __future__ import annotations

from torch import Tensor, autocast
from torch.nn.functional import log_softmax, normalize

from ganwright.precision import wide


def similarities(maps: Tensor) -> Tensor:
    """log softmax over j != i of cos(map i, map j): [n, ...] to float32 [n, n - 1].

    Ojha et al. (2021), arXiv:2104.06820, section 3.1.
    """
    n = len(maps)
    with autocast(maps.device.type, enabled=False):
        directions = normalize(wide(maps).flatten(1))
        cosines = directions @ directions.T
        # every row of n + 1 entries, from the second on, begins behind one of the diagonal
        others = cosines.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)
        return log_softmax(others, 1)
