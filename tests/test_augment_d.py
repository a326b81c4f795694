"""That each D sees augmented images only, and G learns through them, where D is no plain GAN's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import TINY, trainer_of
from torch import Tensor, nn

from ganwright.augment import ADA, Augment, Augmenter, DiffAugment
from ganwright.data.types import Spec
from ganwright.errors import SettingsError
from ganwright.families import FAMILIES, family
from ganwright.families.augmented import AugmentedGame
from ganwright.families.through import ThroughGame
from ganwright.losses import NonSaturating
from ganwright.observing import evaluate, observed_in
from ganwright.regularisers import FeatureMatching
from ganwright.training.trainer import Trainer

JUDGED = {
    "sgan": {"C": ("labelled", "adv"), "G": ("matching", "fooling")},
    "ebgan": {"D": ("energy", "margin"), "G": ("energy", "pull")},
    "began": {"D": ("real",), "G": ("fake",)},
    "pix2pix": {"D": ("adv",), "G": ("adv",)},
    "cyclegan": {"D_A": ("adv",), "D_B": ("adv",), "G": ("adv_A", "adv_B")},
    "dualgan": {"D_A": ("adv",), "D_B": ("adv",), "G": ("adv_A", "adv_B")},
    "discogan": {
        "D": ("adv_A", "adv_B"),
        "G": ("adv_A", "adv_B", "matching_A", "matching_B"),
    },
    "ccgan": {"D": ("adv", "adv_whole", "class"), "G": ("adv", "adv_whole")},
    "srgan": {"D": ("adv",), "G": ("adv",)},
    "restore": {"D": ("adv",), "G": ("adv",)},
    "pixelda": {"DT": ("adv",), "G": ("adv",)},
}
"""The terms of each player that depend on images only by what D sees of them."""

SIGNS = [name for name in JUDGED if name not in ("ebgan", "began")]


@dataclass(frozen=True)
class Blank(Augment):
    """D sees zeros."""

    def build(self) -> Augmenter:
        return _Blank()


class _Blank(Augmenter):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0


def augmented(name: str, augment: Augment | None, **changes: Any) -> Trainer:
    own: dict[str, Any] = {"sgan": {"fooling": 1.0}, "dualgan": {"loss": NonSaturating()}}
    changes = TINY[name] | own.get(name, {}) | changes
    return trainer_of(name, game=family(name).Config(**changes, augment_d=augment))


def labels_alike(batch: Any) -> Any:
    return batch._replace(labels=batch.labels * 0) if hasattr(batch, "labels") else batch


def terms(trainer: Trainer, draw: int) -> Mapping[str, Mapping[str, Tensor]]:
    """The terms of each player on one batch, with the same random numbers on any."""
    found = {}
    for trained in trainer.players:
        torch.manual_seed(0)
        batch = labels_alike(trainer.batches.batch(draw, 4))
        found[trained.player.name] = evaluate(trained.player.objective, batch)[0]
    return found


def doubled(networks: list[nn.Module]) -> None:
    with torch.no_grad():
        for weight in (w for network in networks for w in network.parameters()):
            weight.mul_(2).add_(0.1)


@pytest.mark.parametrize("name", JUDGED)
def test_d_sees_real_and_fake_only_by_the_augmentation(name: str) -> None:
    """Where it blanks them, neither other data nor another G changes what D says."""
    for augment in (Blank(), None):
        trainer = augmented(name, augment)
        before = terms(trainer, 0)
        other_data = terms(trainer, 1)
        doubled(next(list(t.player.networks) for t in trainer.players if t.player.name == "G"))
        other_g = terms(trainer, 0)
        for player, wanted in JUDGED[name].items():
            for term in wanted:
                same = [
                    torch.equal(before[player][term], now[player][term])
                    for now in (other_data, other_g)
                ]
                if augment:
                    assert same == [True, True], (player, term)
                else:
                    assert False in same, (player, term)


@pytest.mark.parametrize("name", JUDGED)
def test_g_learns_through_the_augmentation_alone(name: str) -> None:
    for augment, reached in (
        (Blank(), False),
        (DiffAugment(), True),
        (ADA(target=None, p=0.8), True),
    ):
        trainer = augmented(name, augment)
        objective, weights = next(
            (t.player.objective, t.weights) for t in trainer.players if t.player.name == "G"
        )
        found, _ = evaluate(objective, trainer.batches.batch(0, 4))
        total = torch.stack([found[term] for term in JUDGED[name]["G"]]).sum()
        gradients = torch.autograd.grad(total, weights, allow_unused=True)
        norm = sum(float(g.abs().sum()) for g in gradients if g is not None)
        assert (norm > 0) == reached


@pytest.mark.parametrize("name", SIGNS)
def test_each_d_has_a_p_that_follows_its_scores_and_is_saved(name: str) -> None:
    trainer = augmented(
        name, ADA(every=1, speed=100, p=0.5), **({"d_moves": 1} if name == "dualgan" else {})
    )
    trainer.play_step()
    logged, _ = trainer.meter.read()
    domains = ("_A", "_B") if hasattr(trainer.game, "augment_A") else ("",)
    state = trainer.game.state_dict()
    for domain in domains:
        player = next(iter(JUDGED[name]))
        where = f"{player.removesuffix('_A')}{domain}/" if "_" in player else f"{player}/"
        suffix = domain if name == "discogan" else ""
        assert logged[f"{where}p{suffix}"] == pytest.approx(0.5)
        move = 4 / 100 * (1 if logged[f"{where}real_sign{suffix}"] > 0.6 else -1)
        assert state[f"augment{domain}.p"].item() == pytest.approx(0.5 + move)


def test_a_restored_game_has_the_p_of_the_saved_one() -> None:
    saved = augmented("cyclegan", ADA(every=1, speed=100, p=0.5))
    saved.play_step()
    restored = augmented("cyclegan", ADA(every=1, speed=100, p=0.5))
    restored.game.load_state_dict(saved.game.state_dict())
    for domain in "AB":
        p = getattr(restored.game, f"augment_{domain}").p
        assert torch.equal(p, getattr(saved.game, f"augment_{domain}").p)
        assert p.item() != 0.5


@pytest.mark.parametrize("name", ["dcgan", "acgan", "infogan", "r3gan", "stylegan2", "stylegan3"])
def test_regularisers_compare_what_d_sees(name: str) -> None:
    """Real images and samples have the same features where D sees zeros of both."""
    terms = []
    for augment in (None, Blank()):
        trainer = augmented(name, augment, regularisers=(FeatureMatching(),))
        terms.append(trainer.game.generator(trainer.batches.batch(0, 4)))  # type: ignore[operator]
    plain, blank = (found["FeatureMatching"].item() for found in terms)
    assert plain > 1e-6
    assert blank == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["ebgan", "began"])
def test_energies_have_no_sign_for_ada_to_follow(name: str) -> None:
    with pytest.raises(SettingsError, match=r"gives energies.*choose ADA\(target=none"):
        augmented(name, ADA())
    trainer = augmented(name, ADA(target=None, p=0.25))
    trainer.play_step()
    assert trainer.meter.read()[0]["D/p"] == pytest.approx(0.25)


def test_points_are_refused_by_energies() -> None:
    cls = family("ebgan")
    with pytest.raises(SettingsError, match="augment_d changes images"):
        cls(cls.Config(augment_d=DiffAugment()), Spec(cls.task, (2,)))


def test_both_sides_of_a_pair_get_the_same_change() -> None:
    for augment in (DiffAugment(colour=False), ADA(p=1, colour=0)):
        game: Any = augmented("pix2pix", augment).game
        x = torch.randn(4, 3, 8, 8)
        first, second = game.seen(x, x).split(3, 1)
        torch.testing.assert_close(first, second)
        assert not torch.equal(first, x)


@pytest.mark.parametrize("name", ["began", "sgan", "discogan"])
def test_objectives_compile_as_a_whole(name: str) -> None:
    trainer = augmented(name, ADA(target=None, p=0.5))
    for trained in trainer.players:
        objective = trained.player.objective
        whole = torch.compile(
            lambda batch, objective=objective: evaluate(objective, batch),
            fullgraph=True,
            backend="aot_eager",
        )
        found, _ = whole(trainer.batches.batch(0, 4))
        assert all(term.isfinite() for term in found.values())


def test_what_is_observed_in_a_scope_has_its_plain_names() -> None:
    one, two = torch.tensor(1.0), torch.tensor(2.0)
    assert observed_in("A", {"p_A": one, "p_B": two, "mean": two}) == {"p": one}


def test_the_page_names_the_families_that_lack_it_and_those_that_look_through_it() -> None:
    page = (Path(__file__).parents[1] / "docs" / "augmentation.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| families \| all but (.*?) \|", page, re.MULTILINE)
    (through,) = re.findall(r"\bIn (.*?), penalties\s", page, re.DOTALL)
    kinds = {name: family(name) for name in FAMILIES}
    assert set(re.findall("`(.*?)`", row)) == {
        name for name, kind in kinds.items() if not issubclass(kind, AugmentedGame)
    }
    assert set(re.findall("`(.*?)`", through)) == {
        name for name, kind in kinds.items() if issubclass(kind, ThroughGame)
    }
