"""BigGAN: parameters by the layer table, parts of z, truncation, its average."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny, trainer_of
from torch import Tensor, nn

from ganwright.config.schedule import Delayed
from ganwright.errors import SettingsError
from ganwright.families.biggan import BigGAN
from ganwright.families.priors import Gaussian, Uniform
from ganwright.layers.norm import BatchNorm
from ganwright.networks import BigNet
from ganwright.networks.big import VectorBatchNorm, factors, parts
from ganwright.recipes import find
from ganwright.run import train as runs
from ganwright.run.config_file import from_yaml
from ganwright.training.ema import EMA


def parameters(net: nn.Module) -> int:
    return sum(w.numel() for w in net.parameters())


def block(i: int, o: int) -> int:
    """Two 3x3 convolutions and one 1x1, with biases."""
    return 9 * i * o + o + 9 * o * o + o + i * o + o


@pytest.mark.parametrize(
    ("width", "G", "D"),
    [
        (16, 2_308_931, 1_223_089),
        (32, 8_354_179, 4_887_905),
        (64, 31_657_475, 19_542_721),
    ],
)
def test_networks_at_64_pixels_have_the_layer_tables_parameters(width: int, G: int, D: int) -> None:
    """G 16, 16, 8, 4, 2 times the width, with 20 numbers of z and 128 of the label for each block;
    D 1, 2, 4, 8, 16 times the width."""
    up = [width * m for m in (16, 16, 8, 4, 2)]
    pairs = list(pairwise(up))
    by_hand = (20 + 1) * up[0] * 16 + sum(block(*p) for p in pairs)
    by_hand += sum(2 * (20 + 128) * channels for pair in pairs for channels in pair)
    by_hand += 2 * up[-1] + 9 * up[-1] * 3 + 3 + 10 * 128
    down = [3, *(width * m for m in (1, 2, 4, 8, 16))]
    scored = sum(map(block, down, down[1:])) + down[-1] + 1
    nets = BigNet(width_G=width, width_D=width, attention=())
    with torch.device("meta"):
        assert parameters(nets.generator(100, (3, 64, 64), 10)) == by_hand == G
        assert parameters(nets.discriminator((3, 64, 64))) == scored == D
        assert parameters(nets.discriminator((3, 64, 64), 10)) == D + 10 * 16 * width


def test_the_configuration_for_cifar_has_the_authors_parameters() -> None:
    _, settings = from_yaml(find(Path("biggan-cifar10")).read_text(encoding="utf-8"))
    cfg: Any = settings.game
    tables = 6 * 2 * 10 * 256  # a gain and a shift for each class, in two norms of three blocks
    G = (128 + 1) * 256 * 16 + 3 * block(256, 256) + tables + 2 * 256 + 9 * 256 * 3 + 3
    D = block(3, 256) + block(256, 256) + 4 * (9 * 256 * 256 + 256) + 256 + 1 + 10 * 256
    with torch.device("meta"):
        assert parameters(cfg.networks.generator(cfg.latent, (3, 32, 32), 10)) == G == 4_304_387
        assert parameters(cfg.networks.discriminator((3, 32, 32), 10)) == D == 4_207_361


@pytest.mark.parametrize(
    ("size", "G", "D"),
    [
        (32, [16, 8, 4], [1, 2, 4, 8]),
        (64, [16, 8, 4, 2], [1, 2, 4, 8, 16]),
        (128, [16, 8, 4, 2, 1], [1, 2, 4, 8, 16, 16]),
        (256, [16, 8, 8, 4, 2, 1], [1, 2, 4, 8, 8, 16, 16]),
        (512, [16, 8, 8, 4, 2, 1, 1], [1, 1, 2, 4, 8, 8, 16, 16]),
    ],
)
def test_channels_are_the_papers_multiples(size: int, G: list[int], D: list[int]) -> None:
    assert factors(size.bit_length() - 3) == G
    with torch.device("meta"):
        made: Any = BigNet(width_D=1, attention=()).discriminator((3, size, size))
    blocks = [m for m in made.stack if hasattr(m, "skip")]
    assert [b.inner[-2 if i < len(D) - 1 else -1].out_channels for i, b in enumerate(blocks)] == D


def test_parts_of_z_are_as_equal_as_they_can_be() -> None:
    assert parts(120, 6) == [20] * 6
    assert parts(100, 6) == [17, 17, 17, 17, 16, 16]
    with pytest.raises(SettingsError, match=r"cuts z into 5 parts .* length is 4; set .* 100"):
        BigNet(width_G=1, attention=()).generator(4, (1, 64, 64))


def test_each_block_gets_a_part_of_z_and_the_labels_embedding() -> None:
    G: Any = BigNet(width_G=1, shared=3, attention=()).generator(8, (1, 32, 32), 5).eval()
    seen: list[Tensor] = []
    for each in G.blocks:
        each.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
    z, y = torch.randn(2, 8), torch.tensor([4, 1])
    with torch.no_grad():
        G(z, y)
    assert len(seen) == 3
    for i, given in enumerate(seen, 1):
        assert torch.equal(given, torch.cat([G.embedding[y], z[:, 2 * i : 2 * i + 2]], 1))


def test_a_vector_scales_and_shifts() -> None:
    """Gains are 1 + A v: a vector of 0 leaves a normalised batch as it is."""
    layer: Any = VectorBatchNorm(eps=1e-12).build(2, 3)
    nn.init.constant_(layer.gain.weight, 0.5)
    nn.init.constant_(layer.shift.weight, 2.0)
    x = torch.randn(6, 2, 4, 4)
    plain = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), correction=0, keepdim=True)
    assert torch.allclose(layer(x, torch.zeros(6, 3)), plain, atol=1e-5)
    assert torch.allclose(layer(x, torch.ones(6, 3)), 2.5 * plain + 6, atol=1e-4)


@pytest.mark.parametrize("most", [0.5, 1.0, 2.0])
def test_truncated_z_has_the_distribution_of_redrawn_numbers(most: float) -> None:
    z = Gaussian().within(most, 20_000, 3, torch.device("cpu")).flatten()
    assert z.abs().max() <= most
    inside = math.erf(most / 2**0.5)
    density = math.exp(-(most**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * most * density / inside
    assert z.mean().item() == pytest.approx(0.0, abs=0.02)
    assert z.var().item() == pytest.approx(variance, rel=0.03)
    redrawn = torch.randn(200_000)
    redrawn = redrawn[redrawn.abs() <= most]
    at = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
    assert torch.allclose(z.quantile(at), redrawn[:60_000].quantile(at), atol=0.04)


def test_truncation_scales_with_the_prior_and_stays_finite() -> None:
    z = Gaussian(spread=5.0).within(5.0, 4000, 2, torch.device("cpu"))
    assert z.abs().max() <= 5
    assert z.std().item() == pytest.approx(5 * 0.5396, rel=0.05)  # of N(0, 1) within 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", lambda *size, device: torch.zeros(*size))
        assert Gaussian().within(9.0, 1, 1, torch.device("cpu")).item() == -9


def test_samples_are_truncated_and_training_is_not() -> None:
    _, settings = tiny("biggan")
    game: Any = trainer_of("biggan", game=replace(settings.game, truncation=0.1)).game
    seen: list[Tensor] = []
    game.G.register_forward_pre_hook(lambda _, given: seen.append(given[0].abs().max()))
    game.sample(8)
    game.preview(trainer_of("biggan").batches.batch(0, 4))
    game.function()(*game.function().draw(8))
    assert all(largest <= 0.1 for largest in seen)
    assert game.noise(64).abs().max() > 1


def test_what_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Gaussian prior, and the prior is Uniform; leave one"):
        BigGAN.Config(truncation=0.5, prior=Uniform())
    images = torch.zeros(8, 1, 8, 8, dtype=torch.uint8)
    cls, settings = tiny("biggan")
    with pytest.raises(SettingsError, match=r"needs labels, .* --no-game.conditional"):
        runs.train(cls, settings, tmp_path / "run", data=images, quiet=True)


def test_unlabelled_images_are_drawn_from_parts_of_z_alone() -> None:
    _, settings = tiny("biggan")
    trainer = trainer_of("biggan", game=replace(settings.game, conditional=False))
    trainer.play_step()
    game: Any = trainer.game
    assert game.G.embedding is None
    assert game.sample(3).shape[0] == 3


def test_d_is_updated_four_times_as_often_each_on_new_images() -> None:
    assert BigGAN.Config().d_moves == 4
    _, settings = tiny("biggan")
    trainer = trainer_of("biggan", game=replace(settings.game, d_moves=4))
    called: list[str] = []
    after = trainer.game.after
    trainer.game.after = lambda player, terms: (  # type: ignore[method-assign]
        called.append(player.name),
        after(player, terms),
    )[1]
    trainer.play_step()
    assert called == ["D"] * 4 + ["G"]
    assert trainer.draws == 4


def test_the_average_begins_after_its_delay() -> None:
    """Before, it is a copy; then .9999 a step of 4 batches of 50."""
    _, settings = from_yaml(find(Path("biggan-cifar10")).read_text(encoding="utf-8"))
    average = EMA(trainer_of("biggan").game, settings.ema_half_life, ramp=settings.ema_ramp)
    average.schedule = settings.ema_schedule
    assert average.schedule == Delayed(1000)
    assert average.beta(200, 200_000, step=999) == 0
    assert average.beta(200, 200_200, step=1000) == pytest.approx(0.9999, abs=1e-9)


def test_labels_choose_the_images() -> None:
    game: Any = trainer_of("biggan").game
    game.eval()
    z = torch.randn(1, 5).expand(2, -1)
    with torch.no_grad():
        one, other = game.generate(z, torch.tensor([0, 1]))
        x = torch.randn(1, *game.spec.shape).expand(2, -1, -1, -1)
        scores = game.D(x, torch.tensor([0, 1]))
    assert not torch.allclose(one, other)
    assert scores[0] != scores[1]


def test_averages_take_statistics_and_copy_vectors() -> None:
    trainer = trainer_of("biggan", ema_half_life=100.0, ema_ramp=0.0)
    before = {k: t.clone() for k, t in trainer.average.networks["G"].named_buffers()}
    trainer.play_step()
    live = dict(trainer.game.G.named_buffers())  # type: ignore[union-attr,operator]
    for name, buffer in trainer.average.networks["G"].named_buffers():
        if name.endswith(("running_mean", "running_var")):
            mixed = torch.lerp(live[name], before[name], 0.5 ** (8 / 100))
            assert torch.allclose(buffer, mixed, atol=1e-6), name
        else:
            assert torch.equal(buffer, live[name]), name


def test_a_step_in_bf16_is_finite() -> None:
    trainer = trainer_of("biggan", precision="bf16")
    trainer.play_step()
    means, trouble = trainer.meter.read()
    assert trouble is None
    assert {"D/adv", "G/adv", "G/Orthogonality"} <= means.keys()


def test_norms_of_the_paper_are_settings() -> None:
    G: Any = BigNet(width_G=1, attention=(), norm=BatchNorm(always_batch=True)).generator(
        4, (1, 16, 16)
    )
    assert not [k for k, _ in G.named_buffers() if "running" in k]
