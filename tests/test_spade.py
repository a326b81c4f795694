"""SPADE: its networks against published counts, its objectives by hand, and what gives a style."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import Weighted, flat
from torch import Tensor, nn

from ganwright.augment import ADA, Augment, DiffAugment
from ganwright.data import Paired, Spec
from ganwright.data.label_map import LabelMap
from ganwright.errors import SettingsError
from ganwright.families.spade import Drawn, Spade, distance
from ganwright.layers.norm import BatchNorm, GroupNorm, InstanceNorm, NoNorm
from ganwright.losses import Hinge, NonSaturating
from ganwright.networks import PatchGAN
from ganwright.networks import spade as parts
from ganwright.networks.features import (
    RISING,
    SMALL_ENDS,
    SMALL_LAYERS_SCALE,
    LayerDistance,
    Pixels,
    SmallLayers,
    VGGLayers,
    small_net,
)
from ganwright.networks.spade import SpadeNet, StyleEncoder, divergence
from ganwright.observing import evaluate

SMALL = SpadeNet(width=4, hidden=4)
PATCH = PatchGAN(field=16, width=4, spectral=True)
FACADES = (13, 256, 256)
"""CMP's labels 1 to 12 as the authors read them: 0 is a channel too."""


def count(module: nn.Module) -> int:
    return sum(w.numel() for w in module.parameters())


def built(a: tuple[int, ...], latent: int = 0, **settings: Any) -> parts.SpadeGenerator:
    return SpadeNet(**settings).generator(a, (3, *a[1:]), latent)


def conv(fan_in: int, fan_out: int, kernel: int = 3, bias: bool = True) -> int:
    return fan_in * fan_out * kernel**2 + bias * fan_out


def spade(channels: int, labels: int, hidden: int) -> int:
    return conv(labels, hidden) + 2 * conv(hidden, channels)


def block(fan_in: int, fan_out: int, labels: int, hidden: int) -> int:
    """The authors' block; its first bias is one that batch normalisation undoes."""
    middle = min(fan_in, fan_out)
    total = conv(fan_in, middle) + conv(middle, fan_out)
    total += spade(fan_in, labels, hidden) + spade(middle, labels, hidden)
    if fan_in != fan_out:
        total += conv(fan_in, fan_out, 1, bias=False) + spade(fan_in, labels, hidden)
    return total


def authors(width: int, hidden: int, labels: int = 13, start: int | None = None) -> int:
    """Three blocks of 16 widths, four that halve them, and a last convolution."""
    top = 16 * width
    total = 3 * block(top, top, labels, hidden)
    total += sum(block(2 * c, c, labels, hidden) for c in (8 * width, 4 * width, 2 * width, width))
    return total + conv(width, 3) + (conv(labels, top) if start is None else start)


def undone(width: int) -> int:
    """The biases of each block's first convolution."""
    return (3 * 16 + 8 + 4 + 2 + 1) * width


@pytest.mark.parametrize(
    ("a", "width", "hidden", "exact", "millions"),
    [
        (FACADES, 64, 128, 92_359_107, 92.4),
        ((13, 64, 64), 32, 64, 23_195_875, 23.2),
        ((13, 64, 64), 16, 32, 5_852_019, 5.9),
    ],
)
def test_weights_of_the_generator(
    a: tuple[int, ...], width: int, hidden: int, exact: int, millions: float
) -> None:
    assert authors(width, hidden) == exact
    assert round(exact / 1e6, 1) == millions
    with torch.device("meta"):
        assert count(built(a, width=width, hidden=hidden)) == exact - undone(width)


def test_weights_of_the_generator_that_starts_from_z() -> None:
    # z of 256 numbers becomes 1024 channels of 8x8 pixels
    start = (256 + 1) * 1024 * 8 * 8
    assert authors(64, 128, start=start) == 109_081_027
    with torch.device("meta"):
        assert count(built(FACADES, latent=256)) == 109_081_027 - undone(64)


def test_weights_of_the_discriminators_and_the_encoder() -> None:
    # 64, 128, 256 and 512 channels and a logit; those between first and last have no bias
    one = conv(16, 64, 4) + conv(512, 1, 4)
    one += sum(conv(c, 2 * c, 4, bias=False) for c in (64, 128, 256))
    assert 2 * one == 5_554_306
    # six halvings to 512 channels of 4x4, and two linear layers
    widths = [3, 64, 128, 256, 512, 512, 512]
    body = sum(conv(c, d, bias=False) for c, d in pairwise(widths))
    E = body + 2 * (512 * 4 * 4 + 1) * 256
    assert E == 10_463_424
    spec = Spec(Paired, FACADES, (3, 256, 256))
    with torch.device("meta"):
        game = Spade(Spade.Config(latent=256, encoder=StyleEncoder()), spec)
    assert (count(game.D), count(game.E)) == (5_554_306, 10_463_424)
    small = Spade.Config(translator=SMALL, patch=PatchGAN(width=16, spectral=True))
    assert count(Spade(small, Spec(Paired, (13, 64, 64), (3, 64, 64))).D) == 356_386  # .36 M


