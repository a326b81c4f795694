"""StyleGAN3: Karras, Aittala, Laine, Härkönen, Hellsten, Lehtinen, Aila (2021), arXiv:2106.12423.

    G minimises  E[f(-D(B(G(z))))]                   f(t) = log(1 + e^t)
    D minimises  E[f(D(B(G(z))))] + E[f(-D(B(x)))]
    every 16th step  D minimises  gamma/2 E[|grad D(B(x))|²]

B blurs what D sees at first, in configuration R: by 2^-(t/s)² over the pixels |t| <= 3 s, where s
falls from 10 to 0 over 6,250 steps. In T, B changes nothing.

G starts from waves whose frequencies a style turns and shifts, and each layer keeps to a band of
frequencies, so that details move with the image instead of sticking to pixels. The lazy update and
its correction are StyleGAN2's; neither styles are mixed nor path lengths penalised in training. The
numbers here are those of `stylegan3-t`, with gamma = .5 (side / 128)².
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ganwright.config.ranges import Count, NonNegative
from ganwright.data.types import Images, Spec
from ganwright.families.styled import StyledGame
from ganwright.game import Terms
from ganwright.layers.forward_state import Memory, still
from ganwright.networks import AliasFreeNet
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import R1, Penalty


class StyleGAN3(StyledGame):
    """Band-limited layers, so that images move, and in R turn, as their input does."""

    title = "StyleGAN3 (2021)"
    paper = "2106.12423"

    kernel: Tensor

    @dataclass(frozen=True, kw_only=True)
    class Config(StyledGame.Config):
        switches = (("blur_steps", "blur"),)

        networks: AliasFreeNet = AliasFreeNet()
        """Architecture of G and D."""
        penalties: tuple[Penalty, ...] = (R1(weight=0.03125, every=16),)
        """Penalties on D; the weight is gamma: .5 (side / 128)², as a first guess."""
        blur: NonNegative = 0.0
        """Blur of all that D sees at first, in pixels; 10 in configuration R."""
        blur_steps: Count = 6250
        """Steps in which that blur falls to 0."""
        optimizer_d: Optimizer = Adam(lr=0.002, betas=(0.0, 0.99))
        """Optimizer of D."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        reach = int(3 * cfg.blur)
        self.register_buffer("kernel", torch.zeros(2 * reach + 1), persistent=False)
        self.blurs = False
        self.before_step(0)

    def before_step(self, step: int) -> None:
        """The blur of this step."""
        super().before_step(step)
        sigma = self.cfg.blur * max(0.0, 1 - step / self.cfg.blur_steps)
        self.blurs = int(3 * sigma) > 0
        if self.blurs:
            reach = len(self.kernel) // 2
            t = torch.arange(-reach, reach + 1, device=self.kernel.device)
            weights = torch.exp2(-(t / sigma).square()) * (t.abs() <= int(3 * sigma))
            self.kernel.copy_(weights / weights.sum())

    def shown(self, x: Tensor) -> Tensor:
        """Images as D sees them: blurred at first, then augmented."""
        if self.blurs:
            row = self.kernel.to(x.dtype)[None, None, None]
            each = x.flatten(0, 1)[:, None]
            each = conv2d(each, row, padding=(0, row.shape[3] // 2))
            each = conv2d(each, row.mT, padding=(row.shape[3] // 2, 0))
            x = each.view_as(x)
        return super().shown(x)

    def generator(self, batch: Images) -> Terms:
        """Its passes leave G's running means as they are; D's move them."""
        with still(part for part in self.G.modules() if isinstance(part, Memory)):
            return super().generator(batch)
