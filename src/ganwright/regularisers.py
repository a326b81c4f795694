"""Regularisers of G: further terms of its objective that keep it steady or its samples varied.

Each is called with G, D, what D is shown of real and fake, and its memory: the state it keeps, as
buffers that the game owns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize
from torch.nn.utils.parametrize import is_parametrized

from ganwright.config.checked import Checked
from ganwright.config.ranges import BelowOne, Count, NonNegative
from ganwright.errors import SettingsError
from ganwright.layers.forward_state import Moved
from ganwright.losses import Inputs
from ganwright.networks.base import WEIGHTED, Discriminator
from ganwright.precision import wide
from ganwright.seeds import generators_kept, seed_everything


def features(D: Discriminator, x: Inputs) -> Tensor:
    """D's features of `x`, which may be a tuple of D's arguments: float32 [n, width]."""
    return wide(D.features(*x) if isinstance(x, tuple) else D.features(x))


def pulling_away(codes: Tensor) -> Tensor:
    """Mean squared cosine between the codes, [n, c], of different samples; n is 2 or more.

    Zhao et al. (2017), arXiv:1609.03126, section 2.4.

    Raises:
        SettingsError: there is one sample only.
    """
    n = len(codes)
    if n < 2:
        raise SettingsError("the pulling-away term compares samples; take batches of 2 or more")
    with torch.autocast(codes.device.type, enabled=False):
        directions = normalize(wide(codes))
        squares = (directions @ directions.T).square()
    return (squares.sum() - squares.diagonal().sum()) / (n * (n - 1))


@dataclass(frozen=True)
class Regulariser(Checked):
    """Base of the regularisers of G.

    Args:
        weight: factor on the cost.
    """

    weight: NonNegative = 1.0

    @property
    def name(self) -> str:
        """What its term is called."""
        return type(self).__name__

    def __call__(
        self, G: nn.Module, D: Discriminator, real: Inputs, fake: Inputs, memory: nn.Module
    ) -> Tensor:
        """The weighted cost, a scalar."""
        return self.weight * self.cost(G, D, real, fake, memory)

    def cost(
        self, G: nn.Module, D: Discriminator, real: Inputs, fake: Inputs, memory: nn.Module
    ) -> Tensor:
        """The cost before its weight."""
        raise NotImplementedError

    def memory(self, G: nn.Module) -> nn.Module:
        """A fresh memory; empty here. It is a `Moved` if `after` changes more than numbers."""
        return nn.Module()

    def begin(self, G: nn.Module, memory: nn.Module, scores: Callable[[int], Tensor]) -> None:
        """Called once, before training, with the weights that G and D begin with.

        Args:
            scores: D's scores of so many new samples, which depend on G's weights.
        """

    def after(self, G: nn.Module, memory: nn.Module) -> None:
        """Called without gradients once G has moved: what the memory takes in."""


@dataclass(frozen=True)
class FeatureMatching(Regulariser):
    """Salimans et al. (2016), arXiv:1606.03498, section 3.1: |E f(x) - E f(G(z))|², f D's features.

        weight |E[f(x)] - E[f(G(z))]|²

    The square of the distance, summed over the features.
    """

    def cost(
        self, G: nn.Module, D: Discriminator, real: Inputs, fake: Inputs, memory: nn.Module
    ) -> Tensor:
        gap = features(D, real).mean(0) - features(D, fake).mean(0)
        return gap.square().sum()


@dataclass(frozen=True)
class PullingAway(Regulariser):
    """Zhao et al. (2017), arXiv:1609.03126, section 2.4: mean squared cosine of sample features.

        weight mean over i != j of (f_i · f_j / (|f_i| |f_j|))²     f_i = f(G(z_i))

    The features are D's; a sample is not compared with itself.
    """

    weight: NonNegative = 0.1

    def cost(
        self, G: nn.Module, D: Discriminator, real: Inputs, fake: Inputs, memory: nn.Module
    ) -> Tensor:
        return pulling_away(features(D, fake))


class _History(Moved):
    """The running mean of a network's weights, in one flat buffer, and how many it is of."""

    mean: Tensor
    count: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", flat(network).detach())
        self.register_buffer("count", torch.ones(()))


@dataclass(frozen=True)
class HistoricalAveraging(Regulariser):
    """Salimans et al. (2016), arXiv:1606.03498, section 3.3: |theta - mean of past theta|².

        weight |θ - mean of past θ|²

    theta are G's weights; the square is summed over them. The paper adds the term to each player's
    cost; here G alone has it.

    Args:
        decay: weight of the mean's past in a moving average; the paper's plain mean over all
            moves when not given.
    """

    weight: NonNegative = 1e-3
    decay: BelowOne | None = None

    def cost(
        self, G: nn.Module, D: Discriminator, real: Inputs, fake: Inputs, memory: nn.Module
    ) -> Tensor:
        assert isinstance(memory, _History)
        return (flat(G) - memory.mean).square().sum()

    def memory(self, G: nn.Module) -> nn.Module:
        return _History(G)

    def after(self, G: nn.Module, memory: nn.Module) -> None:
        assert isinstance(memory, _History)
        memory.count += 1
        share = 1 / memory.count if self.decay is None else 1 - self.decay
        memory.mean += share * (flat(G) - memory.mean)


