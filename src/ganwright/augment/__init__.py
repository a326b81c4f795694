"""Augmentation of what D sees: the same random transformations of real and fake."""

from __future__ import annotations

from ganwright.augment.ada import ADA
from ganwright.augment.base import Augment, Augmenter
from ganwright.augment.diff import DiffAugment

AUGMENTS: dict[str, type[Augment]] = {"ADA": ADA, "DiffAugment": DiffAugment}

__all__ = ["ADA", "AUGMENTS", "Augment", "Augmenter", "DiffAugment"]
