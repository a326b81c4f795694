"""Networks from pictures to pictures and their critics: sizes, fields of view, published sizes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganwright.errors import SettingsError
from ganwright.layers.norm import BatchNorm, GroupNorm, InstanceNorm, NoNorm, Norm
from ganwright.layers.resample import Resize
from ganwright.networks import (
    PATCHES,
    TRANSLATORS,
    AdaptationNets,
    AdvCritic,
    AdvTranslator,
    APECritic,
    APETranslator,
    ConvCritic,
    CustomPatch,
    CustomTranslator,
    EncoderDecoder,
    Patch,
    PatchGAN,
    ResNetTranslator,
    SRDiscriminator,
    SRResNet,
    Translator,
    UNet,
)
from ganwright.networks.translator import ResidualReflection

KINDS: dict[str, Translator] = {
    "unet": UNet(width=4),
    "resnet": ResNetTranslator(width=4, blocks=2),
    "resnet-resize": ResNetTranslator(width=4, blocks=1, up=Resize(), norm=BatchNorm()),
    "encoder-decoder": EncoderDecoder(width=4),
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def parameters(build: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build().parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("source", "target"),
    [((1, 16, 16), (3, 16, 16)), ((3, 32, 48), (1, 32, 48)), ((4, 28, 28), (3, 28, 28))],
    ids=str,
)
def test_translators_keep_the_size(
    kind: str, source: tuple[int, ...], target: tuple[int, ...]
) -> None:
    network = KINDS[kind].translator(source, target)
    for n in (1, 3):  # a single picture must pass every norm
        out = network(torch.rand(n, *source) * 2 - 1)
        assert out.shape == (n, *target)
        assert 0 < out.abs().max() < 1
    out.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.rand(2, *source)).dtype == torch.float32


def test_unet_goes_down_to_one_pixel() -> None:
    network = UNet(width=2).translator((3, 256, 256), (3, 256, 256))
    shapes: list[torch.Size] = []
    for down in network.downs:
        down.register_forward_hook(lambda m, a, out: shapes.append(out.shape[1:]))
    assert network(torch.rand(1, 3, 256, 256)).shape == (1, 3, 256, 256)
    assert [s[1] for s in shapes] == [128, 64, 32, 16, 8, 4, 2, 1]
    assert [s[0] for s in shapes] == [2, 4, 8, 16, 16, 16, 16, 16]


@pytest.mark.parametrize(
    "norm", [BatchNorm(always_batch=True, eps=1e-6), InstanceNorm(affine=True, eps=1e-6)]
)
def test_unet_s_innermost_norm_leaves_one_pixel_its_shift_alone(norm: Norm) -> None:
    networks = UNet(width=2, norm=norm, innermost=True, dropout=0.0)
    network = networks.translator((1, 8, 8), (1, 8, 8))
    out: list[torch.Tensor] = []
    network.downs[-1].register_forward_hook(lambda m, a, y: out.append(y))
    inner = network.downs[-1][-1].norm
    torch.nn.init.constant_(inner.bias, 0.3)
    network(torch.rand(1, 1, 8, 8))
    assert_close(out[0], torch.full((1, 8, 1, 1), 0.3))
    # Where it is larger, it is normalised as any other: mean .3, the gain as deviation.
    wide = UNet(width=2, norm=norm, innermost=True, dropout=0.0, depth=2)
    network = wide.translator((1, 16, 16), (1, 16, 16))
    network.downs[-1].register_forward_hook(lambda m, a, y: out.append(y))
    torch.nn.init.constant_(network.downs[-1][-1].norm.bias, 0.3)
    torch.nn.init.normal_(network.downs[-1][1].weight, std=10)  # far above eps
    network(torch.rand(1, 1, 16, 16))
    assert out[1].shape == (1, 4, 4, 4)
    assert_close(out[1].mean((2, 3)), torch.full((1, 4), 0.3))
    spread = out[1].std((2, 3), correction=0)[0]
    assert_close(spread, network.downs[-1][-1].norm.weight, rtol=1e-3, atol=0.0)


def test_unet_s_noise_is_dropout_also_in_evaluation() -> None:
    x = torch.rand(2, 3, 32, 32)
    noisy = UNet(width=4).translator((3, 32, 32), (3, 32, 32)).eval()
    assert (noisy(x) - noisy(x)).abs().max() > 0
    still = UNet(width=4, dropout=0.0).translator((3, 32, 32), (3, 32, 32)).eval()
    assert torch.equal(still(x), still(x))
    # Batch statistics at test time: a picture's translation depends on the batch it is in.
    assert (still(x)[:1] - still(x[:1])).abs().max() > 0


def test_unet_skips_carry_detail_past_the_bottleneck() -> None:
    networks = UNet(width=4, dropout=0.0, norm=NoNorm())
    network = networks.translator((1, 16, 16), (1, 16, 16)).requires_grad_(False)
    x = torch.rand(1, 1, 16, 16)
    before = network(x)
    network.downs[-1].register_forward_hook(lambda m, a, out: torch.zeros_like(out))
    assert (network(x) - before).abs().max() > 0
    for weight in network.downs[0].parameters():
        weight.zero_()
    assert_close(network(x), network(torch.rand(1, 1, 16, 16)))


@pytest.mark.parametrize(("size", "blocks"), [(64, 6), (128, 6), (256, 9)])
def test_residual_blocks_by_size(size: int, blocks: int) -> None:
    with torch.device("meta"):
        network = ResNetTranslator().translator((3, size, size), (3, size, size))
    assert sum(isinstance(m, ResidualReflection) for m in network.modules()) == blocks


def test_published_numbers_of_parameters() -> None:
    shape = (3, 256, 256)
    assert parameters(lambda: UNet().translator(shape, shape)) == 54_414_531
    # 2,768,705 with batch norm, whose layers' biases give way to gains and shifts
    patch = PatchGAN(norm=BatchNorm())
    assert parameters(lambda: patch.discriminator((6, 256, 256))) == 2_768_705
    # 11,378,179 with biases; instance norm undoes those of 64 + 128 + 256 + 18 x 256 + 128 + 64
    assert parameters(lambda: ResNetTranslator().translator(shape, shape)) == 11_378_179 - 5248
    assert parameters(lambda: SRResNet().translator((3, 24, 24), (3, 96, 96))) == sr_parameters()
    assert parameters(lambda: SRDiscriminator().discriminator((3, 96, 96))) == 23_563_649


def sr_parameters() -> int:
    """Of SRResNet's figure 4: 16 blocks of 64 channels, two sub-pixel layers."""
    ends = (3 * 64 * 81 + 64 + 64) + (64 * 3 * 81 + 3)
    conv, norm, prelu = 64 * 64 * 9, 128, 64
    blocks = 16 * (2 * conv + 2 * norm + prelu) + conv + norm
    return ends + blocks + 2 * (64 * 256 * 9 + 256 + prelu)