def test_sizes_and_channels_of_the_blocks() -> None:
    for side, first in ((64, 2), (128, 4), (256, 8)):
        G = built((13, side, side), width=1, hidden=1)
        x, m, seen = G.start(torch.zeros(1, 13, first, first)), torch.zeros(1, 13, side, side), []
        for each in G.blocks:
            x = each(x, m)
            seen.append(tuple(x.shape[1:3]))
        wide = [16, 16, 16, 8, 4, 2, 1]
        assert seen == list(zip(wide, [first * d for d in (1, 2, 2, 4, 8, 16, 32)], strict=True))


@pytest.mark.parametrize(
    ("size", "doublings", "blocks"),
    [((512, 512), 5, 7), ((256, 512), 5, 7), ((48, 64), 4, 6), ((16, 16), 3, 5), ((4, 4), 1, 3)],
)
def test_it_doubles_as_often_as_both_sides_allow(
    size: tuple[int, int], doublings: int, blocks: int
) -> None:
    G = built((2, *size), width=1, hidden=1)
    assert (G.shrink, len(G.blocks)) == (1 << doublings, blocks)
    more = built((2, 512, 512), width=1, hidden=1, doublings=6)
    assert (more.shrink, len(more.blocks)) == (64, 7)  # the authors' "more": a doubling, no block


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="needs sides that 2 divides, of 4 pixels or more"):
        built((2, 9, 8))
    with pytest.raises(SettingsError, match="needs sides that 32 divides, of 64 pixels or more"):
        built((2, 32, 32), doublings=5)


def test_operations_at_64_pixels() -> None:
    """2.2 and .59 billion multiplications, counted at each convolution."""
    for width, hidden, billions in ((32, 64, 2.2), (16, 32, 0.59)):
        found: list[int] = []

        def tally(layer: nn.Module, _: Any, out: Tensor, found: list[int] = found) -> None:
            assert isinstance(layer, nn.Conv2d)
            found.append(out[0].numel() * layer.in_channels * layer.kernel_size[0] ** 2)

        with torch.device("meta"):
            G = built((13, 64, 64), width=width, hidden=hidden)
            for layer in G.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.register_forward_hook(tally)
            G(torch.zeros(1, 13, 64, 64))
        assert sum(found) / 1e9 == pytest.approx(billions, rel=0.02)


def test_the_map_scales_and_shifts_by_hand() -> None:
    """x = 1, 3 is normalised to -1, 1; gamma is 2 m and beta 3 m behind a ReLU, m = 1/2 and -1."""
    layer = parts.Spade(SpadeNet(hidden=1, norm=BatchNorm(eps=1e-12)), 1, 1)
    for conv_, value in ((layer.shared, 1.0), (layer.gain, 2.0), (layer.shift, 3.0)):
        nn.init.zeros_(conv_.weight)
        conv_.weight.data[0, 0, 1, 1] = value
        nn.init.zeros_(conv_.bias)
    x, m = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.5, -1.0]]]])
    # -1 (1 + 1) + 1.5 and 1 (1 + 0) + 0
    assert layer(x, m)[0, 0, 0].tolist() == pytest.approx([-0.5, 1.0])
    assert [name for name, _ in layer.norm.named_parameters()] == []


def test_maps_are_brought_to_each_size_without_interpolation() -> None:
    layer, seen = parts.Spade(SpadeNet(hidden=1), 1, 1), []
    layer.shared.register_forward_hook(lambda *call: seen.append(call[1][0]))
    m = (torch.rand(2, 1, 8, 8) > 0.5).float()
    layer(torch.rand(2, 1, 2, 2), m)
    assert torch.equal(seen[0], m[:, :, ::4, ::4])


@pytest.mark.parametrize("norm", [InstanceNorm(affine=True), GroupNorm(groups=2), NoNorm()])
def test_other_norms_have_no_gains_of_their_own(norm: Any) -> None:
    G = SpadeNet(width=2, hidden=2, norm=norm).generator((2, 8, 8), (3, 8, 8))
    assert not any("norm" in name for name, _ in G.named_parameters())
    assert G(torch.rand(2, 2, 8, 8)).shape == (2, 3, 8, 8)


