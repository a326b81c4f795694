"""EBGAN: energies, margin and pulling-away by hand."""

from __future__ import annotations

import pytest
import torch
from helpers import trainer_of
from torch import Tensor, nn

from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.ebgan import EBGAN, distance, pulling_away
from ganwright.layers.activation import ReLU
from ganwright.networks import MLP
from ganwright.networks.autoencoder import Autoencoder


class Blank(nn.Module):
    """An autoencoder that redraws black-to-white pictures as mid-grey: the error is the picture."""

    def encoder(self, x: Tensor) -> Tensor:
        return torch.eye(len(x))

    def decoder(self, code: Tensor) -> Tensor:
        return torch.zeros(len(code), 1, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def game(fake: list[float]) -> EBGAN:
    """Four-pixel pictures: those of value v have the energy 2 v, the root of 4 v²."""
    played = trainer_of("ebgan").game
    assert isinstance(played, EBGAN)
    played.D = Blank()  # type: ignore[assignment]
    pictures = torch.tensor(fake).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    played.G.forward = lambda z: pictures  # type: ignore[method-assign]
    return played


def test_d_lifts_each_drawing_to_the_margin_by_itself() -> None:
    played = game([0.5, 30.0])  # energies 1 and 60: one below the margin 10, one far above
    terms = played.discriminator(Images(torch.ones(2, 1, 2, 2)))
    assert terms["energy"].item() == pytest.approx(2.0), "a norm: neither squared nor a mean"
    assert terms["margin"].item() == pytest.approx((9 + 0) / 2)


def test_g_lowers_energy_and_pulls_codes_apart() -> None:
    terms = game([0.5, 1.0]).generator(Images(torch.ones(2, 1, 2, 2)))
    assert terms["energy"].item() == pytest.approx((1 + 2) / 2)
    assert terms["pull"].item() == 0, "Blank's codes are at right angles"


def test_pulling_away_by_hand() -> None:
    codes = torch.tensor([[1.0, 0.0], [3.0, 3.0], [0.0, 2.0]])
    # squared cosines of the three pairs: 1/2, 0, 1/2; the diagonal's ones are left out
    assert pulling_away(codes).item() == pytest.approx(1 / 3)
    assert pulling_away(-7 * codes).item() == pytest.approx(1 / 3), "length and sign do not count"
    assert pulling_away(torch.ones(4, 5)).item() == pytest.approx(1.0)
    with pytest.raises(SettingsError, match="batches of 2"):
        pulling_away(codes[:1])


def test_bad_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"margin is 0\.0; it must be above 0"):
        EBGAN.Config(margin=0)
    with pytest.raises(SettingsError, match="code is -1; it must be at least 0"):
        EBGAN.Config(code=-1)


@pytest.mark.parametrize("seed", range(3))
def test_d_lifts_drawings_from_the_start(seed: int) -> None:
    """By default at 32 pixels: a squared energy lay far above the margin, where D has no term."""
    torch.manual_seed(seed)
    made = EBGAN(EBGAN.Config(), Spec(Images, (1, 32, 32)))
    with torch.no_grad():
        terms = made.discriminator(Images(torch.full((16, 1, 32, 32), -1.0)))
    assert terms["margin"] > 0


def test_an_energy_of_zero_has_no_slope() -> None:
    x = torch.ones(2, 1, 2, 2, requires_grad=True)
    distance(x, torch.ones(2, 1, 2, 2)).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().max() == 0, "where a root's own would be infinite"


def test_the_code_may_be_the_encoders_last_layer() -> None:
    networks = MLP(hidden_G=(3,), hidden_D=(7,), activation_D=ReLU(), dropout=0.0)
    D = Autoencoder(networks, MLP(hidden_G=()), (1, 2, 2), 0)
    assert [(m.in_features, m.out_features) for m in D.modules() if isinstance(m, nn.Linear)] == [
        (4, 7),
        (7, 4),
    ]
    assert D.encoder(torch.randn(5, 1, 2, 2)).min() == 0, "behind its ReLU"
