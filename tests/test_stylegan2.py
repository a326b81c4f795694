"""StyleGAN2: parameters, its layers by hand, lazy terms, mixing, truncation, p, resume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tensors, tiny, trainer_of
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d
from torch.utils.flop_counter import FlopCounterMode

from ganwright.augment import ADA
from ganwright.data.types import Images
from ganwright.layers.equalised import EqualLinear
from ganwright.layers.fir import Blurred, Filter
from ganwright.layers.mapping import Mapping
from ganwright.layers.minibatch import Spread
from ganwright.layers.modulated import StyledConv, modulated
from ganwright.networks import Networks, R3Net, StyleNet
from ganwright.networks.style import StyleBlock
from ganwright.observing import evaluate
from ganwright.penalties import R1, path_lengths
from ganwright.run.train import resume, train
from ganwright.training.guarded_step import step_or_undo

AUTO = StyleNet(base=16_384, mapping_G=2)
CIFAR = StyleNet(mapping_G=2, residual_D=False, group=32)


def parameters(net: nn.Module) -> int:
    return sum(w.numel() for w in net.parameters())


@pytest.mark.parametrize(
    ("nets", "size", "classes", "G", "D"),
    [
        pytest.param(AUTO, 256, 0, 23_191_522, 24_001_089, id="auto"),
        pytest.param(StyleNet(base=16_384), 256, 0, 24_767_458, 24_001_089, id="paper256"),
        pytest.param(CIFAR, 32, 0, 19_947_539, 20_720_641, id="cifar"),
        pytest.param(CIFAR, 32, 10, 20_215_315, 23_089_664, id="cifar-conditional"),
    ],
)
def test_networks_have_the_papers_parameters(
    nets: StyleNet, size: int, classes: int, G: int, D: int
) -> None:
    with torch.device("meta"):
        shape = (3, size, size)
        assert parameters(nets.generator(512, shape, classes, tanh=False)) == G
        assert parameters(nets.discriminator(shape, classes)) == D


@pytest.fixture
def shapes_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks and images without numbers, on a device that has no autocast to turn off."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    with torch.device("meta"):
        yield


def test_every_size_up_to_1024_is_built(shapes_alone: None) -> None:
    for size in (32, 64, 128, 256, 512, 1024):
        G: Any = StyleNet().generator(512, (3, size, size))
        assert G.synthesis.count == 2 * size.bit_length() - 4  # 2 log2(size) - 2
        assert G(torch.randn(1, 512)).shape == (1, 3, size, size)
    assert StyleNet().discriminator((3, 1024, 1024))(torch.randn(2, 3, 1024, 1024)).shape == (2,)


@pytest.mark.parametrize(
    ("nets", "latent", "size", "G", "D"),
    [
        pytest.param(AUTO, 512, 256, 15.0, 15.5, id="stylegan2-256"),
        pytest.param(CIFAR, 512, 32, 4.0, 4.0, id="stylegan2-cifar"),
        pytest.param(R3Net(), 64, 32, 7.0, 7.0, id="r3gan-cifar"),
        pytest.param(R3Net(), 64, 64, 13.1, 13.1, id="r3gan-64"),
        pytest.param(R3Net(), 64, 256, 29.0, 28.8, id="r3gan-256"),
    ],
)
def test_an_image_takes_the_papers_multiplications(
    nets: Networks, latent: int, size: int, G: float, D: float, shapes_alone: None
) -> None:
    """Billions of multiply-adds of a forward pass, those of the FIR filters apart."""
    shape = (3, size, size)
    pair = nets.generator(latent, shape, tanh=False), nets.discriminator(shape)
    given = torch.randn(1, latent), torch.randn(1, *shape)
    for net, x, wanted in zip(pair, given, (G, D), strict=True):
        with FlopCounterMode(display=False) as counter:
            net(x)
        counts = {k: sum(ops.values()) for k, ops in counter.get_flop_counts().items()}
        kind = type(net).__name__
        filters = [k for k, m in net.named_modules() if isinstance(m, Filter)]
        fir = sum(counts.get(f"{kind}.{name}", 0) for name in filters)
        assert fir > 0
        assert (counts["Global"] - fir) / 2e9 == pytest.approx(wanted, rel=0.01, abs=0.05)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("double", [True, False])
def test_modulation_is_a_weight_for_each_sample(demodulate: bool, double: bool) -> None:
    """Scaled activations and scaled weights, in one convolution with a group a sample, agree."""
    x, weight, style = torch.randn(3, 5, 6, 6), torch.randn(4, 5, 3, 3), torch.randn(3, 5)
    w = weight[None] * style[:, None, :, None, None]
    if demodulate:
        w = w / (w.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    found = modulated(x, weight, style, demodulate=demodulate, double=double)
    for i in range(3):
        if double:
            fused = conv_transpose2d(x[i : i + 1], w[i].transpose(0, 1), stride=2)
        else:
            fused = conv2d(x[i : i + 1], w[i], padding=1)
        assert torch.allclose(found[i : i + 1], fused, atol=1e-4, rtol=1e-4)


def test_demodulation_keeps_noise_at_unit_deviation() -> None:
    """Interior pixels have variance 1, and with doubling and its filter 25/64."""
    x, weight, style = torch.randn(2, 16, 48, 48), torch.randn(64, 16, 3, 3), torch.randn(2, 16)
    plain = modulated(x, weight, style)[:, :, 2:-2, 2:-2]
    assert plain.var().item() == pytest.approx(1.0, rel=0.05)
    doubled = Blurred(pad=1, gain=4.0)(modulated(x, weight, style, double=True))
    assert doubled.shape[2:] == (96, 96)
    assert doubled[:, :, 4:-4, 4:-4].var().item() == pytest.approx(0.390625, rel=0.1)


def test_sums_that_half_precision_cannot_hold_are_scaled_first() -> None:
    x, weight, style = torch.randn(2, 8, 6, 6), torch.randn(4, 8, 3, 3), torch.randn(2, 8)
    wanted = modulated(x, weight, style)
    halves = modulated(x.half(), (1000 * weight).half(), (1000 * style).half())
    assert halves.dtype is torch.float16
    assert torch.allclose(halves.float(), wanted, atol=0.02)
    with torch.autocast("cpu", torch.float16):  # the constant is fp32, and its convolution fp16
        cast = modulated(x, 1000 * weight, 1000 * style)
    assert cast.dtype is torch.float16
    assert torch.allclose(cast.float(), wanted, atol=0.02)


@pytest.mark.parametrize(("depth", "rms"), [(2, 1.05), (8, 1.22)])
def test_mapping_keeps_power(depth: int, rms: float) -> None:
    found = []
    for _ in range(3):
        with torch.no_grad():
            w = Mapping(512, 0, 512, depth)(7 * torch.randn(64, 512))
        found.append(w.square().mean().sqrt())
    assert torch.stack(found).mean().item() == pytest.approx(rms, rel=0.1)


def test_equalised_layers_by_hand() -> None:
    layer = EqualLinear(4, 3, bias=2.0, rate=0.01)
    x = torch.randn(2, 4)
    assert torch.allclose(layer(x), x @ layer.weight.T * 0.01 / 2 + 0.02, atol=1e-5)
    weights = EqualLinear(100, 100, rate=0.01).weight
    assert weights.std().item() == pytest.approx(100, rel=0.05)


def test_a_batchs_deviation_is_a_channel() -> None:
    """Samples 0 and 2, and 1 and 3, are compared: groups stand as far apart as they can."""
    x = torch.zeros(4, 2, 3, 3)
    x[2] += 2.0  # deviation 1 from sample 0
    out = Spread(2)(x)
    assert torch.equal(out[:, :2], x)
    assert torch.allclose(out[:, 2, 0, 0], torch.tensor([1.0, 1e-4, 1.0, 1e-4]), atol=1e-6)
    assert torch.equal(Spread(3)(x), Spread(2)(x))  # 3 does not divide 4


@pytest.mark.parametrize(
    ("batch", "group", "taken"), [(7, 4, 7), (35, 4, 5), (9, 8, 3), (3, 4, 3), (5, 1, 1), (1, 4, 1)]
)
def test_a_batch_of_any_size_has_a_deviation(batch: int, group: int, taken: int) -> None:
    """Of no batch but one of a single image does D see a constant, unless it is asked to."""
    x = torch.randn(batch, 2, 3, 3)
    found = Spread(group)(x)[:, 2, 0, 0]
    members = x.view(taken, -1, 2, 3, 3)
    wanted = (members.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3)).repeat(taken)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_noise_is_drawn_in_training_and_fixed_afterwards() -> None:
    conv = StyledConv(4, 4, (8, 8), 6, double=True)
    x, w = torch.randn(2, 4, 4, 4), torch.randn(2, 6)
    with torch.no_grad():
        assert torch.equal(conv(x, w), conv(x, w))  # its strength is 0 at first
        conv.strength.fill_(1.0)
        assert not torch.equal(conv(x, w), conv(x, w))
        conv.eval()
        assert torch.equal(conv(x, w), conv(x, w))


def game_of(**changes: Any) -> Any:
    return trainer_with(**changes).game


def trainer_with(**changes: Any) -> Any:
    _, settings = tiny("stylegan2")
    return trainer_of("stylegan2", game=replace(settings.game, **changes))


def test_path_lengths_of_a_linear_synthesis_by_hand() -> None:
    """An image A w, w the sum over 3 layers: J^T y is A^T y in each, and so is their mean."""
    A, w = torch.randn(5, 2 * 4 * 4), torch.randn(6, 3, 5)
    torch.manual_seed(1)
    found = path_lengths(lambda w: (w.sum(1) @ A).unflatten(1, (2, 4, 4)), w)
    torch.manual_seed(1)
    y = torch.randn(6, 2, 4, 4).flatten(1) / 4
    assert torch.allclose(found, (y @ A.T).norm(dim=1), rtol=1e-5)


def test_the_path_penalty_pulls_lengths_to_their_running_mean() -> None:
    game = game_of(path_share=1.0)
    game.length.fill_(3.0)
    lengths = torch.tensor([1.0, 2.0, 3.0, 6.0], requires_grad=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganwright.families.stylegan2.path_lengths", lambda *_: lengths)
        batch = Images(torch.zeros(4, *game.spec.shape))
        terms, seen = evaluate(game.paths, batch)
    assert dict(seen)["path_length"].item() == pytest.approx(3.0)
    assert terms["path"].item() == pytest.approx(2 * (4 + 1 + 0 + 9) / 4)
    # a is a part of the objective: its share of the slope is 1 % of the mean, here of 0
    (slope,) = torch.autograd.grad(terms["path"], lengths)
    assert torch.allclose(slope, lengths.detach() - 3.0)
    game.after(trainer_with().players[0].player, {"path_length": torch.tensor(5.0)})
    assert game.length.item() == pytest.approx(3.02)


def test_path_lengths_reach_all_of_gs_weights_through_two_gradients() -> None:
    game = game_of()
    terms, _ = evaluate(game.paths, Images(torch.zeros(4, *game.spec.shape)))
    named = dict(game.G.named_parameters())
    slopes = torch.autograd.grad(terms["path"], list(named.values()), allow_unused=True)
    still = {k for k, s in zip(named, slopes, strict=True) if s is None or not s.any()}
    # the last biases move images, not slopes; noise is not scaled by w
    assert "synthesis.constant" not in still
    assert "mapping.layers.0.weight" not in still
    assert not {k for k in still if k.endswith("weight")}


def test_later_layers_get_the_styles_of_another_z() -> None:
    G = game_of().G.eval()
    z, other = torch.randn(2, 3, 8)
    with torch.no_grad():
        alone, late = G.styles(z), G.styles(other)
        mixed = G.styles(z, mix=(other, torch.tensor(3)))
    assert alone.shape == (3, 4, 8)
    assert torch.equal(mixed[:, :3], alone[:, :3])
    assert torch.equal(mixed[:, 3:], late[:, 3:])


def test_mixing_happens_as_often_as_it_should() -> None:
    game = game_of(mixing=0.7)
    first = torch.stack([game.mix(1)[1] for _ in range(600)])
    assert set(first.tolist()) == {1, 2, 3, 4}  # 4 is beyond the last
    assert (first < 4).float().mean().item() == pytest.approx(0.7, abs=0.08)
    assert game_of(mixing=0.0).mix(1) is None


def test_truncation_goes_to_the_mean_style() -> None:
    game = game_of()
    G = game.G.eval()
    G.typical.mean.copy_(torch.randn(8))
    z = torch.randn(5, 8)
    with torch.no_grad():
        w = G.styles(z)
        assert torch.allclose(G.styles(z, psi=0.0), G.typical.mean.expand_as(w))
        assert torch.allclose(G.styles(z, psi=0.5), (w + G.typical.mean) / 2, atol=1e-6)
        far = game_of(truncation=0.0)
        far.eval()
        assert torch.allclose(*far.sample(2), atol=1e-6)


def test_the_mean_style_follows_training_and_no_lazy_pass() -> None:
    trainer = trainer_with(path_weight=0.0, penalties=(), mixing=0.9)
    game, shown = trainer.game, []
    forward = game.G.typical.forward
    game.G.typical.forward = lambda w: (shown.append(w.detach().clone()), forward(w))[1]
    trainer.play_step()
    mean = torch.zeros(8)
    assert len(shown) == 2  # G's update and D's, of which the mixed z is no part
    for w in shown:
        mean.lerp_(w.mean(0), 0.005)
    assert torch.allclose(game.G.typical.mean, mean, atol=1e-7)
    before = game.G.typical.mean.clone()
    with trainer.inferring() as view:
        view.sample(4)
    assert torch.equal(game.G.typical.mean, before)


def test_lazy_terms_are_updates_of_their_own_with_adam_corrected() -> None:
    trainer = trainer_with()
    called: list[str] = []
    after = trainer.game.after
    trainer.game.after = lambda player, terms: (
        called.append(f"{player.name} {next(iter(terms))}"),
        after(player, terms),
    )[1]
    for _ in trainer.play(5):
        pass
    main = ["G adv", "D adv"]
    first = [*main, "G path", "D R1"]
    assert called == [*first, *main, *main, *main, *main, "G path"]
    G, D = (trained.optimizer.param_groups[0] for trained in trainer.players)
    assert (G["lr"], G["betas"][1]) == pytest.approx((0.002, 0.991992), rel=1e-6)
    assert (D["lr"], D["betas"][1]) == pytest.approx((0.002353, 0.990585), rel=2e-4)
    assert G["betas"][0] == D["betas"][0] == 0.0


def test_averages_copy_the_mean_style_and_the_noise() -> None:
    trainer = trainer_with()
    trainer.play_step()
    live, average = trainer.game.G, trainer.average.networks["G"]
    assert torch.equal(average.typical.mean, live.typical.mean)
    noise = [k for k, _ in live.named_buffers() if k.endswith("noise")]
    assert len(noise) == 3
    own, copied = dict(live.named_buffers()), dict(average.named_buffers())
    assert all(torch.equal(own[k], copied[k]) for k in noise)


def test_a_skipped_update_leaves_p_and_the_mean_length_where_the_host_does_not_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a GPU, where `after` is called for an update that was undone, with its NaN."""

    def unseen(optimizer: Any, finite: Tensor, _: Any = None) -> None:
        step_or_undo(optimizer, finite)

    monkeypatch.setattr("ganwright.training.trainer.guarded_step", unseen)
    trainer = trainer_with(augment_d=ADA(p=0.5, speed=40.0, every=1))
    game, broken = trainer.game, torch.tensor(float("nan"))
    trainer.play_step()
    kept = [game.length.clone(), *(t.clone() for t in game.augment.buffers())]
    assert game.length.item() != 0
    assert game.augment.p.item() != 0.5
    with monkeypatch.context() as patch:
        patch.setattr(
            "ganwright.families.stylegan2.path_lengths", lambda G, w: w.sum((1, 2)) * broken
        )
        patch.setattr(game, "shown", lambda x: x * broken)
        for _ in trainer.play(5):  # the fifth step has a pass on path lengths
            pass
    now = [game.length, *game.augment.buffers()]
    assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=True))
    assert all(torch.isfinite(w).all() for w in game.parameters())
    for _ in trainer.play(9):
        pass
    assert not torch.equal(game.length, kept[0])
    assert torch.isfinite(game.length)


