"""CDC: Ojha, Li, Lu, Efros, Lee, Shechtman and Zhang (2021), arXiv:2104.06820.

    G minimises      L(D_near, G(z)) + weight mean over l and i of KL(p_i^l || q_i^l)
    D_near maximises what L takes from it; L and R1 are StyleGAN2's, as are its path lengths

    p_i^l = softmax over j != i of cos(S^l(z_i), S^l(z_j))      S: the G that training starts from
    q_i^l = softmax over j != i of cos(G^l(z_i), G^l(z_j))      S^l, G^l: the maps of size l

For a few images of a new domain: each sample keeps its distances from the others, so that G cannot
draw the few images alone. In every 4th step, z lies near one of k anchors that never change, and
D_near judges whole images. In all others z ~ p(z), and D_near judges patches: its maps after some
blocks, and a convolution of them. S stays as it is. Batches of 4, Adam 2e-3.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div

from ganwright.config.ranges import Count, NonNegative, Range
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.stylegan2 import StyleGAN2
from ganwright.game import Terms
from ganwright.layers.cosines import similarities
from ganwright.layers.equalised import EqualConv2d
from ganwright.networks import StyleNet
from ganwright.networks.style import StyleGenerator, Synthesis
from ganwright.networks.style_critic import StyleDiscriminator
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import R1, Penalty
from ganwright.precision import wide


class CDC(StyleGAN2):
    """Adapts a trained StyleGAN2 to a few images, keeping how its samples differ."""

    title = "Cross-domain correspondence (2021)"
    paper = "2104.06820"
    batch_size = 4
    adapts = "ganwright restyle RUN --data FOLDER"

    D: StyleDiscriminator
    anchors: Tensor
    near: Tensor

    @dataclass(frozen=True, kw_only=True)
    class Config(StyleGAN2.Config):
        switches = (("compared", "distance_weight"),)

        networks: StyleNet = StyleNet(base=16_384, mapping_G=2)
        """Architecture of G and D: that of the run training starts from."""
        penalties: tuple[Penalty, ...] = (R1(weight=10.0, every=16),)
        """Penalties on D, whole or of patches as the step has it."""
        anchors: Count = 10
        """k: points that z lies near when whole images are judged; the paper takes one an image."""
        spread: NonNegative = 0.1
        """Standard deviation of z around an anchor; .1 in the authors' code, .05 in the paper."""
        whole_every: Count = 4
        """Steps from one in which whole images are judged to the next."""
        distance_weight: NonNegative = 1000.0
        """Weight of the distances' divergence."""
        compared: Annotated[int, Range(3)] = 4
        """Samples that are compared with each other."""
        patch: Count | None = None
        """Blocks of D before patches are judged; by default, the most behind which a place in a map
        sees a quarter of the image's side or less, and one at least."""
        optimizer_d: Optimizer = Adam(lr=2e-3, betas=(0.0, 0.99))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=2e-3, betas=(0.0, 0.99))
        """Optimizer of G."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.depth = self.blocks(min(spec.shape[1:])) if cfg.patch is None else cfg.patch
        if self.depth > len(self.D.blocks):
            raise SettingsError(
                f"patch is {cfg.patch}; D has {len(self.D.blocks)} blocks for images of "
                f"{spec.shape[1]}x{spec.shape[2]}, give 1 to {len(self.D.blocks)}"
            )
        width = cfg.networks.plan(spec.shape)[1][::-1][self.depth]
        self.P = nn.Sequential(EqualConv2d(width, width, 3), EqualConv2d(width, 1, 1, active=False))
        self.source = deepcopy(self.G).eval().requires_grad_(False)
        self.register_buffer(
            "anchors", cfg.prior.draw(cfg.anchors, cfg.latent, torch.device("cpu"))
        )
        self.register_buffer("near", torch.tensor(True), persistent=False)

    @property
    def filled(self) -> tuple[str, ...]:
        return ("source",)

    @staticmethod
    def blocks(side: int) -> int:
        """How many of D's blocks see patches of at most a quarter of a side; one at least.

        One sees 8 pixels, two see 22, three see 50: each doubles the step of the next one's seven.
        The 3x3 convolution of their maps sees two such steps more: 12, 30, 66.
        """
        count = 1
        while 1 + 7 * (2 ** (count + 1) - 1) <= side / 4:
            count += 1
        return count

    def before_training(self) -> None:
        """S is the G that training starts from."""
        super().before_training()
        self.source.load_state_dict(self.G.state_dict())

    def before_step(self, step: int) -> None:
        super().before_step(step)
        self.near.fill_(step % self.cfg.whole_every == 0)

    @property
    def judges(self) -> list[nn.Module]:
        return [self.D, self.P]

    def fakes(self, batch: Images) -> Tensor:
        """Samples from near the anchors, or from everywhere, with mixed styles."""
        n = len(batch.images)
        mix = self.mix(n)
        if mix is not None:
            other, first = mix
            mix = other, torch.where(self.near, self.G.synthesis.count, first)
        images: Tensor = self.G(self.codes(n), batch.labels, mix=mix)
        return images

    def codes(self, n: int) -> Tensor:
        """z [n, latent] of a step."""
        picked = torch.randint(len(self.anchors), (n,), device=self.device)
        around = self.anchors[picked] + self.cfg.spread * torch.randn(
            n, self.cfg.latent, device=self.device
        )
        return torch.where(self.near, around, self.noise(n))

    def logits(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Scores [n, patches] of plain images [n, C, H, W], or each image's own, repeated."""
        maps = self.D.maps(self.shown(x))
        patches = wide(self.P(maps[self.depth - 1])).flatten(1)
        whole = self.D.score(self.D.closing(maps[-1]), y)
        return torch.where(self.near, whole[:, None].expand_as(patches), patches)

    def through(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of the logits, [n], which penalties differentiate."""
        return self.logits(x, y).mean(1)

    def generator(self, batch: Images) -> Terms:
        return {**super().generator(batch), "dist": self.cfg.distance_weight * self.distance()}

    def distance(self) -> Tensor:
        """KL(p || q), a mean over sizes and over all entries of the distributions.

        The mean over entries, and not over samples, is that of the authors' code.
        """
        n = self.cfg.compared
        z, y = self.noise(n), self._labels(n) if self.classes else None
        noise = [torch.randn(n, 1, *size, device=self.device) for size in self.G.synthesis.maps]
        with torch.no_grad():
            before = maps_of(self.source, z, y, noise)
        after = maps_of(self.G, z, y, noise)
        pairs = [
            kl_div(similarities(q), similarities(p), reduction="none", log_target=True).mean()
            for p, q in zip(before, after, strict=True)
        ]
        return torch.stack(pairs).mean()


def maps_of(G: StyleGenerator, z: Tensor, y: Tensor | None, noise: list[Tensor]) -> list[Tensor]:
    """G^l(z) of each size but the smallest, behind its first convolution: [n, c, h, w]."""
    seen: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    synthesis: Synthesis = G.synthesis
    w = G.mapping(z, y)[:, None].expand(-1, synthesis.count, -1)
    synthesis(w, noise, [keep] * (len(synthesis.blocks) - 1))
    return seen
