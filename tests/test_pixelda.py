"""PixelDA: objectives by hand, whose labels reach which loss, and that T learns the target."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny, trainer_of
from torch import Tensor, nn

from ganwright.data import open_data
from ganwright.data.types import Spec, Unpaired
from ganwright.errors import SettingsError
from ganwright.families.pixelda import PixelDA, pairwise_error
from ganwright.networks import AdaptationNets
from ganwright.run import train as runs
from ganwright.run.data import data_options

SPEC = Spec(Unpaired, (1, 8, 8), (1, 8, 8), ("0", "1", "2"))


class Fade(nn.Module):
    """A G that halves a picture, whatever the noise."""

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return x / 2


class Brightness(nn.Module):
    """A D whose logit is the mean of a picture, [n]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3))


class Guess(nn.Module):
    """A T that gives class 0 the picture's mean as logit, and 10 times that for the source."""

    def forward(self, x: Tensor, *, source: bool = False) -> Tensor:
        logit = x.mean((1, 2, 3)) * (10 if source else 1)
        return torch.stack([logit, 0 * logit, 0 * logit], 1)


def by_hand(**settings: Any) -> tuple[PixelDA, Unpaired]:
    """A game with known networks; source pictures are .4 and of class 0, the target's are -.6."""
    cfg = PixelDA.Config(networks=AdaptationNets(width=2, blocks=0), **settings)
    game = PixelDA(cfg, SPEC)
    game.G, game.D, game.T = Fade(), Brightness(), Guess()  # type: ignore[assignment]
    a, b = torch.full((4, 1, 8, 8), 0.4), torch.full((4, 1, 8, 8), -0.6)
    return game, Unpaired(a, b, torch.zeros(4, dtype=torch.long), torch.full((4,), 2))


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_objectives_by_hand() -> None:
    game, batch = by_hand()
    terms = game.judge(batch)
    # target scores -.6, adapted ones .2
    assert terms["adv"].item() == pytest.approx(0.1356 * (softplus(0.6) + softplus(0.2)))
    # -log e^.2 / (e^.2 + 2) on adapted pictures, -log e^4 / (e^4 + 2) on the source's own
    adapted, source = (math.log(math.exp(x) + 2) - x for x in (0.2, 4.0))
    assert terms["task_adapted"].item() == pytest.approx(adapted, rel=1e-5)
    assert terms["task_source"].item() == pytest.approx(source, rel=1e-5)
    terms = game.generator(batch)
    assert terms["adv"].item() == pytest.approx(0.0113 * softplus(-0.2))
    assert terms["task"].item() == pytest.approx(0.0101 * adapted, rel=1e-5)
    assert "content" not in terms


def test_content_similarity_by_hand() -> None:
    x = torch.zeros(1, 1, 2, 2)
    y = torch.tensor([[[[1.0, 3.0], [9.0, 9.0]]]])
    top = torch.tensor([[[[True, True], [False, False]]]])
    # k = 4: (1 + 9) / 4 - ((1 + 3) / 4)²
    assert pairwise_error(x, y, top).item() == pytest.approx(1.5)
    everywhere = torch.ones_like(top)
    assert pairwise_error(x, x + 0.7, everywhere).item() == pytest.approx(0.0, abs=1e-6)
    # k counts all pixels, so a shift of half of them is not free: .5² / 2 - (.5 / 2)²
    assert pairwise_error(x, x + 0.5, top).item() == pytest.approx(0.0625)
    game, batch = by_hand(content=2.0)
    a = batch.a.clone()
    a[:, :, 4:] = -0.8  # the lower half is not the object, which is 32 of 64 pixels that lose .2
    wanted = 2.0 * (32 * 0.04 / 64 - (32 * 0.2 / 64) ** 2)
    content = game.generator(batch._replace(a=a))["content"]
    assert content.item() == pytest.approx(wanted, rel=1e-4)


def test_noise_is_uniform_in_minus_one_to_one() -> None:
    game, batch = by_hand(latent=500)
    seen: list[Tensor] = []
    game.G = _Noise(seen)  # type: ignore[assignment]
    game.adapt(batch.a)
    assert seen[0].shape == (4, 500)
    assert -1 <= seen[0].min() < -0.98
    assert 0.98 < seen[0].max() <= 1
    # 2,000 draws: the mean's deviation is .0129, the variance's about .0067
    assert abs(seen[0].mean().item()) < 0.06
    assert seen[0].var().item() == pytest.approx(1 / 3, abs=0.03)