def test_spectral_norm_of_the_blocks_or_of_all() -> None:
    def normed(**settings: Any) -> set[str]:
        G = SpadeNet(width=2, hidden=2, **settings).generator((2, 8, 8), (3, 8, 8))
        marked = (n.partition(".parametrizations") for n, _ in G.named_parameters())
        return {before.split(".")[-1] for before, found, _ in marked if found}

    assert normed() == {"0", "1", "skip"}
    assert normed(spectral=False) == set()
    assert normed(spectral_all=True) - normed() == {"shared", "gain", "shift", "start", "head"}


def test_initial_weights_are_xavier_s_times_a_fiftieth() -> None:
    layer = built((13, 64, 64), width=32, hidden=64, spectral=False).blocks[0].convs["1"]
    # 512 channels on either side, 9 pixels: .02 sqrt(2 / (9 * 1024))
    assert layer.weight.std().item() == pytest.approx(0.02 * math.sqrt(2 / 9216), rel=0.02)


def test_divergence_by_hand() -> None:
    # of N(2, e) and N(1, 1): (4 + e - 1 - 1) / 2 and 1/2; a mean over the batch and not a sum
    mean, log_variance = torch.tensor([[2.0], [1.0]]), torch.tensor([[1.0], [0.0]])
    each = [(2 + math.e) / 2, 0.5]
    assert divergence(mean[:1], log_variance[:1]).item() == pytest.approx(each[0])
    assert divergence(mean, log_variance).item() == pytest.approx(sum(each) / 2)
    # numbers of one code are added: their KL divergences are
    assert divergence(mean.T, log_variance.T).item() == pytest.approx(sum(each))
    assert divergence(torch.zeros(3, 5), torch.zeros(3, 5)).item() == 0


SPEC = Spec(Paired, (1, 4, 4), (1, 4, 4))


class Twice(nn.Module):
    """G(a) = 2 a, for objectives by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, a: Tensor, z: Tensor | None = None) -> Tensor:
        return self.factor * a


def by_hand(**settings: Any) -> Spade:
    """G(a) = 2 a; D(a, b) = a - 2 b at both scales; its hidden layers are its input, and twice."""
    given = {"translator": SMALL, "content": Pixels()} | settings
    game = Spade(Spade.Config(patch=Weighted(weights=(1.0, -2.0)), **given), SPEC)
    game.G = Twice()
    game.before_training()
    return game


def pictures(level: float) -> Tensor:
    return flat(level).repeat(1, 1, 2, 2)


PAIR = Paired(pictures(0.5), pictures(0.25))


def test_objectives_by_hand() -> None:
    # a = 1/2, b = 1/4: G(a) = 1; D(a, b) = 0, D(a, G(a)) = -3/2; halved flat images are the same
    play = by_hand()
    assert play.discriminator(PAIR)["adv"].item() == pytest.approx(1.0)  # max(0, 1 - 0), 1 - 3/2
    terms = play.generator(PAIR)
    assert terms["adv"].item() == pytest.approx(1.5)
    # of the pair half the channels differ, by 3/4: 3/8 and, doubled, 3/4
    assert terms["matching"].item() == pytest.approx(10 * (3 / 8 + 3 / 4))
    assert terms["content"].item() == pytest.approx(10 * 0.75**2)
    assert set(terms) == {"adv", "matching", "content"}
    weighed = by_hand(matching=2.0, content_weight=0.0).generator(PAIR)
    assert weighed["matching"].item() == pytest.approx(2 * 9 / 8)
    assert set(weighed) == {"adv", "matching"}
    assert set(by_hand(matching=0.0).generator(PAIR)) == {"adv", "content"}
    other = by_hand(loss=NonSaturating()).generator(PAIR)
    assert other["adv"].item() == pytest.approx(math.log1p(math.exp(1.5)))


def test_scales_count_alike_whatever_their_numbers_of_patches() -> None:
    """Bright at one corner: 16 patches of the whole, 4 of the half, each a mean of its own."""
    a, b = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    b[..., 0, 0] = 1.0
    play = by_hand(loss=Hinge())
    play.G.factor.data.zero_()
    # D(a, b) = -2 b, so max(0, 1 - D) is 3 at one of 16 pixels, and 1 + 2/4 at one of 4: a window
    # of 3 pixels at a corner has 4 within the image, and pixels beyond it do not count
    whole, half = 1 + 2 / 16, 1 + (2 / 4) / 4
    adv, seen = evaluate(play.discriminator, Paired(a, b))
    assert adv["adv"].item() == pytest.approx((whole + half) / 2 + 1)
    values = {name: value.item() for name, value in seen}
    assert values == pytest.approx({"real": -1 / 8, "fake": 0, "real_2": -1 / 8, "fake_2": 0})


def test_feature_matching_leaves_out_the_logits() -> None:
    D = PATCH.discriminator((2, 16, 16)).eval()
    real, fake = torch.rand(2, 2, 16, 16), torch.rand(2, 2, 16, 16)
    layers = [(f - r).abs().mean() for f, r in zip(D.features(fake), D.features(real), strict=True)]
    assert len(layers) == 2  # a layer of stride 2 and one of stride 1, and then the logits
    wanted = torch.stack(layers).sum().item()
    assert distance(D, real, fake).item() == pytest.approx(wanted, rel=1e-5)
    with torch.no_grad():
        D.head.parametrizations.weight.original.mul_(100)
    assert distance(D, real, fake).item() == pytest.approx(wanted, rel=1e-5)


def test_real_and_made_pairs_get_the_same_random_change() -> None:
    """Else feature matching would compare images that were moved apart."""
    game = by_hand(augment_d=DiffAugment())
    same = Paired(torch.rand(3, 1, 4, 4), torch.zeros(3, 1, 4, 4))
    same = Paired(same.a, 2 * same.a)
    for _, real, fake in game.judged(same):
        assert torch.equal(real, fake)
    assert game.generator(same)["matching"].item() == 0


@pytest.mark.parametrize(
    "augment",
    [
        DiffAugment(translation=0, cutout=0),
        ADA(p=0.8, target=None, blit=0, geometry=0, filter=1, noise=1),
        DiffAugment(),
    ],
)
def test_a_change_of_the_real_pair_sees_nothing_of_the_made_one(augment: Augment) -> None:
    """T(a, b) and T(a, G(a)): colours of one pair say nothing about the other's."""
    game = by_hand(augment_d=augment)
    a, b = torch.rand(5, 1, 4, 4), torch.rand(5, 1, 4, 4)
    seen = []
    for fake in (-torch.ones(5, 1, 4, 4), torch.rand(5, 1, 4, 4)):
        game.translation = lambda _, fake=fake: Drawn(fake)  # type: ignore[method-assign]
        torch.manual_seed(0)
        seen.append([real for _, real, _ in game.judged(Paired(a, b))])
    for first, second in zip(*seen, strict=True):
        assert torch.equal(first, second)
        assert not torch.equal(first, torch.cat([a, b], 1)[..., : first.shape[2], : first.shape[3]])