@pytest.mark.parametrize("field", [1, 16, 34, 70, 142, 286])
def test_a_patch_sees_as_much_as_it_says(field: int) -> None:
    size = field + 64
    D = PatchGAN(field=field, width=2, norm=NoNorm()).discriminator((1, size, size))  # type: ignore[arg-type]
    x = torch.rand(1, 1, size, size, requires_grad=True)
    logits = D(x)
    h, w = logits.shape[2] // 2, logits.shape[3] // 2
    logits[0, 0, h, w].backward()
    assert x.grad is not None
    seen = x.grad[0, 0] != 0
    assert (int(seen.any(0).sum()), int(seen.any(1).sum())) == (field, field)


def test_kernels_of_five_keep_the_map_and_widen_the_patch() -> None:
    D = PatchGAN(width=2, norm=NoNorm(), kernel=5).discriminator((1, 160, 160))
    x = torch.rand(1, 1, 160, 160, requires_grad=True)
    logits = D(x)
    assert logits.shape == (1, 1, 20, 20)
    logits[0, 0, 10, 10].backward()
    assert x.grad is not None
    seen = x.grad[0, 0] != 0
    assert (int(seen.any(0).sum()), int(seen.any(1).sum())) == (93, 93)


@pytest.mark.parametrize("kind", [ConvCritic, PatchGAN, SRDiscriminator])
def test_critics_give_maps_and_features(kind: type[Patch]) -> None:
    patch = PatchGAN(field=16, width=4) if kind is PatchGAN else kind(width=4)  # type: ignore[call-arg]
    D = patch.discriminator((3, 16, 24))
    x = torch.rand(2, 3, 16, 24)
    with torch.autocast("cpu", torch.bfloat16):
        logits, features = D(x), D.features(x)
    assert logits.shape[:2] == (2, 1)
    assert logits.ndim == 4
    assert len(features) == {PatchGAN: 2, SRDiscriminator: 8}.get(kind, len(features)) > 0
    assert {t.dtype for t in (logits, *features)} == {torch.float32}
    D.eval()
    assert_close(D.head(D.features(x)[-1]).flatten(), D(x).flatten())


def test_critics_have_second_derivatives() -> None:
    for patch in (PatchGAN(field=16, width=4, spectral=True), SRDiscriminator(width=4)):
        D = patch.discriminator((3, 16, 16)).eval()
        gradient = torch.func.grad(lambda u, D=D: D(u).sum())(torch.rand(2, 3, 16, 16))
        gradient.square().sum().backward()
        assert sum(p.grad.abs().sum() for p in D.parameters() if p.grad is not None) > 0


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_upscaling_of_any_size(scale: int) -> None:
    networks = SRResNet(scale=scale, blocks=1, width=4)  # type: ignore[arg-type]
    network = networks.translator((3, 8, 8), (3, 8 * scale, 8 * scale))
    out = network(torch.rand(2, 3, 7, 5))
    assert out.shape == (2, 3, 7 * scale, 5 * scale)
    assert out.abs().max() < 1