class _Noise(nn.Module):
    def __init__(self, seen: list[Tensor]) -> None:
        super().__init__()
        self.seen = seen

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        self.seen.append(z)
        return x


def test_discriminator_and_classifier_move_together_then_the_generator() -> None:
    game = PixelDA(PixelDA.Config(networks=AdaptationNets(width=2, blocks=0)), SPEC)
    first, second = game.players()
    assert list(first.networks) == [game.D, game.T]
    assert list(second.networks) == [game.G]
    assert (first.clip, second.clip) == (5.0, 5.0)
    schedule = first.optimizer.schedule
    factors = [schedule.factor(s) for s in (0, 19_999, 20_000, 40_000)]
    assert factors == pytest.approx([1, 1, 0.95, 0.9025])


def test_the_targets_labels_reach_no_loss() -> None:
    weights = []
    for shift in (0, 3):
        trainer = trainer_of("pixelda")
        draw = trainer.batches.batch

        def shifted(*args: int, by: int = shift, draw: Any = draw) -> Unpaired:
            batch: Unpaired = draw(*args)
            assert batch.b_labels is not None
            return batch._replace(b_labels=(batch.b_labels + by) % 10)

        trainer.batches.batch = shifted  # type: ignore[method-assign]
        list(trainer.play(2))
        weights.append([w.detach().clone() for w in trainer.game.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_accuracies_are_measured_on_held_out_pictures_of_either_domain() -> None:
    game, batch = by_hand()
    found = game.measure(batch)
    # T always says class 0, which all of the source is and none of the target
    assert found["accuracy_source"] == found["accuracy_adapted"] == 1
    assert found["accuracy_target"] == 0
    assert "accuracy_target" not in game.measure(batch._replace(b_labels=None))


def test_the_first_layer_may_be_one_for_both_domains() -> None:
    images = torch.linspace(-1, 1, 2 * 64).view(2, 1, 8, 8)
    for private, first_layers in ((True, 2), (False, 1)):
        T = AdaptationNets(private=private).classifier((1, 8, 8), (1, 8, 8), 3)
        assert len(T.first) == first_layers
        assert torch.equal(T(images), T(images, source=True)) is not private
    with pytest.raises(SettingsError, match="one first layer of T cannot take 1 and 3 channels"):
        AdaptationNets(private=False).classifier((1, 8, 8), (3, 8, 8), 3)


def test_what_does_not_fit_is_a_sentence() -> None:
    with pytest.raises(SettingsError, match="set content=0"):
        PixelDA(PixelDA.Config(content=1.0), Spec(Unpaired, (1, 8, 8), (3, 8, 8), ("0",)))
    with pytest.raises(SettingsError, match="must have one size"):
        PixelDA(PixelDA.Config(), Spec(Unpaired, (3, 8, 8), (3, 16, 16), ("0",)))
    with pytest.raises(SettingsError, match="style is -1"):
        PixelDA.Config(style=-1)
    game, batch = by_hand()
    with pytest.raises(SettingsError, match="PixelDA learns one direction, a2b"):
        game.translate(batch.a, "b2a")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_it_learns_the_target_without_its_labels(tmp_path: Path) -> None:
    """Against T trained on the source alone; 179 test digits have a deviation of about 4 points."""
    _, settings = tiny("pixelda")
    accuracies = []
    for style, task in ((0.0113, 0.0101), (0.0, 0.0)):
        game = PixelDA.Config(networks=AdaptationNets(width=24, blocks=2), style=style, task=task)
        chosen = dataclasses.replace(
            settings, game=game, image_size=28, batch_size=32, steps=600, sample_every=600
        )
        model = runs.train(PixelDA, chosen, tmp_path / f"{style}", quiet=True)
        source = open_data("digits-domains", task=Unpaired, options=data_options(chosen))
        held = source.held_out(1000)
        assert isinstance(held, Unpaired)
        as_source = model.game.T(held.b, source=True)  # type: ignore[operator]
        p = model.classify(held.b) if style else as_source
        accuracies.append((p.argmax(1) == held.b_labels).float().mean().item())
    adapted, source_only = accuracies
    assert adapted > source_only + 0.15