def test_styles_and_the_sum_of_images_are_exact_in_16_bits() -> None:
    z, image = torch.randn(3, 8), torch.randn(3, 1, 4, 4)
    mapping = Mapping(8, 0, 8, 2)
    block = StyleBlock(4, 4, (8, 8), 8, 1)
    assert block.image is not None
    nn.init.zeros_(block.image.weight)
    x, w = torch.randn(3, 4, 4, 4), torch.randn(3, 3, 8)
    plain = mapping(z), block(x, image, w)[1]
    with torch.autocast("cpu", torch.bfloat16):
        half = mapping(z), block(x, image, w)[1]
    for a, b in zip(plain, half, strict=True):
        assert b.dtype is torch.float32
        assert torch.equal(a, b)


def test_p_is_followed_logged_and_saved(tmp_path: Path) -> None:
    """A run that is cut amid lazy intervals, p moving in each step, is the uninterrupted one."""
    moving = ADA(p=0.5, speed=40.0, every=1)
    own = {"augment_d": moving, "penalties": (R1(1.0, every=3),), "conditional": True}
    cls, settings = tiny("stylegan2", save_every=2, sample_every=50, log_every=1)
    settings = replace(settings, game=replace(settings.game, **own))
    train(cls, replace(settings, steps=6), tmp_path / "whole", quiet=True)
    train(cls, replace(settings, steps=2), tmp_path / "parts", quiet=True)
    cut = tensors(tmp_path / "parts")["game.augment.p"].item()
    resume(tmp_path / "parts", steps=6, quiet=True)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert [k for k in whole if not torch.equal(whole[k], parts[k])] == []
    assert whole.keys() == parts.keys()
    assert cut == pytest.approx(0.5 + round((cut - 0.5) * 10) / 10)
    text = (tmp_path / "parts/metrics.jsonl").read_text(encoding="utf-8")
    logged = {round(json.loads(line)["D/p"], 3) for line in text.splitlines() if "D/p" in line}
    assert len(logged) > 1  # by 4 / 40 in each step, up or down


