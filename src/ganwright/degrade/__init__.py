"""Blind degradation of images: blur, resizing, noise and JPEG, each image by draws of its own."""

from __future__ import annotations

from ganwright.degrade.model import Degrade
from ganwright.degrade.order import Order

__all__ = ["Degrade", "Order"]
