"""BigGAN: Brock, Donahue and Simonyan (2019), arXiv:1809.11096, section 3 and eq. 3.

    D minimises  E[max(0, 1 - D(x, y))] + E[max(0, 1 + D(G(z, y), y))]
    G minimises  -E[D(G(z, y), y)] + 1e-4 sum over W of |WᵀW ∘ (1 - I)|²

SAGAN with larger batches and networks. Each block of G gets a part of z of its own, with an
embedding of the label that all blocks share. The second term keeps G's filters, the columns of W,
at right angles and leaves their lengths free, so that G stays smooth. Then samples can be of a z
whose numbers are drawn again while they are beyond a threshold: the lower it is, the better samples
look, and the less they vary (section 3.1).

Learning rates, betas and the number of D's updates are those of the authors' configuration for
CIFAR-10: 2e-4, (0, .999), and 4 for each of G. For ImageNet the paper has 2e-4 for D, 5e-5 for G,
2 updates and batches of 2,048.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ganwright.config.ranges import Count, Positive
from ganwright.errors import SettingsError
from ganwright.families.dcgan import DCGAN
from ganwright.families.priors import Gaussian
from ganwright.losses import Hinge, Loss
from ganwright.networks import BigNet, Networks
from ganwright.optim import Adam, Optimizer
from ganwright.regularisers import Orthogonality, Regulariser


class BigGAN(DCGAN):
    """Class-conditional images by a G with orthogonal filters, whose z can be truncated."""

    title = "BigGAN (2018)"
    paper = "1809.11096"
    data = "glyphs"
    image_size = 64
    batch_size = 50

    @dataclass(frozen=True, kw_only=True)
    class Config(DCGAN.Config):
        latent: int = 100
        """Length of the noise vector z: 20 for each of its parts, in the paper."""
        networks: Networks = BigNet()
        """Architecture of G and D."""
        loss: Loss = Hinge()
        """The adversarial loss of D and G."""
        regularisers: tuple[Regulariser, ...] = (Orthogonality(),)
        """Regularisers of G: orthogonal filters in the paper."""
        conditional: bool = True
        """Give the label to G and D, so that you can choose a class when sampling."""
        truncation: Positive | None = None
        """Numbers of a sample's z that are larger than this in size are drawn again."""
        d_moves: Count = 4
        """Updates of D per step, each on a new batch."""
        optimizer_d: Optimizer = Adam(lr=2e-4, betas=(0.0, 0.999))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=2e-4, betas=(0.0, 0.999))
        """Optimizer of G."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.truncation is not None and not isinstance(self.prior, Gaussian):
                raise SettingsError(
                    f"truncation draws from the middle of a Gaussian prior, and the prior is "
                    f"{type(self.prior).__name__}; leave one of them out"
                )

    cfg: Config

    def chosen(self, n: int) -> Tensor:
        cfg = self.cfg
        if cfg.truncation is None:
            return self.noise(n)
        assert isinstance(cfg.prior, Gaussian)
        return cfg.prior.within(cfg.truncation, n, cfg.latent, self.device)