class Flat(nn.Module):
    """D(x) = a . x."""

    classes = 0

    def __init__(self, a: Tensor) -> None:
        super().__init__()
        self.a = nn.Parameter(a)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x.flatten(1) @ self.a


def test_r1_of_a_linear_d_is_half_gamma_times_its_square() -> None:
    game = game_of(penalties=(R1(0.4, every=16),))
    game.D = Flat(torch.randn(torch.Size(game.spec.shape).numel()))
    lazy = {p.name: p.lazy for p in game.players()}["D"]
    assert [each.every for each in lazy] == [16]
    terms, _ = evaluate(lazy[0].objective, Images(torch.randn(4, *game.spec.shape)))
    assert terms["R1"].item() == pytest.approx(0.2 * game.D.a.square().sum().item(), rel=1e-5)


def test_labels_choose_the_images() -> None:
    game = game_of(conditional=True)
    game.eval()
    z = torch.randn(1, 8).expand(2, -1)
    with torch.no_grad():
        one, other = game.generate(z, torch.tensor([0, 1]))
        soft = game.generate(z[:1], torch.eye(10)[:1])
    assert not torch.equal(one, other)
    assert torch.allclose(soft[0], one, atol=1e-6)
    scores = game.D(torch.randn(1, *game.spec.shape).expand(2, -1, -1, -1), torch.tensor([0, 1]))
    assert scores[0] != scores[1]


def test_plain_networks_are_there_too() -> None:
    nets = StyleNet(base=64, most=8, styles=8, mapping_G=1, skip_G=False, residual_D=False)
    G: Any = nets.generator(4, (3, 16, 16))
    assert [block.image is not None for block in G.synthesis.blocks] == [False, False, True]
    assert G(torch.randn(2, 4)).abs().max() <= 1  # it squashes where a family asks it to
    D: Any = nets.discriminator((3, 16, 16))
    assert all(block.skip is None for block in D.blocks)
    assert D(torch.randn(2, 3, 16, 16)).shape == (2,)
