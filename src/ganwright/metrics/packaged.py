"""The features that ship with the package, and which of them fit given images."""

from __future__ import annotations

from ganwright.metrics.digit_features import DigitFeatures
from ganwright.metrics.features import Features
from ganwright.metrics.image_set import ImageSet
from ganwright.metrics.photo_features import PhotoFeatures


def packaged(channels: int) -> Features:
    """Those for images of so many channels."""
    return PhotoFeatures() if channels == 3 else DigitFeatures()


def packaged_for(images: ImageSet) -> Features:
    """Those for the images of a set."""
    shape = images.shape or tuple(next(images.parts()).images.shape[1:])
    return packaged(shape[0])
