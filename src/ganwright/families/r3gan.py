"""R3GAN: Huang, Gokaslan, Kuleshov and Tompkin (2024), arXiv:2501.05441, eqs. 2 to 4.

    D minimises  E[f(D(G(z)) - D(x))] + gamma/2 E[|grad D(x)|²] + gamma/2 E[|grad D(G(z))|²]
    G minimises  E[f(D(x) - D(G(z)))]                          f(t) = log(1 + e^t)

Each fake is paired with a real image, of the same label if there are labels. R1 and R2 are charged
at every step and keep training locally convergent, so that networks need no other remedy: residual
blocks without normalisation (`R3Net`), no tanh, no style mixing, no minibatch features.

Over a burn-in, half a cosine each:  lr 2e-4 -> 5e-5, beta2 .9 -> .99, gamma .05 -> .005,
chance of augmentation 0 -> .55; then constant. Adam has beta1 0, batches have 512 images, and the
burn-in takes 20 million: the paper's numbers for CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ganwright.augment import ADA, Augment
from ganwright.data.types import Spec
from ganwright.families.through import ThroughGame
from ganwright.game import Player
from ganwright.losses import Loss, Relativistic
from ganwright.networks import Networks, R3Net
from ganwright.optim import Adam, Cosine, CosineRise, Optimizer
from ganwright.penalties import R1, R2, Penalty

BURN_IN = 39_062
"""Steps of 512 images that make 20 million."""
_GAMMA = Cosine(BURN_IN, floor=0.1)
_ADAM = Adam(
    lr=2e-4,
    schedule=Cosine(BURN_IN, floor=0.25),
    betas=(0.0, 0.9),
    beta2_schedule=Cosine(BURN_IN, floor=0.1),
)


class R3GAN(ThroughGame):
    """Relativistic pairs with zero-centred gradient penalties on real and generated images."""

    title = "R3GAN (2024)"
    paper = "2501.05441"
    image_size = 32
    batch_size = 512

    @dataclass(frozen=True, kw_only=True)
    class Config(ThroughGame.Config):
        latent: int = 64
        """Length of the noise vector z."""
        networks: Networks = R3Net()
        """Architecture of G and D."""
        loss: Loss = Relativistic()
        """The adversarial loss of D and G."""
        penalties: tuple[Penalty, ...] = (R1(0.05, schedule=_GAMMA), R2(0.05, schedule=_GAMMA))
        """Penalties on D, in which every weight is gamma."""
        augment_d: Augment | None = ADA(
            p=0.55, target=None, schedule=CosineRise(BURN_IN), colour=0.5, cutout=1.0
        )
        """Augmentation of all of D's inputs; the paper's follows a schedule and no target."""
        conditional: bool = False
        """Give the label to G and D, so that you can choose a class when sampling."""
        optimizer_d: Optimizer = _ADAM
        """Optimizer of D."""
        optimizer_g: Optimizer = _ADAM
        """Optimizer of G."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec, labelled=cfg.conditional)

    def players(self) -> Iterable[Player]:
        """D, then G, which is paired with new real images."""
        for player in super().players():
            yield replace(player, fresh=player.name == "G")
