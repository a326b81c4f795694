"""R3GAN: parameters, blocks at the start, its penalties by hand, schedules, resume, uses."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tensors, tiny, trainer_of
from torch import Tensor, nn

from ganwright.augment import ADA
from ganwright.data.types import Images
from ganwright.errors import SettingsError
from ganwright.families.r3gan import BURN_IN, R3GAN
from ganwright.layers.fir import Doubled, Halved
from ganwright.networks import ConvNet, R3Net
from ganwright.networks.r3 import R3Block
from ganwright.observing import evaluate
from ganwright.optim import Adam, Cosine, CosineRise
from ganwright.penalties import R1, R2
from ganwright.run.train import resume, train
from ganwright.training.ema import EMA


def parameters(net: nn.Module) -> int:
    return sum(w.numel() for w in net.parameters())


@pytest.mark.parametrize(
    ("size", "classes", "G", "D"),
    [
        (32, 0, 20_732_160, 20_683_776),
        (32, 10, 20_781_952, 21_280_512),
        (64, 0, 22_429_824, 22_381_440),
        (256, 0, 23_057_952, 23_009_568),
    ],
)
def test_networks_have_the_papers_parameters(size: int, classes: int, G: int, D: int) -> None:
    """768 channels up to 32 pixels, then half as many each: CIFAR-10, FFHQ-64 and FFHQ-256."""
    with torch.device("meta"):
        shape = (3, size, size)
        assert parameters(R3Net().generator(64, shape, classes, tanh=False)) == G
        assert parameters(R3Net().discriminator(shape, classes)) == D


def test_the_only_biases_are_those_before_the_activations() -> None:
    net = R3Net(width=16, blocks=2).discriminator((3, 32, 32), 4)
    biases = [name for name, _ in net.named_parameters() if name.endswith("bias")]
    assert len(biases) == 4 * 2 * 2
    assert all(name.endswith(("first.bias", "second.bias")) for name in biases)


def test_blocks_are_the_identity_at_first_and_have_fixups_deviations() -> None:
    block = R3Block(64, 16, count=16)
    x = torch.randn(2, 64, 4, 4)
    assert torch.equal(block(x), x)
    gain = math.sqrt(2 / 1.04) / 16**0.25
    # of 8,192 and 18,432 numbers: standard errors of .8 and .5 %
    assert block.first.weight.std().item() == pytest.approx(gain / math.sqrt(64), rel=0.05)
    assert block.second.weight.std().item() == pytest.approx(gain / math.sqrt(16 * 9), rel=0.05)
    assert block.second.groups == 128 // 16


@pytest.mark.parametrize(("size", "power"), [(32, 0.2661), (64, 0.2608)])
def test_images_have_the_power_of_the_filtered_basis_at_first(size: int, power: float) -> None:
    """E[G(z)²]: doublings alone change the power of a basis of N(0, 1), and zeros lie around it."""
    torch.manual_seed(0)
    G = R3Net(width=64, full=5, blocks=1).generator(64, (64, size, size), tanh=False)
    with torch.no_grad():
        # 1x1 convolutions and z's weights keep power on average; the basis is drawn many times
        found = [_redrawn(G)(torch.randn(16, 64)).square().mean() for _ in range(6)]
    assert torch.stack(found).mean().item() == pytest.approx(power, rel=0.15)


def _redrawn(G: Any) -> Any:
    G.basis.normal_()
    return G


def test_doubling_and_halving_by_hand() -> None:
    """Of one pixel: (1, 3, 3, 1) / 4 on either axis; of ones: ones where no border is near."""
    dot = torch.zeros(1, 1, 4, 4)
    dot[0, 0, 1, 2] = 1.0
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    up = Doubled()(dot)[0, 0]
    assert torch.allclose(up[1:5, 3:7], row[:, None] * row[None, :])
    assert up.sum().item() == pytest.approx(4.0)
    flat = torch.ones(1, 3, 8, 8)
    assert torch.allclose(Halved()(flat)[:, :, 1:-1, 1:-1], torch.ones(1, 3, 2, 2))
    assert torch.allclose(Doubled()(flat)[:, :, 1:-1, 1:-1], torch.ones(1, 3, 14, 14))
    # halving is doubling's transpose, over 4
    x, y = torch.randn(1, 2, 8, 8), torch.randn(1, 2, 4, 4)
    left, right = (Halved()(x) * y).sum(), (x * Doubled()(y)).sum() / 4
    assert left.item() == pytest.approx(right.item(), abs=1e-4)


def test_doubling_noise_keeps_its_power_times_25_64ths() -> None:
    x = torch.randn(1, 8, 64, 64)
    inside = Doubled()(x)[:, :, 2:-2, 2:-2]
    assert inside.square().mean().item() == pytest.approx(0.390625, rel=0.05)


class Linear(nn.Module):
    """D(x) = a . x, whose gradient is a everywhere."""

    classes = 0

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(math.prod(shape)))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x.flatten(1) @ self.a


def linear_game(**changes: Any) -> Any:
    _, settings = tiny("r3gan")
    given = {"augment_d": None, "penalties": (R1(0.3), R2(0.3))} | changes
    game = trainer_of("r3gan", game=replace(settings.game, **given)).game
    game.D = Linear(game.spec.shape)
    return game


def test_both_penalties_of_a_linear_d_are_gamma_times_its_square() -> None:
    game = linear_game()
    batch = Images(torch.randn(4, *game.spec.shape))
    terms, _ = evaluate(game.discriminator, batch)
    assert (terms["R1"] + terms["R2"]).item() == pytest.approx(
        0.3 * game.D.a.square().sum().item(), rel=1e-5
    )
    # and the gradient of gamma |a|² is 2 gamma a
    (slope,) = torch.autograd.grad(terms["R1"] + terms["R2"], game.D.a)
    assert torch.allclose(slope, 2 * 0.3 * game.D.a, rtol=1e-4, atol=1e-6)


def test_pairs_are_compared_one_by_one() -> None:
    game = linear_game(penalties=())
    x, fake = torch.randn(4, *game.spec.shape), torch.randn(4, *game.spec.shape)
    game.fakes = lambda batch: fake
    gap = (fake - x).flatten(1) @ game.D.a
    for objective, sign in ((game.discriminator, 1), (game.generator, -1)):
        terms, _ = evaluate(objective, Images(x))
        by_hand = nn.functional.softplus(sign * gap).mean()
        assert terms["adv"].item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_penalties_look_through_the_augmentation() -> None:
    """Contrast alone, doubled by hand: the gradient by the plain image is twice a."""
    game = linear_game()
    game.shown = lambda x: 2 * x
    terms, _ = evaluate(game.discriminator, Images(torch.randn(4, *game.spec.shape)))
    assert terms["R1"].item() == pytest.approx(4 * 0.15 * game.D.a.square().sum().item(), rel=1e-5)


def test_penalties_have_gradients_through_every_change() -> None:
    """R1 and R2 of D(T(x)) reach D's weights where T warps and recolours all images."""
    _, settings = tiny("r3gan")
    everything = ADA(p=1.0, target=None, filter=1.0, noise=1.0, cutout=1.0)
    trainer = trainer_of("r3gan", game=replace(settings.game, augment_d=everything))
    game: Any = trainer.game
    terms, _ = evaluate(game.discriminator, trainer.batches.batch(0, 4))
    slopes = torch.autograd.grad(terms["R1"] + terms["R2"], list(game.D.parameters()))
    assert all(s.isfinite().all() for s in slopes)
    assert all(s.abs().sum() > 0 for s in slopes[:1])