def test_upscaling_is_local() -> None:
    """A change moves no pixel farther off than the receptive field, so tiles can overlap by it."""
    network = SRResNet(blocks=1, width=4, norm=NoNorm()).translator((1, 8, 8), (1, 32, 32)).eval()
    x = torch.rand(1, 1, 40, 40, requires_grad=True)
    network(x)[0, 0, 80, 80].backward()
    assert x.grad is not None
    seen = (x.grad[0, 0] != 0).any(0).nonzero().flatten()
    # 4 of the 9x9, 1 of each of three 3x3, and 3 of what stands at higher resolutions
    assert 20 - seen.min() <= 10
    assert seen.max() - 20 <= 10


def test_networks_of_domain_adaptation() -> None:
    networks = AdaptationNets(width=4, blocks=2)
    source, target = (1, 28, 28), (3, 28, 28)
    G, D = networks.adapter(10, source, target), networks.discriminator(target)
    T = networks.classifier(source, target, 7)
    x, z = torch.rand(4, *source), torch.rand(4, 10)
    fake = G(x, z)
    assert fake.shape == (4, *target)
    assert fake.abs().max() < 1
    G.eval()
    assert (G(x, z) - G(x, -z)).abs().max() > 0
    assert D(fake).shape == (4,)
    assert D.features(fake).shape == (4, D.width)
    assert (D(fake) - D(fake)).abs().max() > 0  # noise and dropout
    assert torch.equal(D.eval()(fake), D(fake))
    assert T(fake).shape == T(x, source=True).shape == (4, 7)
    (T(fake).sum() + T(x, source=True).sum() + D(fake).sum()).backward()
    assert all(p.grad is not None for m in (G, D, T) for p in m.parameters())


@pytest.mark.parametrize("norm", [BatchNorm(eps=1e-3), InstanceNorm(), GroupNorm(), NoNorm()])
def test_domain_adaptation_takes_every_norm_and_size(norm: Norm) -> None:
    networks = AdaptationNets(width=4, blocks=1, norm=norm)
    for h, w in ((5, 6), (30, 20)):
        G, D = networks.adapter(3, (1, h, w), (1, h, w)), networks.discriminator((1, h, w))
        fake = G(torch.rand(2, 1, h, w), torch.rand(2, 3))
        assert fake.shape == (2, 1, h, w)
        assert D(fake).shape == (2,)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: UNet().translator((3, 30, 30), (3, 30, 30)), "4 divides, .* fits is 32x32"),
        (lambda: UNet(depth=5).translator((3, 48, 48), (3, 48, 48)), "32 divides"),
        (lambda: UNet(depth=1), "depth of UNet is 1; it must be at least 2"),
        (lambda: ResNetTranslator().translator((3, 4, 4), (3, 4, 4)), "fits is 8x8"),
        (lambda: EncoderDecoder().translator((3, 50, 50), (3, 50, 50)), "fits is 48x48"),
        (lambda: UNet().translator((3, 8, 8), (3, 16, 16)), "domains differ: 8x8 and 16x16"),
        (lambda: PatchGAN().discriminator((3, 20, 20)), "needs images of 24 .*; field=34 fits"),
        (lambda: PatchGAN(kernel=3), "kernel of PatchGAN is 3; it must be 4 or 5"),  # type: ignore[arg-type]
        (lambda: PatchGAN(field=50), "field of PatchGAN is 50; it must be 1 or 16 or 34 or 70"),  # type: ignore[arg-type]
        (lambda: SRResNet().translator((3, 8, 8), (3, 8, 8)), "makes 32x32 of 8x8"),
        (lambda: SRResNet(scale=5), "scale of SRResNet is 5; it must be 2 or 3 or 4 or 8"),  # type: ignore[arg-type]
        (lambda: AdaptationNets().adapter(4, (1, 8, 8), (1, 9, 9)), "must have one size"),
        (lambda: AdaptationNets().discriminator((1, 3, 8)), "of 4 pixels or more, got .1, 3, 8."),
    ],
)
def test_what_does_not_fit_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_the_smallest_pictures_that_are_accepted_work() -> None:
    for field, size in ((16, 6), (34, 12), (70, 24)):
        D = PatchGAN(field=field, width=2).discriminator((1, size, size))  # type: ignore[arg-type]
        assert D(torch.rand(1, 1, size, size)).shape == (1, 1, 1, 1)


def test_registries_hold_every_kind() -> None:
    own_tests = {AdvTranslator, APETranslator, SRResNet, CustomTranslator}
    assert {type(t) for t in KINDS.values()} | own_tests == set(TRANSLATORS.values())
    others = {AdvCritic, APECritic, ConvCritic, SRDiscriminator, CustomPatch}
    assert set(PATCHES.values()) == others | {PatchGAN}
