"""Networks: frozen settings that build them, by name."""

from __future__ import annotations

from ganwright.networks.base import Discriminator, Generator, Networks
from ganwright.networks.critic import ConvCritic
from ganwright.networks.dcgan import ConvNet
from ganwright.networks.mlp import MLP
from ganwright.networks.patch import Patch, PatchGAN
from ganwright.networks.pixelda import AdaptationNets
from ganwright.networks.resnet import ResNet
from ganwright.networks.srresnet import SRDiscriminator, SRResNet
from ganwright.networks.translator import EncoderDecoder, ResNetTranslator, Translator
from ganwright.networks.unet import UNet

NETWORKS: dict[str, type[Networks]] = {"ConvNet": ConvNet, "MLP": MLP, "ResNet": ResNet}
TRANSLATORS: dict[str, type[Translator]] = {
    "EncoderDecoder": EncoderDecoder,
    "ResNetTranslator": ResNetTranslator,
    "SRResNet": SRResNet,
    "UNet": UNet,
}
PATCHES: dict[str, type[Patch]] = {
    "ConvCritic": ConvCritic,
    "PatchGAN": PatchGAN,
    "SRDiscriminator": SRDiscriminator,
}

__all__ = [
    "MLP",
    "NETWORKS",
    "PATCHES",
    "TRANSLATORS",
    "AdaptationNets",
    "ConvCritic",
    "ConvNet",
    "Discriminator",
    "EncoderDecoder",
    "Generator",
    "Networks",
    "Patch",
    "PatchGAN",
    "ResNet",
    "ResNetTranslator",
    "SRDiscriminator",
    "SRResNet",
    "Translator",
    "UNet",
]
