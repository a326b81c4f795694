"""What several test files share: tiny settings for each family."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch.distributed import TCPStore

from ganwright.config.settings import Settings
from ganwright.degrade import Degrade, Order
from ganwright.families import family
from ganwright.game import Game
from ganwright.layers.norm import BatchNorm, NoNorm
from ganwright.networks import (
    MLP,
    AdaptationNets,
    AliasFreeNet,
    APECritic,
    APETranslator,
    BigNet,
    ConvCritic,
    ConvNet,
    EncoderDecoder,
    FastNet,
    PatchGAN,
    R3Net,
    ResNet,
    ResNetTranslator,
    SRResNet,
    StyleNet,
    UNet,
)
from ganwright.networks.features import Pixels
from ganwright.networks.restorer import RestoreNet
from ganwright.networks.spade import SpadeNet
from ganwright.networks.vgg import VGGCritic
from ganwright.run.assembly import assemble, resolved
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer

LUCK = int(os.environ.get("GANWRIGHT_TEST_SEED", "0"))
"""Changes every random number of the tests; see conftest."""

CONV = ConvNet(width=4)
FULL = MLP(hidden_G=(16,), hidden_D=(16,))

TINY: dict[str, dict[str, Any]] = {
    "gan": {"networks": FULL},
    "dcgan": {"networks": CONV},
    "lsgan": {"networks": CONV},
    "wgan": {"networks": CONV, "d_moves": 2, "warm_moves": 3, "warm_steps": 2},
    "wgan-gp": {"networks": ConvNet(width=4, norm_D=NoNorm()), "d_moves": 2},
    "dragan": {"networks": ConvNet(width=4, norm_D=NoNorm())},
    "bgan": {"networks": CONV, "draws": 3},
    "bgan-continuous": {"networks": CONV},
    "ebgan": {"networks": CONV, "latent": 4, "code": 4},
    "began": {"networks": CONV, "latent": 4, "code": 4},
    "sagan": {"networks": ResNet(width_G=4, width_D=4, spectral_G=True, attention=(8,))},
    "biggan": {
        "networks": BigNet(width_G=2, width_D=2, shared=3, attention=()),
        "latent": 5,
        "d_moves": 2,
    },
    "fastgan": {"networks": FastNet(width_G=1, width_D=2), "latent": 4, "content": Pixels()},
    "r3gan": {"networks": R3Net(width=8, blocks=1)},
    "stylegan2": {
        "networks": StyleNet(base=64, most=8, styles=8, mapping_G=2, mapping_D=2),
        "latent": 8,
    },
    "stylegan3": {
        "networks": AliasFreeNet(
            base=64, most=8, styles=8, layers=3, critical=1, margin=4, mapping_D=2
        ),
        "latent": 8,
    },
    "jojogan": {
        "networks": StyleNet(base=64, most=8, styles=8, mapping_G=2, mapping_D=2),
        "latent": 8,
    },
    "cdc": {
        "networks": StyleNet(base=64, most=8, styles=8, mapping_G=2, mapping_D=2),
        "latent": 8,
        "anchors": 3,
    },
    "acgan": {"networks": ConvNet(width=4, dropout=0.5)},
    "infogan": {"networks": CONV, "hidden": 8},
    "cgan": {"networks": FULL},
    "sgan": {
        "networks": MLP(
            hidden_G=(16,),
            hidden_D=(16, 16),
            norm_G=BatchNorm(),
            dropout=0.0,
            noise_input=0.6,
            noise=0.5,
            weight_norm=True,
        ),
    },
    "aae": {"networks": FULL, "critic": FULL},
    "aae-clusters": {"networks": FULL, "critic": FULL, "latent": 2, "apart": 1.0},
    "aae-semi": {"networks": FULL, "critic": FULL},
    "cyclegan": {
        "translator": ResNetTranslator(width=4, blocks=1),
        "patch": PatchGAN(field=16, width=4),
        "pool": 3,
    },
    "pix2pix": {"translator": UNet(width=4), "patch": PatchGAN(field=16, width=4)},
    "spade": {
        "translator": SpadeNet(width=4, hidden=4),
        "patch": PatchGAN(field=16, width=4, spectral=True),
    },
    "discogan": {"translator": EncoderDecoder(width=4), "patch": ConvCritic(width=4)},
    "dualgan": {"translator": UNet(width=4), "patch": PatchGAN(field=16, width=4), "d_moves": 2},
    "ccgan": {"translator": EncoderDecoder(width=4), "critic": VGGCritic(width=4), "alpha": 0.5},
    "srgan": {
        "translator": SRResNet(width=4, blocks=1),
        "patch": PatchGAN(field=16, width=4),
        "mse_steps": 0,
    },
    "restore": {
        "prior": "makers.make_prior",
        "networks": RestoreNet(base=64, most=8),
        "critic": CONV,
        "degrade": Degrade(first=Order(kernel=(3, 5)), second=None),
        "penalties": (),
    },
    "pixelda": {"networks": AdaptationNets(width=4, blocks=1)},
    "advgan": {
        "target": "makers.make_classifier",
        "student": "makers.make_classifier",
        "translator": EncoderDecoder(width=4),
        "patch": PatchGAN(field=16, width=4),
    },
    "apegan": {
        "target": "makers.make_classifier",
        "translator": APETranslator(width=4),
        "patch": APECritic(width=4),
    },
}
"""The families' own settings at a size that trains in milliseconds."""

SIZES: dict[str, int] = {
    "sagan": 16,
    "restore": 16,
    "spade": 16,
    "fastgan": 32,
}
"""Image sizes other than 8."""


def tiny(name: str, **changes: Any) -> tuple[type[Game], Settings]:
    """A family with its tiny settings; `changes` are fields of `Settings`."""
    cls = family(name)
    values: dict[str, Any] = {
        "game": cls.Config(**TINY.get(name, {})),
        "image_size": SIZES.get(name, 8),
        "batch_size": 4,
        "device": "cpu",
        "precision": "fp32",
    }
    return cls, Settings(**(values | changes))


def trainer_of(name: str, **changes: Any) -> Trainer:
    """A trainer of a tiny family on its embedded data, at its first step."""
    cls, settings = tiny(name, **changes)
    settings = resolved(cls, settings)
    return assemble(cls, settings, Engine.pick("cpu", "fp32"))[0]


def meeting_place() -> tuple[TCPStore, dict[str, str]]:
    """Where processes meet, and the variables that tell them, as torchrun does it.

    The port is bound when its number is known, so that no other process can take it meanwhile.
    The place is there as long as the store is.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    return store, told | {"TORCHELASTIC_USE_AGENT_STORE": "True"}


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """All tensors of a run's newest checkpoint."""
    from ganwright.training import checkpoint

    found = checkpoint.load_newest(run / "checkpoints")
    assert found is not None
    return {f"game.{k}": v for k, v in found.game.items()} | {
        f"average.{k}": v for k, v in found.average.items()
    }