def test_each_schedule_is_half_a_cosine_over_the_burn_in() -> None:
    """By hand at the start, in the middle, at the end, and long after."""
    cfg = R3GAN.Config()
    for step, share in ((0, 0.0), (BURN_IN // 2, 0.5), (BURN_IN, 1.0), (9 * BURN_IN, 1.0)):
        assert isinstance(cfg.optimizer_d, Adam)
        numbers = cfg.optimizer_d.at(step)
        assert numbers["lr"] == pytest.approx(2e-4 + share * (5e-5 - 2e-4))
        assert numbers["betas"] == pytest.approx((0.0, 0.9 + share * 0.09))
        for penalty in cfg.penalties:
            gamma = penalty.weight * penalty.schedule.factor(step)
            assert gamma == pytest.approx(0.05 + share * (0.005 - 0.05))
        assert isinstance(cfg.augment_d, ADA)
        p = cfg.augment_d.p * cfg.augment_d.schedule.factor(step)
        assert p == pytest.approx(0.55 * share, abs=1e-9)


def scheduled(horizon: int = 4) -> dict[str, Any]:
    """The schedules of the paper in a few steps."""
    fall = Cosine(horizon, floor=0.1)
    adam = Adam(2e-4, Cosine(horizon, floor=0.25), (0.0, 0.9), beta2_schedule=fall)
    return {
        "penalties": (R1(0.05, schedule=fall), R2(0.05, every=3, schedule=fall)),
        "augment_d": ADA(p=0.5, target=None, schedule=CosineRise(horizon), cutout=1.0),
        "optimizer_d": adam,
        "optimizer_g": adam,
    }


def test_a_step_is_made_with_the_numbers_of_its_schedules() -> None:
    _, settings = tiny("r3gan")
    trainer = trainer_of("r3gan", game=replace(settings.game, **scheduled()))
    game: Any = trainer.game
    game.D = trainer.players[0].player.networks[0]
    costs, seen = [], []
    for _ in trainer.play(5):
        group = trainer.players[0].optimizer.param_groups[0]
        seen.append((group["betas"][1], game.augment.p.item()))
        costs.append(trainer.meter.read()[0]["D/R1"])
    lazy = 3 / 4  # a lazy penalty corrects Adam's numbers
    rise = [0.5 * (1 - math.cos(math.pi * min(step, 4) / 4)) for step in range(5)]
    betas = [(1 - 0.1 * (1 - 0.9 * r)) ** lazy for r in rise]
    assert [b for b, _ in seen] == pytest.approx(betas)
    assert [p for _, p in seen] == pytest.approx([0.5 * r for r in rise])
    assert all(math.isfinite(c) and c > 0 for c in costs)


def test_a_term_is_weighed_by_its_schedule() -> None:
    """Step 0 charges gamma, the step at the horizon a tenth, of the same D and batch."""
    _, settings = tiny("r3gan")
    quiet = {"augment_d": None, "penalties": (R1(0.05, schedule=Cosine(4, floor=0.1)),)}
    means = []
    for step in (0, 4):
        trainer = trainer_of("r3gan", game=replace(settings.game, **quiet))
        trainer.step = step
        trainer.play_step()
        means.append(trainer.meter.read()[0]["D/R1"])
    assert means[1] == pytest.approx(0.1 * means[0], rel=1e-4)


def test_g_is_paired_with_new_real_images() -> None:
    trainer = trainer_of("r3gan")
    seen: list[Tensor] = []
    game: Any = trainer.game
    judged = game.judged
    game.judged = lambda batch: (seen.append(batch.images), judged(batch))[1]
    trainer.play_step()
    assert len(seen) == 2
    assert not torch.equal(*seen)
    assert trainer.draws == 2


def test_the_average_of_other_networks_has_the_averages_statistics() -> None:
    """Averaged weights do not go with the newest batches' mean and variance."""
    config = tiny("r3gan")[1].game
    trainer = trainer_of("r3gan", game=replace(config, networks=ConvNet(width=4)))
    norms = [m for m in trainer.game.G.modules() if isinstance(m, nn.BatchNorm2d)]
    averaged = [m for m in trainer.average.networks.modules() if isinstance(m, nn.BatchNorm2d)]
    trainer.average.half_life = 1e6
    trainer.average.ramp = 0.0
    before = [m.running_mean.clone() for m in averaged]
    list(trainer.play(2))  # 16 images, which the average waits for
    for live, mean, old in zip(norms, averaged, before, strict=True):
        moved = (live.running_mean - old).norm()
        assert (mean.running_mean - old).norm() < 0.01 * moved


def test_the_average_follows_its_schedule_without_a_ramp() -> None:
    game = trainer_of("r3gan").game
    average = EMA(game, half_life=800, ramp=0, schedule=CosineRise(4))
    assert average.beta(100, 100, step=0) == 0
    assert average.beta(100, 100, step=2) == pytest.approx(0.5 ** (100 / 400))
    assert average.beta(100, 100, step=9) == pytest.approx(0.5 ** (100 / 800))


@pytest.mark.parametrize("cut", [2, 4])
def test_a_run_resumes_bit_for_bit_amid_schedules_and_lazy_intervals(
    tmp_path: Path, cut: int
) -> None:
    cls, settings = tiny("r3gan", save_every=cut, sample_every=50, log_every=1)
    settings = replace(settings, ema_ramp=0.0, ema_schedule=CosineRise(4))
    settings = replace(settings, game=replace(settings.game, **scheduled(), conditional=True))
    train(cls, replace(settings, steps=6), tmp_path / "whole", quiet=True)
    train(cls, replace(settings, steps=cut), tmp_path / "parts", quiet=True)
    resume(tmp_path / "parts", steps=6, quiet=True)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert [k for k in whole if not torch.equal(whole[k], parts[k])] == []
    assert whole["game.augment.p"].item() == pytest.approx(0.5)


def test_samples_are_clipped_and_of_the_class_asked_for() -> None:
    _, settings = tiny("r3gan")
    game: Any = trainer_of("r3gan", game=replace(settings.game, conditional=True)).game
    with torch.no_grad():
        game.G.basis.mul_(100)
        images = game.sample(4, torch.tensor([0, 1, 2, 3]))
        assert images.abs().max() == 1
        z = torch.randn(1, 64).expand(2, -1)
        one, other = game.generate(z, torch.tensor([0, 1]))
    assert not torch.equal(one, other)


def test_what_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"24 channels inside, .* groups of 16; set another"):
        R3Net(width=12).generator(4, (3, 8, 8))
    with pytest.raises(SettingsError, match=r"R3Net halves images .* nearest size that fits"):
        R3Net(width=8).discriminator((3, 31, 31))
    with pytest.raises(SettingsError, match=r"schedule of p and the target 0\.6"):
        ADA(schedule=CosineRise(5))


def test_networks_squash_where_a_family_asks_them_to() -> None:
    G = R3Net(width=8, blocks=1).generator(4, (1, 8, 8))
    with torch.no_grad():
        assert G(100 * torch.randn(3, 4)).abs().max() <= 1
