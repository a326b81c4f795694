"""Perceptual distances: scales by hand, nothing to train or save, sentences for missing files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from ganwright.data.read.glyphs import glyphs
from ganwright.data.sides import Stack
from ganwright.errors import SettingsError
from ganwright.networks.features import (
    LAYERS,
    SHIPPED,
    VGG,
    VGG_SCALE,
    Content,
    FeatureDistance,
    Pixels,
    SmallFeatures,
)

PHOTO = (3, 32, 32)


def letters() -> Tensor:
    """Eight held-out letters, [8, 3, 32, 32] in [-1, 1]."""
    test = glyphs(32).test
    assert test is not None
    assert isinstance(test[0], Stack)
    return test[0].pictures[:8].float() / 127.5 - 1


def test_features_are_normalised_and_scaled() -> None:
    net = nn.Conv2d(3, 1, 1, bias=False)
    nn.init.ones_(net.weight)
    distance = FeatureDistance(net, 1 / 12.75)
    white, black = torch.ones(1, 3, 2, 2), -torch.ones(1, 3, 2, 2)
    # the features differ by 1/.229 + 1/.224 + 1/.225 = 13.275542
    assert distance(white, black).item() == pytest.approx((13.275542 / 12.75) ** 2)
    # grey pictures are looked at as colour
    assert distance(white[:, :1], black[:, :1]).item() == pytest.approx((13.275542 / 12.75) ** 2)
    assert 1 / VGG_SCALE == 12.75


@pytest.mark.parametrize("content", [Pixels(), SmallFeatures()], ids=repr)
def test_contents_are_distances_that_nobody_trains_or_saves(content: Content) -> None:
    distance, x = content.build(PHOTO), letters()
    assert not list(distance.parameters())
    assert not distance.state_dict()
    assert distance(x, x).item() == 0
    y = (x + 0.1).requires_grad_()
    distance(y, x).backward()
    assert y.grad is not None
    assert y.grad.abs().sum() > 0


def test_small_features_miss_sharpness_more_than_a_shift_of_brightness() -> None:
    x = letters().clamp(-0.8, 0.8)
    blurred = interpolate(avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    error = (blurred - x).square().mean()
    brighter = x + error.sqrt()
    distance = SmallFeatures(pixels=0.0).build(PHOTO)
    both = SmallFeatures(pixels=2.0).build(PHOTO)
    assert both(blurred, x).item() == pytest.approx(
        distance(blurred, x).item() + 2 * error.item(), rel=1e-4
    )
    assert Pixels().build(PHOTO)(brighter, x).item() == pytest.approx(error.item(), rel=1e-3)
    assert distance(blurred, x) > 3 * distance(brighter, x)
    assert 0.5 * error < distance(blurred, x) < 4 * error, "of the size of the pixels' error"


def test_the_shipped_weights_are_small() -> None:
    assert SHIPPED.stat().st_size < 300_000


def test_vgg_is_cut_behind_the_activation() -> None:
    from torchvision.models import vgg19

    with torch.device("meta"):
        layers = vgg19().features
    for layer, convolutions, pools in (("relu2_2", 4, 1), ("relu5_4", 16, 4)):
        part = layers[: LAYERS[layer]]
        assert sum(isinstance(m, nn.Conv2d) for m in part) == convolutions
        assert sum(isinstance(m, nn.MaxPool2d) for m in part) == pools
        assert isinstance(part[-1], nn.ReLU)


def test_vgg_takes_a_file_of_torchvisions_weights(tmp_path: Path) -> None:
    from torchvision.models import vgg19

    with torch.device("meta"):
        layers = vgg19().features
    torch.manual_seed(0)
    state = {f"features.{k}": 0.02 * torch.randn(v.shape) for k, v in layers.state_dict().items()}
    torch.save(state | {"classifier.0.bias": torch.zeros(3)}, tmp_path / "vgg.pth")
    distance = VGG(layer="relu2_2", weights=tmp_path / "vgg.pth").build(PHOTO)
    assert isinstance(distance, FeatureDistance)
    assert distance.features(letters()).shape == (8, 128, 16, 16)
    assert not list(distance.parameters())
    assert torch.equal(distance.net[0].weight, state["features.0.weight"])  # type: ignore[index]


def test_missing_weights_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.pth .* choose SmallFeatures"):
        VGG(weights=tmp_path / "nowhere.pth").build(PHOTO)
    with pytest.raises(SettingsError, match="does not hold SmallFeatures' weights"):
        SmallFeatures(weights=tmp_path / "nowhere.safetensors").build(PHOTO)
    monkeypatch.setattr("torch.hub.download_url_to_file", _no_network)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(SettingsError, match="cannot be downloaded"):
        VGG().build(PHOTO)


def _no_network(*_: object, **__: object) -> None:
    raise OSError("no network")


def test_pictures_too_small_are_a_sentence() -> None:
    with pytest.raises(SettingsError, match="needs images of 16 pixels or more, got 8x8"):
        VGG().build((3, 8, 8))
    with pytest.raises(SettingsError, match="4 pixels or more, got 2x2"):
        SmallFeatures().build((3, 2, 2))
    with pytest.raises(SettingsError, match="it must be relu5_4 or relu2_2"):
        VGG(layer="relu3_1")  # type: ignore[arg-type]