def test_the_perceptual_term_by_hand() -> None:
    """Five layers of the small net, by plain calls of it, weighted 1/32 to 1."""
    x, y = torch.rand(2, 3, 8, 8) * 2 - 1, torch.rand(2, 3, 8, 8) * 2 - 1
    found = SmallLayers().build((3, 8, 8))
    assert isinstance(found, LayerDistance)
    assert not list(found.parameters())
    assert not found.state_dict()
    wanted = 0.0
    net = found.net
    for weight, end in zip(RISING, SMALL_ENDS, strict=True):
        here, there = (net[:end](found.normalised(t)) for t in (x, y))  # type: ignore[index]
        wanted += weight * SMALL_LAYERS_SCALE * (here - there).abs().mean().item()
        assert isinstance(net[end - 1], nn.ReLU)  # type: ignore[index]
    assert found(x, y).item() == pytest.approx(wanted, rel=1e-5)
    assert found(x, x).item() == 0
    assert RISING == (0.03125, 0.0625, 0.125, 0.25, 1)
    # white is (1 - mean) / std of ImageNet, not 1
    white = found.normalised(torch.ones(1, 3, 4, 4))[0, :, 0, 0]
    assert white.tolist() == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225])


def test_layers_of_vgg_from_a_file(tmp_path: Path) -> None:
    vgg = pytest.importorskip("torchvision.models").vgg19
    file = tmp_path / "vgg.pth"
    whole = vgg().features
    torch.save({f"features.{k}": v for k, v in whole.state_dict().items()}, file)
    found = VGGLayers(weights=file).build((3, 16, 16))
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    h, ends = found.normalised(x), {}
    pools = 0
    for layer in whole[:30]:
        h = layer(h)
        pools += isinstance(layer, nn.MaxPool2d)
        if isinstance(layer, nn.ReLU):
            ends.setdefault(pools, h)  # the first ReLU of each of the five scales
    assert list(ends) == [0, 1, 2, 3, 4]
    for wanted, layer in zip(ends.values(), found.layers(x), strict=True):
        torch.testing.assert_close(layer, wanted)
    with pytest.raises(SettingsError, match="16 pixels or more"):
        VGGLayers(weights=file).build((3, 8, 16))


