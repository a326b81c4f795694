"""The runs of the table of Stacked MNIST: their settings, and training what is not there yet."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ganwright
from budget import same, spelled
from ganwright.config.schedule import Cosine
from ganwright.config.settings import FREE, Settings
from ganwright.families.dcgan import DCGAN
from ganwright.families.priors import Uniform
from ganwright.inference.model import Model
from ganwright.layers.norm import NoNorm
from ganwright.losses import NonSaturating, Relativistic
from ganwright.networks import ConvNet
from ganwright.optim import Adam
from ganwright.penalties import R1, R2
from ganwright.run.assembly import resolved
from ganwright.run.run_folder import read_config

ALONE = 1000
"""Steps of D alone before samples are rejected."""

PLAIN = NoNorm()
SETTINGS: dict[str, dict[str, Any]] = {
    "relativistic, R1 and R2": {"loss": Relativistic(), "penalties": (R1(1.0), R2(1.0))},
    "relativistic, R1": {"loss": Relativistic(), "penalties": (R1(1.0),)},
    "GAN, R1 and R2": {"loss": NonSaturating(), "penalties": (R1(1.0), R2(1.0))},
    "GAN, R1": {"loss": NonSaturating(), "penalties": (R1(1.0),)},
    "DCGAN": {"networks": "BatchNorm in D"},
    "PacDCGAN2": {"networks": "BatchNorm in D", "pack": 2},
}
"""The four-way ablation, whose D has no normalisation, and PacGAN's two rows, whose D has."""
BEST = next(iter(SETTINGS))
"""The row that may have more seeds, and rejection."""


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Args:
        data: the grey digits that are stacked.
        width: of ConvNet.
        steps: of each run.
        samples: drawn to count modes.
        lr: where Adam's learning rate begins for a run too short for the protocol's: it falls to 0
            at the last step, beta1 is 0 and beta2 .9, and G has one move a step.
    """

    data: str
    width: int
    steps: int
    samples: int
    lr: float | None = None

    @property
    def adam(self) -> Adam:
        """Of both players."""
        if self.lr is None:
            return Adam(lr=2e-4, betas=(0.5, 0.999))
        return Adam(lr=self.lr, betas=(0.0, 0.9), schedule=Cosine(self.steps))


FULL = Scale("mnist", 64, 100_000, 26_000)
QUICK = Scale("digits", 8, 200, 2_600)


def settings_of(name: str, scale: Scale, seed: int, args: argparse.Namespace) -> Settings:
    """PacGAN's protocol with the settings of a row."""
    chosen = dict(SETTINGS[name])
    networks = ConvNet(width=scale.width)
    if not chosen.pop("networks", None):
        networks = replace(networks, norm_D=PLAIN)
    game = DCGAN.Config(
        latent=100,
        prior=Uniform(-1, 1),
        networks=networks,
        g_moves=2 if scale.lr is None else 1,
        optimizer_d=scale.adam,
        optimizer_g=scale.adam,
        **chosen,
    )
    return Settings(
        data=f"{scale.data}?stack=3",
        data_root=args.data_root,
        download=args.download,
        image_size=32,
        batch_size=64,
        steps=scale.steps,
        seed=seed,
        sample_every=max(1, scale.steps // 10),
        save_every=max(1, scale.steps // 50),
        game=game,
    )


def trained(run: Path, settings: Settings) -> Model:
    """The run of these settings, at their last step.

    Raises:
        RunError: what is there has other data or networks, or more steps.
    """
    if not run.exists():
        return ganwright.train(DCGAN, settings, run)
    elsewhere = {*FREE, "precision"} - {"data"}
    asked = spelled(resolved(DCGAN, settings))
    same(run, {k: v for k, v in asked.items() if k not in elsewhere}, spelled(read_config(run)[1]))
    model = ganwright.load(run, device="cpu")
    if model.step < settings.steps:
        return ganwright.resume(run, steps=settings.steps)
    same(run, {"steps": settings.steps}, {"steps": model.step})
    return model


def judged(run: Path, settings: Settings) -> Settings:
    """Of a run that goes on from another: D alone is trained, without penalties."""
    assert isinstance(settings.game, DCGAN.Config)
    game = replace(settings.game, g_moves=0, penalties=(), loss=NonSaturating())
    game = replace(game, optimizer_d=Adam(lr=1e-3, betas=(0.9, 0.999), schedule=Cosine(ALONE)))
    return replace(settings, game=game, init=str(run), steps=ALONE, sample_every=ALONE)
