"""Networks: frozen settings that build them, by name."""

from __future__ import annotations

from ganwright.networks.base import Discriminator, Generator, Networks
from ganwright.networks.dcgan import ConvNet
from ganwright.networks.mlp import MLP
from ganwright.networks.patch import PATCHES, Patch, PatchGAN
from ganwright.networks.resnet import ResNet
from ganwright.networks.translator import EncoderDecoder, ResNetTranslator, Translator
from ganwright.networks.unet import UNet

NETWORKS: dict[str, type[Networks]] = {"ConvNet": ConvNet, "MLP": MLP, "ResNet": ResNet}
TRANSLATORS: dict[str, type[Translator]] = {
    "EncoderDecoder": EncoderDecoder,
    "ResNetTranslator": ResNetTranslator,
    "UNet": UNet,
}

__all__ = [
    "MLP",
    "NETWORKS",
    "PATCHES",
    "TRANSLATORS",
    "ConvNet",
    "Discriminator",
    "EncoderDecoder",
    "Generator",
    "Networks",
    "Patch",
    "PatchGAN",
    "ResNet",
    "ResNetTranslator",
    "Translator",
    "UNet",
]
