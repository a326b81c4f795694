"""Networks: frozen settings that build them, by name."""

from __future__ import annotations

from ganwright.networks.base import Discriminator, Generator, Networks
from ganwright.networks.dcgan import ConvNet
from ganwright.networks.mlp import MLP

NETWORKS: dict[str, type[Networks]] = {"MLP": MLP, "ConvNet": ConvNet}

__all__ = ["MLP", "NETWORKS", "ConvNet", "Discriminator", "Generator", "Networks"]
