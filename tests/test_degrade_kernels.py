"""Which kernels the orders draw, read off the blurred image of a single point, against the options
and the code of Real-ESRGAN's and GFPGAN's authors."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from ganwright.degrade import Degrade, Order
from ganwright.degrade.draws import Draws
from ganwright.degrade.model import SECOND
from ganwright.degrade.resize import whole
from ganwright.errors import SettingsError
from ganwright.families.restore import FACES
from ganwright.recipes import find
from ganwright.run.config_file import from_yaml

COUNT = 8000
REAL_ESRGAN = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
GFPGAN = (0.5, 0.5, 0.0, 0.0, 0.0, 0.0)
NEAR = 0.02
"""More than three standard errors of a share of 8,000 kernels, at most (.25 / 8000)^.5 = .0056."""


def blurred(order: Order, side: int, count: int = COUNT) -> Tensor:
    """The kernels [count, side, side] of an order, turned by 180 degrees: images of one point."""
    torch.manual_seed(0)
    dots = torch.zeros(count, 1, side, side, dtype=torch.float64)
    dots[:, :, side // 2, side // 2] = 1
    return order.blurred(whole(dots), Draws(count, dots), 1.0).pixels[:, 0]


class Found(NamedTuple):
    """Of each kernel, whether it blurs all directions equally, is a plateau, and its beta: [n]."""

    equal: Tensor
    plateau: Tensor
    beta: Tensor

    def shares(self) -> list[float]:
        """Of round and other kernels: Gaussian, generalised, plateaus."""
        gaussian = ~self.plateau & ((self.beta - 1).abs() < 1e-6)
        shapes = (gaussian, ~self.plateau & ~gaussian, self.plateau)
        kinds = [shape & equal for shape in shapes for equal in (self.equal, ~self.equal)]
        return [kind.double().mean().item() for kind in kinds]


def found(order: Order) -> Found:
    """What an order draws. With q = c r² along a row, r³'s value tells the two shapes apart.

    Where k = exp(-q^beta / 2), -log k grows like r^(2 beta); where k = 1 / (1 + q^beta), 1 / k - 1.
    """
    kernels = blurred(replace(order, kernel=(7, 7), sigma=(2.0, 5.0), sinc=0.0, blur=1.0), 7)
    row = kernels[:, 3, 4:] / kernels[:, 3, 3:4]
    grown = torch.stack([-row.log(), 1 / row - 1])
    one, two, three = grown.log().unbind(2)
    off = ((three - one) / (two - one) - math.log2(3)).abs()
    beta = (two - one) / math.log(4)
    plateau = off[1] < off[0]
    equal = torch.isclose(kernels[:, 3, 4], kernels[:, 2, 3], rtol=1e-9)
    equal &= torch.isclose(kernels[:, 2, 4], kernels[:, 4, 4], rtol=1e-9)
    return Found(equal, plateau, torch.where(plateau, beta[1], beta[0]))


def small_faces() -> Order:
    """The order of the recipe for faces of 64 pixels."""
    _, settings = from_yaml(find(Path("faces64-restore")).read_text(encoding="utf-8"))
    game: Any = settings.game
    return game.degrade.first


@pytest.mark.parametrize(
    ("order", "shares"),
    [
        (Order(), REAL_ESRGAN),
        (SECOND, REAL_ESRGAN),
        (FACES.first, GFPGAN),
        (small_faces(), GFPGAN),
    ],
    ids=["Real-ESRGAN's first", "its second", "GFPGAN", "the recipe for faces"],
)
def test_kernels_have_the_authors_shares(order: Order, shares: tuple[float, ...]) -> None:
    assert found(order).shares() == pytest.approx(shares, abs=NEAR)


def test_kernels_have_the_shares_that_are_asked_for() -> None:
    given = (0.0, 0.0, 0.5, 0.0, 0.0, 0.5)
    assert found(Order(shapes=given)).shares() == pytest.approx(given, abs=NEAR)


def test_shares_that_are_not_all_of_it_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"shapes is \(0.5, 0.2, .*; its sum must be 1"):
        Order(shapes=(0.5, 0.2, 0.0, 0.0, 0.0, 0.0))


def test_half_of_the_betas_are_below_one() -> None:
    """A coin decides between U(low, 1) and U(1, high); a plateau's low end is 1 itself."""
    some = found(Order(shapes=(0.0, 0.0, 1.0, 0.0, 0.0, 0.0))).beta
    below = some < 1
    assert below.double().mean().item() == pytest.approx(0.5, abs=NEAR)
    assert some[below].mean().item() == pytest.approx(0.75, abs=NEAR)
    assert some[~below].mean().item() == pytest.approx(2.5, abs=0.05)
    assert 0.5 <= some.min().item() < 0.51
    assert 3.98 < some.max().item() <= 4
    flat = found(Order(shapes=(0.0, 0.0, 0.0, 0.0, 1.0, 0.0))).beta
    one = (flat - 1).abs() < 1e-9
    assert one.double().mean().item() == pytest.approx(0.5, abs=NEAR)
    assert flat[~one].mean().item() == pytest.approx(1.5, abs=NEAR)


def below_a_third(kernels: Tensor) -> Tensor:
    """Whether each sinc kernel's cutoff w is below pi / 3.

    Its centre is w / 2 J1(w) times its neighbour, which grows with w: (pi / 6) / J1(pi / 3) there.
    """
    middle = kernels.shape[-1] // 2
    third = torch.tensor(math.pi / 3, dtype=torch.float64)
    bound = third / 2 / torch.special.bessel_j1(third)
    return kernels[:, middle, middle] / kernels[:, middle, middle + 1] < bound - 1e-9


def test_an_order_draws_lower_cutoffs_for_kernels_of_13_pixels_and_more() -> None:
    """From pi / 5, (1/3 - 1/5) / (1 - 1/5) = 1/6 of the cutoffs are below pi / 3."""
    for side, share in ((11, 0.0), (13, 1 / 6), (21, 1 / 6)):
        low = below_a_third(blurred(Order(kernel=(side, side), sinc=1.0), side))
        assert low.double().mean().item() == pytest.approx(share, abs=NEAR * (share > 0)), side
    drawn = blurred(Order(kernel=(7, 21), sinc=1.0), 21)
    large = (drawn[:, :, 4] != 0).any(1)  # 6 pixels from the centre
    low = below_a_third(drawn)
    assert not (low & ~large).any()
    assert low[large].double().mean().item() == pytest.approx(1 / 6, abs=NEAR)


def test_the_last_sinc_filter_has_a_cutoff_of_a_third_and_more() -> None:
    still = Order(kernel=(21, 21), sigma=(0, 0), sinc=0, up=0, down=0, gaussian=(0, 0), shot=0)
    last = Degrade(first=replace(still, quality=(100, 100)), second=None, sinc=1.0)
    dots = torch.zeros(1000, 1, 21, 21, dtype=torch.float64)
    dots[:, :, 10, 10] = 1
    assert not below_a_third(last(dots)[:, 0]).any()
