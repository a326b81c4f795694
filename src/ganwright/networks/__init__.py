"""Networks: frozen settings that build them, by name."""

from __future__ import annotations

from ganwright.networks.adversarial import AdvCritic, AdvTranslator, APECritic, APETranslator
from ganwright.networks.alias_free import AliasFreeNet
from ganwright.networks.base import Discriminator, Generator, Networks
from ganwright.networks.big import BigNet
from ganwright.networks.critic import ConvCritic
from ganwright.networks.custom import Custom, CustomPatch, CustomTranslator
from ganwright.networks.dcgan import ConvNet
from ganwright.networks.fast import FastNet
from ganwright.networks.features import VGG, Content, Pixels, SmallFeatures, SmallLayers, VGGLayers
from ganwright.networks.mlp import MLP
from ganwright.networks.patch import Patch, PatchGAN
from ganwright.networks.pixelda import AdaptationNets
from ganwright.networks.r3 import R3Net
from ganwright.networks.resnet import ResNet
from ganwright.networks.signals import ConvNet1d
from ganwright.networks.srresnet import SRDiscriminator, SRResNet
from ganwright.networks.style import StyleNet
from ganwright.networks.translator import EncoderDecoder, ResNetTranslator, Translator
from ganwright.networks.unet import UNet

NETWORKS: dict[str, type[Networks]] = {
    "AliasFreeNet": AliasFreeNet,
    "BigNet": BigNet,
    "ConvNet": ConvNet,
    "ConvNet1d": ConvNet1d,
    "FastNet": FastNet,
    "MLP": MLP,
    "R3Net": R3Net,
    "ResNet": ResNet,
    "StyleNet": StyleNet,
    "Custom": Custom,
}
TRANSLATORS: dict[str, type[Translator]] = {
    "AdvTranslator": AdvTranslator,
    "APETranslator": APETranslator,
    "EncoderDecoder": EncoderDecoder,
    "ResNetTranslator": ResNetTranslator,
    "SRResNet": SRResNet,
    "UNet": UNet,
    "CustomTranslator": CustomTranslator,
}
PATCHES: dict[str, type[Patch]] = {
    "AdvCritic": AdvCritic,
    "APECritic": APECritic,
    "ConvCritic": ConvCritic,
    "PatchGAN": PatchGAN,
    "SRDiscriminator": SRDiscriminator,
    "CustomPatch": CustomPatch,
}
CONTENTS: dict[str, type[Content]] = {
    "Pixels": Pixels,
    "SmallFeatures": SmallFeatures,
    "SmallLayers": SmallLayers,
    "VGG": VGG,
    "VGGLayers": VGGLayers,
}

__all__ = [
    "CONTENTS",
    "MLP",
    "NETWORKS",
    "PATCHES",
    "TRANSLATORS",
    "APECritic",
    "APETranslator",
    "AdaptationNets",
    "AdvCritic",
    "AdvTranslator",
    "AliasFreeNet",
    "BigNet",
    "ConvCritic",
    "ConvNet",
    "ConvNet1d",
    "Custom",
    "CustomPatch",
    "CustomTranslator",
    "Discriminator",
    "EncoderDecoder",
    "FastNet",
    "Generator",
    "Networks",
    "Patch",
    "PatchGAN",
    "R3Net",
    "ResNet",
    "ResNetTranslator",
    "SRDiscriminator",
    "SRResNet",
    "StyleNet",
    "Translator",
    "UNet",
]
