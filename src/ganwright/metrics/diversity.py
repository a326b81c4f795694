"""How far samples are apart, and how far a small step of the latent takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from ganwright.config.ranges import Count, Range
from ganwright.data.serve.order import shuffled
from ganwright.errors import DataError, SettingsError, missing_extra
from ganwright.metrics.feature_metric import FeatureMetric
from ganwright.metrics.features import Features, built
from ganwright.metrics.image_set import AT_ONCE, ImageSet, labels_of
from ganwright.metrics.metric import Metric
from ganwright.metrics.packaged import packaged_for
from ganwright.metrics.statistics import MORE, Statistics
from ganwright.seeds import generators_kept, seed_of, seed_torch

Between = Callable[[Tensor, Tensor], Tensor]
"""Two batches of images to a distance a pair, [n]."""


@dataclass(frozen=True)
class Diversity(FeatureMetric):
    """Mean distance between the features of two samples, over that of two real images.

        E|f(s) - f(s')| / E|f(x) - f(x')|

    s and s' are different samples, x and x' different real images, f their features.
    """

    larger: ClassVar[bool] = True
    kept: ClassVar[bool] = True

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        apart = spread(real.vectors)
        if real.equal(apart):
            raise DataError(
                "Diversity compares with how far real images are apart, and these have equal "
                "features; compare with others, or take other --features"
            )
        return {"diversity": spread(fake.vectors) / apart}


@dataclass(frozen=True)
class LPIPS(Metric):
    """Mean LPIPS distance of random pairs of samples: Zhang et al. (2018), eq. 1.

        E[sum over layers l of mean over pixels |w_l (f_l(s) - f_l(s'))|²]

    f_l are unit vectors of features at layer l, and w_l are trained weights.
    """

    larger: ClassVar[bool] = True

    net: Literal["alex", "vgg"] = "alex"
    """The network; its weights are torchvision's."""

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        between = lpips(self.net, fake.device)
        found = [between(x, y) for x, y in pairs(fake)]
        if not found:
            raise SettingsError(f"LPIPS compares pairs of samples, got {fake.count}; {MORE}")
        return {f"LPIPS diversity ({self.net})": float(torch.cat(found).double().mean())}

    def about(self) -> dict[str, str]:
        return {"features": lpips_key(self.net), "resize": "none"}


@dataclass(frozen=True)
class PathLength(Metric):
    """Squared distance of samples a small step of z apart, over the step's square.

        E[d(G(slerp(z₁, z₂; t)), G(slerp(z₁, z₂; t + ε)))] / ε²     d: squared distance, or LPIPS

    Karras et al. (2019), arXiv:1812.04948, eq. 2, in z. Only with LPIPS of VGG is it called PPL.
    """

    lpips: bool = False
    """Compare by LPIPS of VGG, whose weights are downloaded, instead of features."""
    samples: Count = 2000
    """How many steps are taken."""
    step: Annotated[float, Range(0, 1, low_open=True)] = 1e-2
    """The length of a step, as a share of the way between two latents; the paper's is 1e-4."""
    features: Features | None = None
    """What samples are compared by, as for the metrics of features."""

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        game = fake.game
        if not (hasattr(game, "noise") and hasattr(game, "G")):
            raise SettingsError("PathLength needs a family that makes samples from noise with G")
        if fake.shape and len(fake.shape) != 3:
            raise SettingsError(
                f"PathLength compares images, got samples of shape {tuple(fake.shape)}; leave it "
                "out"
            )
        features = self.fitted(fake).features
        between = squared(features, fake.device) if features else lpips("vgg", fake.device)
        found = []
        with generators_kept(), torch.no_grad():
            seed_torch("path length", fake.seed)
            for start in range(0, self.samples, AT_ONCE):
                n = min(AT_ONCE, self.samples - start)
                found.append(between(*self._ends(game, n, fake.seed, start)))
        length = torch.cat(found).double() / self.step**2
        name = features.named("path length") if features else "PPL"
        return {name: float(length.mean())}

    def fitted(self, fake: ImageSet) -> PathLength:
        features = None if self.lpips else self.features or packaged_for(fake)
        return replace(self, features=features)

    def used(self, count: int) -> int:
        return self.samples

    def about(self) -> dict[str, str]:
        net = self.features.key if self.features else lpips_key("vgg")
        return {"features": net, "steps": f"{self.samples} of {self.step:g}"}

    def _ends(self, game: Any, n: int, seed: int, start: int) -> tuple[Tensor, Tensor]:
        a, b = game.noise(n), game.noise(n)
        labels = labels_of(game, n, seed, start) if getattr(game, "classes", 0) else None
        t = torch.rand(n, *[1] * (a.ndim - 1), device=a.device) * (1 - self.step)
        low, high = slerp(a, b, t), slerp(a, b, t + self.step)
        made: Tensor = game.G(torch.cat([low, high]), None if labels is None else labels.repeat(2))
        first, second = made.float().chunk(2)
        return first, second


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Between rows of two tensors along the great circle, as Gaussian latents lie near a sphere."""
    unit_a, unit_b = (x / x.norm(dim=1, keepdim=True).clamp(min=1e-12) for x in (a, b))
    angle = (unit_a * unit_b).sum(1, keepdim=True).clamp(-1 + 1e-6, 1 - 1e-6).acos()
    between: Tensor = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
    return between


def spread(vectors: Tensor) -> float:
    """Mean distance between rows at random: of neighbours in a ring that is shuffled."""
    ring = mixed(vectors, "spread").double()
    return float((ring - ring.roll(1, 0)).norm(dim=1).mean())


def pairs(images: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
    """Two halves of each part of a set, drawn at random."""
    for i, (part, _) in enumerate(images.walk()):
        half, part = len(part) // 2, mixed(part, "pairs", i)
        if half:
            yield part[:half], part[half : 2 * half]


def mixed(rows: Tensor, *marks: str | int) -> Tensor:
    """Rows in an order that `marks` choose: they may come class by class, or classes in turn."""
    return rows[shuffled(len(rows), seed_of(*marks))]


def squared(features: Features, device: torch.device) -> Between:
    """The squared distance of features."""
    extract = built(features, device)
    return lambda x, y: (extract(x)[0] - extract(y)[0]).square().sum(1)


def lpips(net: Literal["alex", "vgg"], device: torch.device) -> Between:
    """LPIPS as torchmetrics has it.

    Raises:
        MissingExtraError: torchmetrics is not installed.
        SettingsError: the backbone's weights cannot be fetched.
    """
    score = _network(net, device)

    def between(x: Tensor, y: Tensor) -> Tensor:
        x, y = (t.clamp(-1, 1).expand(-1, 3, -1, -1) for t in (x, y))
        distance: Tensor = score.net(x, y)
        return distance.flatten()

    return between


def lpips_key(net: Literal["alex", "vgg"]) -> str:
    """LPIPS for the protocol, with a hash of its weights: the backbone's, and those on top."""
    content = hashlib.sha256()
    for name, tensor in _network(net, torch.device("cpu")).net.state_dict().items():
        content.update(name.encode())
        content.update(tensor.numpy().tobytes())
    return f"lpips-{net}-{content.hexdigest()[:16]}"


@lru_cache(maxsize=2)
def _network(net: Literal["alex", "vgg"], device: torch.device) -> Any:
    """The network, loaded once."""
    try:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
    except ImportError:
        raise missing_extra("LPIPS", "torchmetrics") from None
    try:
        return LearnedPerceptualImagePatchSimilarity(net, reduction="none").to(device)
    except Exception as error:
        raise _no_backbone(net, error) from error


def _no_backbone(net: str, error: Exception) -> SettingsError:
    name = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}[net]
    place = f"{torch.hub.get_dir()}/checkpoints"
    reason = " ".join(str(error).split())[:200]
    return SettingsError(
        f"LPIPS' weights cannot be fetched ({reason}); put torchvision's {name} into {place}, or "
        "take Diversity, which needs none"
    )
