"""Frameworks that one can install, playing their own steps on the networks of a case.

    pip install --no-deps torchgan torch-mimicry  # and what they import

Both play the minimax game with the non-saturating loss, the optimizers of the case, and batches of
a DataLoader; what their loops do between steps (their counters and plots of gradients) is played
too, without being printed. torch-mimicry 0.1.16 imports TensorFlow, for metrics, and a module that
torch 2 no longer has, for its data sets; neither has a part in its steps, so stand-ins do.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from cases import Case
from torch import Tensor

from ganwright.data.types import Images

FAMILIES = ("gan", "dcgan")
"""Whose game both frameworks play."""

ABSENT = ("tensorflow", "tensorflow.compat", "tensorflow.compat.v1", "torch._six")
"""What torch-mimicry imports, and steps do not use."""

Batches = Callable[[], Images]


def torchgan(
    case: Case, device: torch.device, batches: Batches, networks: Any
) -> Callable[[], None]:
    """The body of the loop in torchgan's `Trainer.train`."""
    os.environ |= {"TENSORBOARD_LOGGING": "0", "VISDOM_LOGGING": "0", "CONSOLE_LOGGING": "1"}
    models, losses = import_module("torchgan.models"), import_module("torchgan.losses")

    class G(models.Generator):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(networks.cfg.latent)
            self.net = networks.G

        def forward(self, z: Tensor) -> Tensor:
            return self.net(z)  # type: ignore[no-any-return]

    class D(models.Discriminator):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(case.channels)
            self.net = networks.D

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)  # type: ignore[no-any-return]

    adams = _adams(networks)
    trainer = import_module("torchgan.trainer").Trainer(
        {
            "generator": {"name": G, "optimizer": {"name": torch.optim.Adam, "args": adams["G"]}},
            "discriminator": {
                "name": D,
                "optimizer": {"name": torch.optim.Adam, "args": adams["D"]},
            },
        },
        [losses.MinimaxGeneratorLoss(), losses.MinimaxDiscriminatorLoss()],
        device=device,
        checkpoints=f"{tempfile.gettempdir()}/gan",  # it makes their folders at once
        recon=tempfile.gettempdir(),
    )
    trainer.batch_size = case.batch
    unseen = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115

    def step() -> None:
        trainer.real_inputs = batches().images
        found = trainer.train_iter()
        for name, each in zip(trainer.loss_information, found, strict=True):
            trainer.loss_information[name] += each
        with redirect_stdout(unseen):
            trainer.logger.run_mid_epoch(trainer)

    return step


def mimicry(
    case: Case, device: torch.device, batches: Batches, networks: Any
) -> Callable[[], None]:
    """The body of the loop in torch-mimicry's `Trainer.train`."""
    for name in ABSENT:
        sys.modules.setdefault(name, MagicMock())
    gan = import_module("torch_mimicry.nets.gan.gan")
    log = import_module("torch_mimicry.training.metric_log")

    class G(gan.BaseGenerator):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(networks.cfg.latent, ngf=0, bottom_width=4, loss_type="ns")
            self.net = networks.G

        def forward(self, z: Tensor) -> Tensor:
            return self.net(z)  # type: ignore[no-any-return]

    class D(gan.BaseDiscriminator):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(ndf=0, loss_type="ns")
            self.net = networks.D

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)[:, None]  # type: ignore[no-any-return]

    adams, mine, theirs = _adams(networks), G(), D()
    adam_G = torch.optim.Adam(mine.parameters(), **adams["G"])
    adam_D = torch.optim.Adam(theirs.parameters(), **adams["D"])

    def step() -> None:
        batch, seen = batches(), log.MetricLog()
        real = (batch.images, batch.labels)
        theirs.train_step(real, netG=mine, optD=adam_D, log_data=seen, device=device)
        mine.train_step(real, netD=theirs, optG=adam_G, log_data=seen, device=device)

    return step


def _adams(networks: Any) -> dict[str, dict[str, Any]]:
    """The settings of each player's Adam."""
    return {
        player.name: {"lr": player.optimizer.lr, "betas": player.optimizer.betas}
        for player in networks.players()
    }


PACKAGES: Mapping[str, Callable[[Case, torch.device, Batches, Any], Callable[[], object]]] = {
    "torchgan": torchgan,
    "torch-mimicry": mimicry,
}