class _Origin(nn.Module):
    """The weights that a network began with, and how much each of them matters."""

    weights: Tensor
    importance: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("weights", flat(network).detach())
        self.register_buffer("importance", torch.zeros_like(self.weights))


@dataclass(frozen=True)
class EWC(Regulariser):
    """Li et al. (2020), arXiv:2012.02780: G's weights stay near those that it began with.

        weight sum over i of F_i (θ_i - θ_S,i)²     F = E[(∂ log D(G(z)) / ∂θ)²] at θ_S

    Elastic weight consolidation, for few images: with `init`, θ_S are the weights of another run's
    G, and F, the Fisher information of each, is estimated once by that run's D.

    Args:
        samples: how many F is the mean of.
    """

    weight: NonNegative = 5e8
    samples: Count = 256

    def cost(
        self, G: nn.Module, D: Discriminator, real: Inputs, fake: Inputs, memory: nn.Module
    ) -> Tensor:
        assert isinstance(memory, _Origin)
        return (memory.importance * (flat(G) - memory.weights).square()).sum()

    def memory(self, G: nn.Module) -> nn.Module:
        return _Origin(G)

    def begin(self, G: nn.Module, memory: nn.Module, scores: Callable[[int], Tensor]) -> None:
        assert isinstance(memory, _Origin)
        with generators_kept(), torch.enable_grad():
            seed_everything("EWC")
            seen, total = 0, torch.zeros_like(memory.importance)
            while seen < self.samples:
                for likelihood in logsigmoid(wide(scores(_TOGETHER))).flatten():
                    total += _slope(likelihood, G).square()
                    seen += 1
        memory.importance.copy_(total / seen)


_TOGETHER = 8
"""Samples that are judged together, since some discriminators compare those of a batch."""


def _slope(value: Tensor, network: nn.Module) -> Tensor:
    """The gradient of a number by all weights of a network, in one vector; 0 by frozen ones."""
    weights = list(network.parameters())
    free = [w for w in weights if w.requires_grad]
    found = torch.autograd.grad(value, free, retain_graph=True, allow_unused=True)
    slopes = iter(found)
    parts = ((next(slopes) if w.requires_grad else None, w) for w in weights)
    return torch.cat([(torch.zeros_like(w) if g is None else g).flatten() for g, w in parts])


@dataclass(frozen=True)
class Orthogonality(Regulariser):
    """Brock et al. (2019), arXiv:1809.11096, eq. 3: G's filters are kept at right angles.

        weight sum over W of |WᵀW ∘ (1 - I)|²     a column of W for each filter of a layer

    The squared inner products of different filters of each convolution and fully connected layer,
    whose lengths stay free; before spectral norm, if there is any. Embeddings are no filters, nor
    are weights that are scaled or modulated when they are used, as those of stylegan2.
    """

    weight: NonNegative = 1e-4

    def cost(
        self, G: nn.Module, D: Discriminator, real: Inputs, fake: Inputs, memory: nn.Module
    ) -> Tensor:
        costs = [_apart(filters) for module in G.modules() for filters in _filters(module)]
        if not costs:
            raise SettingsError(
                "Orthogonality compares the filters of torch's own convolutions and linear layers, "
                "and this G has none; those of stylegan2 and stylegan3 have weights that are "
                "scaled or modulated when they are used, so leave it out"
            )
        return torch.stack(costs).sum()


_MANY = 1024
"""Filters whose inner products with each other are a small matrix."""


def _apart(filters: Tensor) -> Tensor:
    """The sum of the squared inner products of different rows."""
    with torch.autocast(filters.device.type, enabled=False):
        rows = wide(filters)
        if len(rows) > max(_MANY, 2 * rows.shape[1]):
            # |W W^T|² = |W^T W|², which is as small as the rows are short: of BigGAN's first layer,
            # 16,384 rows of 20, the products would take gigabytes
            all_pairs = (rows.T @ rows).square().sum()
            return all_pairs - rows.square().sum(1).square().sum()
        products = rows @ rows.T
        same = torch.eye(len(filters), device=filters.device, dtype=torch.bool)
        return products.masked_fill(same, 0.0).square().sum()


def _filters(module: nn.Module) -> Iterator[Tensor]:
    """The filters of a layer, one per row, as its optimizer sees them; none of other modules."""
    if isinstance(module, WEIGHTED):
        weight = module.weight
        if is_parametrized(module, "weight"):
            assert isinstance(module.parametrizations, nn.ModuleDict)
            weight = getattr(module.parametrizations["weight"], "original", weight)
        turned = isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d)
        yield (weight.transpose(0, 1) if turned else weight).flatten(1)


def flat(network: nn.Module) -> Tensor:
    """All weights of a network in one vector."""
    return torch.cat([w.flatten() for w in network.parameters()])


def refuse_repeats(regularisers: Sequence[Regulariser]) -> None:
    """Two regularisers of one class would share a term's name.

    Raises:
        SettingsError: naming the class.
    """
    names = [r.name for r in regularisers]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{name} is given twice; give one, with the sum of the weights")


REGULARISERS: dict[str, type[Regulariser]] = {
    "EWC": EWC,
    "FeatureMatching": FeatureMatching,
    "HistoricalAveraging": HistoricalAveraging,
    "Orthogonality": Orthogonality,
    "PullingAway": PullingAway,
}