def test_other_weights_are_one_sentence(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "own.safetensors"
    save_file({k: torch.zeros_like(v) for k, v in small_net().state_dict().items()}, file)
    nothing = SmallLayers(weights=file).build((3, 8, 8))
    assert nothing(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)).item() == 0
    file.write_bytes(b"no weights")
    with pytest.raises(SettingsError, match="does not hold SmallFeatures' weights"):
        SmallLayers(weights=file).build((3, 8, 8))


def styled(**settings: Any) -> Spade:
    given = {"translator": SMALL, "patch": PATCH, "latent": 3, "encoder": StyleEncoder(width=4)}
    spec = Spec(Paired, (2, 16, 16), (3, 16, 16))
    return Spade(Spade.Config(**(given | settings)), spec)


def test_the_encoder_s_style_reaches_g_and_the_divergence_e() -> None:
    game = styled(content=Pixels())
    game.before_training()
    batch = Paired(torch.rand(2, 2, 16, 16), torch.rand(2, 3, 16, 16))
    with torch.no_grad():
        game.E.mean.bias.fill_(2.0)
        game.E.mean.weight.zero_()
        game.E.log_variance.bias.zero_()
        game.E.log_variance.weight.zero_()
    codes: list[Tensor] = []
    game.G.register_forward_hook(lambda *call: codes.append(call[1][1]))
    torch.manual_seed(3)
    drawn = game.translation(batch)
    torch.manual_seed(3)
    torch.testing.assert_close(codes[0], 2 + torch.randn(2, 3))  # mean + deviation times noise
    assert drawn.mean is not None
    # three numbers of mean 2 and variance 1: 3 * 4 / 2
    assert game.generator(batch)["kl"].item() == pytest.approx(0.05 * 6)
    assert [p.name for p in game.players()] == ["D", "G"]
    assert [len(list(p.networks)) for p in game.players()] == [1, 2]
    assert game.averaged == ("G", "E")
    assert Spade.averaged == ("G",)


def test_without_an_encoder_z_is_drawn_for_each_image() -> None:
    game, codes = styled(encoder=None), []
    game.G.register_forward_hook(lambda *call: codes.append(call[1][1]))
    assert game.translation(Paired(torch.rand(2, 2, 16, 16), torch.rand(2, 3, 16, 16))).mean is None
    assert codes[0].shape == (2, 3)
    assert not torch.equal(codes[0][0], codes[0][1])
    with pytest.raises(SettingsError, match="the encoder gives z, and latent is 0; set latent too"):
        Spade.Config(encoder=StyleEncoder())


def test_a_style_is_the_photo_s_mean_and_never_the_truth() -> None:
    game = styled().eval()
    maps, photo = torch.rand(2, 2, 16, 16), torch.rand(1, 3, 16, 16)
    torch.manual_seed(0)
    wanted = game.G(maps, game.E(photo)[0].expand(2, -1))
    assert torch.equal(game.translate(maps, style=photo), wanted)
    assert torch.equal(game.translate(maps, style=photo), wanted)  # no noise
    torch.manual_seed(0)
    drawn = game.translate(maps)
    torch.manual_seed(0)
    assert torch.equal(drawn, game.G(maps, torch.randn(1, 3).expand(2, -1)))
    assert not torch.allclose(drawn, wanted)
    with pytest.raises(SettingsError, match="this run has no encoder, so no photo can give"):
        styled(encoder=None).translate(maps, style=photo)
    with pytest.raises(SettingsError, match="Spade learns one direction, a2b, not 'b2a'"):
        game.translate(maps, "b2a")


def test_statistics_of_the_map_s_own_where_they_are_asked_for() -> None:
    x = torch.rand(2, 2, 16, 16)
    norm = BatchNorm(always_batch=True)
    game = styled(latent=0, encoder=None, translator=SpadeNet(width=4, hidden=4, norm=norm)).eval()
    torch.testing.assert_close(game.translate(x)[:1], game.translate(x[:1]))
    assert not torch.allclose(game.G(x)[:1], game.translate(x[:1]), atol=1e-6)


def test_maps_in_colours_are_refused_with_what_to_do() -> None:
    spec = Spec(Paired, (3, 16, 16), (3, 16, 16), label_map=LabelMap((0, 1)))
    with pytest.raises(SettingsError, match="add onehot=a to the data"):
        Spade(Spade.Config(translator=SMALL, patch=PATCH), spec)
