"""Rejection sampling by D: probabilities by hand, what distribution is left, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny, trainer_of
from torch import Tensor, nn

import ganwright
from ganwright.cli import main
from ganwright.errors import SettingsError
from ganwright.families import FAMILIES
from ganwright.inference.rejection import Rejecting, kept, log_factor


def test_the_factor_by_hand() -> None:
    """Ratios 1, 2, 4, 8. Half of them: c (1 + 2 + 4) + 1 = 2, so c = 1/7. An eighth: 15 c = 1/2,
    and no probability is cut. All: also of samples less likely than these."""
    ratios = torch.tensor([1.0, 2, 4, 8]).log()
    assert kept(torch.tensor([-1e9]), log_factor(ratios, 1.0)).tolist() == [1]
    for keep, c in ((0.5, 1 / 7), (1 / 8, 1 / 30)):
        assert math.exp(log_factor(ratios, keep)) == pytest.approx(c, rel=1e-6)
    assert kept(ratios, math.log(1 / 7)).tolist() == pytest.approx([1 / 7, 2 / 7, 4 / 7, 1])
    assert log_factor(ratios + 1000, 0.5) == pytest.approx(math.log(1 / 7) - 1000)


class Coins(nn.Module):
    """G of points at -1 and 1, as often each."""

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return z.sign()


class Odds(nn.Module):
    """D of data in which 1 is three times as frequent as -1, so r = 1.5 and .5."""

    classes = 0

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x[:, 0] > 0, math.log(1.5), math.log(0.5))


def game_of_coins() -> Any:
    game: Any = trainer_of("gan", data="ring").game
    game.G, game.D = Coins(), Odds()
    return game.eval()


@pytest.mark.parametrize(("keep", "share"), [(1.0, 0.5), (0.75, 2 / 3), (0.3, 0.75)])
def test_what_is_kept_has_the_distribution_of_the_data(keep: float, share: float) -> None:
    """At .75, c = 1: all of the 1s and half of the others. At .3, c = .3: .45 and .15 of them."""
    x = Rejecting(game_of_coins(), keep)(20_000)
    assert float((x[:, 0] > 0).double().mean()) == pytest.approx(share, abs=0.03)


def test_what_d_never_takes_is_given_up() -> None:
    sample = Rejecting(game_of_coins(), 0.5)
    sample.log_c = -100.0
    with pytest.raises(
        SettingsError, match="of 100 draws of a sample, D takes none for data; keep a larger share"
    ):
        sample(4)


CRITICS = {"wgan", "wgan-gp", "sagan", "biggan", "fastgan"}
"""Families whose D, by their papers' losses, tells no ratio."""
OTHERS = {"ebgan", "began", "jojogan", "sgan", "aae", "aae-clusters", "aae-semi"}
"""Families that sample, and have no D whose scores tell samples from data."""


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_that_samples_rejects_or_says_why_not(name: str) -> None:
    game: Any = trainer_of(name).game.eval()
    if not hasattr(game, "sample"):
        pytest.skip("it does not sample")
    if name in CRITICS | OTHERS:
        why = "does not tell how likely" if name in CRITICS else "has no D that scores them"
        with pytest.raises(SettingsError, match=why):
            Rejecting(game, 0.5)
        return
    sample = Rejecting(game, 0.5)
    with torch.no_grad():
        assert sample(8).shape == game.sample(8).shape


def test_packs_are_not_rejected() -> None:
    _, settings = tiny("gan")
    game = trainer_of("gan", game=replace(settings.game, pack=2)).game
    with pytest.raises(SettingsError, match="D scores several at once"):
        Rejecting(game, 0.5)


def test_labels_stay_and_more_samples_begin_with_the_same(tmp_path: Path) -> None:
    cls, settings = tiny("cgan", steps=2)
    whole = ganwright.train(cls, settings, tmp_path / "run")
    model = whole.rejecting(0.5)
    some = model.sample(3, labels=[1, 2, 3])
    assert torch.equal(model.sample(70, labels=[1, 2, 3])[:3], some)
    torch.testing.assert_close(whole.rejecting(1).sample(5), whole.sample(5))
    with pytest.raises(SettingsError, match="latents are used as they are"):
        model.sample(2, latents=whole.latents(2))
    with pytest.raises(SettingsError, match=r"keep is 0\.0; it must be above 0, at most 1"):
        whole.rejecting(0)


def test_truncation_and_rejection_go_together_in_either_order(tmp_path: Path) -> None:
    """Whichever is asked for first; a second share holds instead of the first."""
    cls, settings = tiny("stylegan2", steps=1)
    model = ganwright.train(cls, settings, tmp_path / "run")
    both = model.truncated(0.3).rejecting(0.5).sample(4)
    assert torch.equal(model.rejecting(0.5).truncated(0.3).sample(4), both)
    assert torch.equal(model.rejecting(0.5).sample(4, truncation=0.3), both)
    half = model.rejecting(0.5).sample(4)
    assert torch.equal(model.rejecting(0.1).rejecting(0.5).sample(4), half)
    assert not torch.equal(half, both)


def test_commands_reject(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, latents = tmp_path / "run", str(tmp_path / "z.npy")
    cls, settings = tiny("dcgan", steps=2)
    ganwright.train(cls, settings, run)
    assert main(["sample", str(run), "-n", "4", "--keep", "0.5"]) == 0
    assert main(["sample", str(run), "-n", "4", "--keep", "0.5"]) == 2
    assert "exists; add --overwrite" in capsys.readouterr().err
    assert (
        main(["sample", str(run), "--keep", ".5", "--out", "x.png", "--save-latents", latents]) == 2
    )
    assert "leave keep out" in capsys.readouterr().err
    assert main(["evaluate", "digits", "--keep", "0.5"]) == 2
    assert "keep rejects samples of a run" in capsys.readouterr().err
    assert main(["evaluate", str(run), "-n", "300", "--keep", "0.5"]) == 0
    assert "keep 0.5" in capsys.readouterr().out


def test_d_alone_is_trained_by_no_moves_of_g(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", steps=2)
    first = ganwright.train(cls, settings, tmp_path / "first")
    game = replace(settings.game, g_moves=0)
    then = ganwright.train(
        cls, replace(settings, game=game, init=str(first.run)), tmp_path / "then"
    )
    assert torch.equal(first.sample(8), then.sample(8))
    assert trainer_of("dcgan", game=replace(settings.game, g_moves=0)).game.G.training is False
    own, moved = (m.game.D.state_dict() for m in (first, then))
    assert any(not torch.equal(own[name], moved[name]) for name in own)
