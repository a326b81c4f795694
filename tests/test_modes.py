"""Modes, high quality and reverse KL of points laid by hand; floors; packing."""

from __future__ import annotations

import math

import pytest
import torch

from ganwright.config.settings import Settings
from ganwright.data import open_data
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.gan import GAN
from ganwright.metrics.evaluation import evaluate
from ganwright.metrics.image_set import of_tensor
from ganwright.metrics.modes import MIXTURES, Mixture, MixtureModes, modes
from ganwright.networks import MLP, ConvNet
from ganwright.optim import SGD
from ganwright.run.assembly import assemble, resolved
from ganwright.training.engine import Engine

SQUARE = Mixture(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), 0.1)


def test_modes_by_hand() -> None:
    """Four points at (0, 0), two at (1, 0), and two near (0, 1) but beyond three deviations."""
    points = torch.tensor([[0.0, 0.0]] * 4 + [[1.0, 0.29]] * 2 + [[0.0, 0.69]] * 2)
    found = modes(points, SQUARE)
    assert (found.found, found.modes, found.samples) == (2, 4, 8)
    assert found.high_quality == pytest.approx(0.75)
    # shares 1/2, 1/4, 1/4, 0 against quarters
    assert found.reverse_kl == pytest.approx(0.5 * math.log(2))


def test_one_mode_alone_has_the_logarithm_of_their_number() -> None:
    assert modes(torch.zeros(10, 2), SQUARE).reverse_kl == pytest.approx(math.log(4))


@pytest.mark.parametrize(("name", "floor"), [("ring", 0.0014), ("grid", 0.0048)])
def test_the_data_itself_is_at_floor_and_ceiling(name: str, floor: float) -> None:
    """Twenty draws of 2,500: means within three standard errors."""
    data = open_data(name, task=Images)
    results = [modes(data.batch(i, 2500)[0], MIXTURES[name]()) for i in range(20)]
    high = torch.tensor([r.high_quality for r in results])
    kl = torch.tensor([r.reverse_kl for r in results])
    assert {r.found for r in results} == {results[0].modes}
    assert results[0].high_quality_ceiling == pytest.approx(0.98889, abs=1e-5)
    assert results[0].reverse_kl_floor == pytest.approx(floor, abs=5e-5)
    assert high.mean() == pytest.approx(0.98889, abs=3 * float(high.std()) / 20**0.5)
    assert kl.mean() == pytest.approx(
        results[0].reverse_kl_floor, abs=3 * float(kl.std()) / 20**0.5
    )


def test_what_is_printed_names_protocol_and_floors() -> None:
    text = str(modes(torch.zeros(10, 2), SQUARE))
    assert text == (
        "modes 1 of 4, high quality 100.0% (at best 98.9%), "
        "reverse KL 1.3863 (floor 0.1500), 10 samples"
    )


def test_pictures_have_no_modes() -> None:
    with pytest.raises(SettingsError, match=r"got shape \(4, 1, 8, 8\)"):
        modes(torch.zeros(4, 1, 8, 8), SQUARE)


def test_modes_are_those_of_the_data() -> None:
    """All samples are counted, however few real ones there are, and the protocol names both."""
    points = torch.cat([MIXTURES["grid"]().centres.repeat(12, 1), torch.zeros(5, 2)])
    fake, real = of_tensor(points), of_tensor(torch.zeros(60, 2), name="grid")
    found = {r.name: r for r in evaluate([MixtureModes("grid")], lambda _: real, fake)}
    assert found["MixtureModes/modes"].value == 25
    about = found["MixtureModes/reverse_kl"].protocol
    assert (about["mixture"], about["samples"]) == ("grid", 305)
    share = 12 / 305
    divergence = 24 * share * math.log(25 * share) + 17 / 305 * math.log(25 * 17 / 305)
    assert found["MixtureModes/reverse_kl"].value == pytest.approx(divergence, abs=1e-6)


def test_modes_of_other_data_are_not_counted() -> None:
    real = of_tensor(torch.zeros(60, 2), name="grid")
    said = r"modes of ring, and the data is grid; take \"MixtureModes\(mixture='grid'\)\""
    with pytest.raises(SettingsError, match=said):
        evaluate([MixtureModes()], lambda _: real, of_tensor(torch.zeros(60, 2)))
    assert evaluate([MixtureModes()], lambda _: None, of_tensor(torch.zeros(60, 2)))


def packed(shape: tuple[int, ...], pack: int) -> GAN:
    networks = MLP(hidden_G=(4,), hidden_D=(4,)) if len(shape) == 1 else ConvNet(width=4)
    return GAN(GAN.Config(networks=networks, pack=pack), Spec(Images, shape))


def test_packing_puts_neighbours_into_one_judgement() -> None:
    """Points lie side by side, pictures channel by channel."""
    points = packed((2,), 3).shown(torch.arange(12.0).reshape(6, 2))
    assert points.tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    images = torch.arange(4.0)[:, None, None, None] * torch.ones(4, 3, 8, 8)
    shown = packed((3, 8, 8), 2).shown(images)
    assert shown.shape == (2, 6, 8, 8)
    assert shown[:, :, 0, 0].tolist() == [[0, 0, 0, 1, 1, 1], [2, 2, 2, 3, 3, 3]]


@pytest.mark.parametrize("pack", [1, 2, 4])
def test_a_packed_d_scores_each_pack_once(pack: int) -> None:
    game = packed((1, 8, 8), pack)
    real, fake = game.judged(Images(torch.zeros(8, 1, 8, 8)))
    assert game.D(real).shape == game.D(fake).shape == (8 // pack,)


@pytest.mark.parametrize("simultaneous", [False, True])
def test_moving_at_once_g_meets_d_as_it_was(simultaneous: bool) -> None:
    """Only in turns does G's first move depend on how far D has just gone."""

    def g_after_a_step(lr: float) -> torch.Tensor:
        cfg = GAN.Config(
            latent=2,
            networks=MLP(hidden_G=(4,), hidden_D=(4,), dropout=0.0),
            simultaneous=simultaneous,
            optimizer_d=SGD(lr),
            optimizer_g=SGD(0.1),
        )
        settings = Settings(data="ring", batch_size=8, game=cfg)
        trainer, _ = assemble(GAN, resolved(GAN, settings), Engine(torch.device("cpu")))
        trainer.play_step()
        return torch.cat([w.detach().flatten() for w in trainer.game.G.parameters()])  # type: ignore[operator,union-attr]

    assert torch.equal(g_after_a_step(0.0), g_after_a_step(1.0)) == simultaneous


def test_a_batch_that_does_not_divide_into_packs_is_refused() -> None:
    with pytest.raises(SettingsError, match="a batch of 8 does not divide into packs of 3"):
        packed((2,), 3).shown(torch.zeros(8, 2))
