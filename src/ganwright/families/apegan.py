"""APE-GAN: Shen et al. (2017), arXiv:1707.05474, eqs. 4 to 7.

Images x, and adversarial examples x_a of them for a classifier f, made in each step:

    D minimises  -E[log D(x)] - E[log(1 - D(G(x_a)))]
    G minimises  fidelity E|G(x_a) - x|² + adversarial E[-log D(G(x_a))]

f then classifies G(x) instead of x. Fidelity .7, adversarial .3, Adam 2e-4, batches of 64.
An attack through G breaks this defence (Carlini and Wagner 2017, arXiv:1711.08478).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from torch.nn.functional import mse_loss

from ganwright.attacks import FGSM, Attack
from ganwright.config.factory import Factory
from ganwright.config.ranges import NonNegative
from ganwright.data.types import Images, Spec
from ganwright.families.one_way import OneWay
from ganwright.families.side_by_side import side_by_side
from ganwright.function import Function, pictures
from ganwright.game import Game, Player, Terms
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import APECritic, APETranslator, Patch, Translator
from ganwright.networks.frozen import Frozen, frozen
from ganwright.optim import Adam, Optimizer
from ganwright.precision import wide


class APEGAN(OneWay):
    """Learns to remove the changes that an attack on a classifier makes to images."""

    title = "APE-GAN (2017)"
    paper = "1707.05474"
    needs_labels = True
    image_size = 28
    batch_size = 64
    averaged = ("G",)
    larger_is_better = ("accuracy", "accuracy_cleaned", "accuracy_clean")
    held_out = 1000

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        target: Factory | Path | None = None
        """The classifier f: a run that classifies, a .pt2 file, or function of (shape, classes)."""
        attack: Attack = FGSM()
        """What makes the adversarial examples."""
        translator: Translator = APETranslator()
        """Architecture of G."""
        patch: Patch = APECritic()
        """Architecture of D."""
        loss: Loss = NonSaturating()
        """The adversarial loss of images and cleaned ones."""
        fidelity: NonNegative = 0.7
        """Weight of the squared error in G."""
        adversarial: NonNegative = 0.3
        """Weight of the adversarial term in G."""
        optimizer: Optimizer = Adam(lr=2e-4)
        """Optimizer of each player."""

    cfg: Config
    target: Frozen

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.G = cfg.translator.translator(spec.shape, spec.shape)
        self.D = cfg.patch.discriminator(spec.shape)

    def before_training(self) -> None:
        self.target = frozen(self.cfg.target, self.spec, self.device)

    def players(self) -> Iterable[Player]:
        optimizer = self.cfg.optimizer
        yield Player("D", [self.D], self.discriminator, optimizer)
        yield Player("G", [self.G], self.generator, optimizer, draws=self.cleaned)

    def discriminator(self, batch: Images) -> Terms:
        fake = self.once(self.cleaned, batch)
        return {"adv": self.cfg.loss.discriminator(self.D, batch.images, fake)}

    def generator(self, batch: Images) -> Terms:
        cfg, x, fake = self.cfg, batch.images, self.once(self.cleaned, batch)
        return {
            "mse": cfg.fidelity * mse_loss(fake, x),
            "adv": cfg.adversarial * cfg.loss.generator(self.D, x, fake),
        }

    def cleaned(self, batch: Images) -> Tensor:
        """G(x_a)."""
        return self.clean(self.attacked(batch))

    def attacked(self, batch: Images) -> Tensor:
        """x_a."""
        assert batch.labels is not None
        return self.cfg.attack.examples(self.target, batch.images, batch.labels)

    def clean(self, images: Tensor) -> Tensor:
        """Images [n, C, H, W] in [-1, 1] without the changes of an attack."""
        cleaned: Tensor = self.G(images)
        return cleaned

    def forward_way(self) -> Function:
        """Images to cleaned ones."""
        return Function(self.clean, (pictures(self.spec.shape, self.device),))

    def measure(self, batch: Images) -> Terms:
        """How often f is right about held-out images, as they are, attacked, and each cleaned."""
        x, x_a, y = batch.images, self.attacked(batch), batch.labels
        assert y is not None
        seen = {"": x, "_attacked": x_a, "_cleaned": self.clean(x_a), "_clean": self.clean(x)}
        return {f"accuracy{k}": wide(self.target(u).argmax(1) == y).mean() for k, u in seen.items()}

    def preview(self, batch: Images) -> Tensor:
        """Twice in a row: an image, attacked, and cleaned."""
        assert batch.labels is not None
        first = Images(batch.images[:16], batch.labels[:16])
        x_a = self.attacked(first)
        return side_by_side(first.images, x_a, self.clean(x_a))

    @property
    def preview_columns(self) -> int | None:
        return 6
