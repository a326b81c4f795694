"""What D is shown: each change against numbers derived by hand, and ADA's rule."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from helpers import TINY, trainer_of
from torch import Tensor, nn

from ganwright.augment import ADA, AUGMENTS, DiffAugment, ada, colour, diff, warp
from ganwright.augment.ada import Adaptive
from ganwright.config.schedule import Linear
from ganwright.config.spelling import parse, spell
from ganwright.data.types import Spec
from ganwright.errors import GanwrightError, SettingsError
from ganwright.families import family
from ganwright.networks import ConvNet
from ganwright.observing import ask, evaluate, recording
from ganwright.penalties import R1

ALL: dict[str, Any] = {"filter": 1, "noise": 1, "cutout": 1}
SHAPES = [(3, 1, 8, 8), (4, 3, 9, 9), (2, 3, 7, 12), (2, 4, 5, 6)]
TAPS = torch.tensor(warp.SYM6, dtype=torch.float64)


def built(**settings: Any) -> Adaptive:
    augmenter = ADA(**settings).build()
    assert isinstance(augmenter, Adaptive)
    return augmenter


def coloured(*rgb: float) -> Tensor:
    return torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_nothing_changes_at_p_0(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.randn(shape, dtype=dtype)
    assert built(**ALL)(x).equal(x)


@pytest.mark.parametrize("group", ["blit", "geometry", "colour", "filter", "noise", "cutout"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_group_changes_pictures_at_p_1(group: str, shape: tuple[int, ...]) -> None:
    off = dict.fromkeys(("blit", "geometry", "colour", "filter", "noise", "cutout"), 0)
    augmenter = built(p=1, **(off | {group: 1}))
    x = torch.randn(shape)
    out = torch.stack([augmenter(x) for _ in range(20)])
    assert out.isfinite().all()
    assert not out.eq(x).all(0).flatten(1).all(1).any()


def test_a_factor_of_p_halves_the_share_that_is_changed() -> None:
    """Cutout always touches its pictures: at p .8 and factor .5 it touches 40% of them."""
    off = dict.fromkeys(("blit", "geometry", "colour"), 0)
    out = built(p=0.8, cutout=0.5, **off)(torch.ones(4000, 1, 4, 4))
    share = (out != 1).flatten(1).any(1).double().mean().item()
    assert share == pytest.approx(0.4, abs=5 * math.sqrt(0.24 / 4000))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_diffaugment_keeps_shape_and_type_under_any_arithmetic(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    with torch.autocast("cpu", torch.bfloat16):
        out = DiffAugment().build()(x), built(p=1, **ALL)(x)
    for y in out:
        assert (y.shape, y.dtype) == (x.shape, torch.float32)
        assert y.isfinite().all()


def test_mirrored_by_hand() -> None:
    places = torch.arange(-4, 8)
    assert warp.mirrored(places, 3).tolist() == [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]
    assert warp.mirrored(torch.tensor([-0.75, 2.75, 1.5]), 3).tolist() == [-0.25, 2.25, 1.5]
    assert warp.mirrored(places, 1).tolist() == [0] * len(places)


@pytest.mark.parametrize("turns", range(4))
def test_blits_are_exact(turns: int) -> None:
    x = torch.randn(1, 3, 5, 5)
    flip, shift = torch.tensor([True]), torch.tensor([[2, -1]])
    out = warp.blitted(x, flip, torch.tensor([turns]), shift)
    turned = x.flip(-1).rot90(turns, (2, 3))
    assert out[:, :, 2:, :-1].equal(turned[:, :, :-2, 1:])
    assert out[:, :, 1, :-1].equal(turned[:, :, 0, 1:])  # mirrored beyond the border


def test_pictures_that_are_not_square_are_turned_upside_down_only() -> None:
    x = torch.randn(200, 1, 2, 3)
    out = ada.blit(x, torch.tensor(1.0))
    assert out.shape == x.shape
    still = torch.zeros(1, dtype=torch.long)
    half = warp.blitted(x[:1], torch.tensor([False]), still + 2, torch.zeros(1, 2).long())
    assert half.equal(x[:1].flip(2, 3))


def test_sym6_is_orthogonal_to_its_even_shifts_and_has_six_vanishing_moments() -> None:
    assert TAPS.sum().item() == pytest.approx(math.sqrt(2), abs=1e-12)
    for shift in range(6):
        product = (TAPS[: 12 - 2 * shift] * TAPS[2 * shift :]).sum().item()
        assert product == pytest.approx(float(shift == 0), abs=1e-11)
    high = TAPS.flip(0) * torch.tensor([1, -1] * 6)
    for power in range(6):
        assert (high * torch.arange(12) ** power).sum().item() == pytest.approx(0, abs=1e-6)


def test_a_warp_that_does_nothing_returns_the_picture_inside() -> None:
    x = torch.randn(2, 3, 20, 17, dtype=torch.float64)
    eye = torch.eye(2, dtype=torch.float64).expand(2, 2, 2)
    out = warp.warped(x, eye, torch.zeros(2, 2, dtype=torch.float64), TAPS)
    torch.testing.assert_close(out[..., 4:-4, 4:-4], x[..., 4:-4, 4:-4], atol=1e-10, rtol=0)


def test_a_warped_plane_stays_a_plane() -> None:
    """Brightness 3 r - 2 c, turned by 30 degrees, scaled by 1.25 and shifted by (1, -.5).

    It is at (r, c) what the plane was at the place that came there; sampling is exact on planes.
    """
    size, angle, scale = 40, math.pi / 6, 1.25
    r, c = torch.meshgrid(*[torch.arange(size, dtype=torch.float64)] * 2, indexing="ij")
    one = torch.ones(1, dtype=torch.float64)
    matrix = ada.undone(scale * one, angle * one, one, 0 * one)
    shift = torch.tensor([[1.0, -0.5]], dtype=torch.float64)
    out = warp.warped((3 * r - 2 * c)[None, None], matrix, shift, TAPS)[0, 0]
    v, u = r - 19.5 - 1, c - 19.5 + 0.5  # against the clock: right turns to up
    back_u = (math.cos(angle) * u - math.sin(angle) * v) / scale
    back_v = (math.sin(angle) * u + math.cos(angle) * v) / scale
    wanted = 3 * (back_v + 19.5) - 2 * (back_u + 19.5)
    inside = slice(14, 26)
    torch.testing.assert_close(out[inside, inside], wanted[inside, inside], atol=1e-9, rtol=0)


def test_undone_is_the_inverse_of_what_is_done() -> None:
    scale, first, stretch, second = torch.rand(4, 5, dtype=torch.float64) + 0.5
    matrix = ada.undone(scale, first, stretch, second)
    u, v = torch.randn(2, 5, dtype=torch.float64)
    a, b = warp.turned(scale * u, scale * v, first)
    a, b = warp.turned(a * stretch, b / stretch, second)
    back = (matrix @ torch.stack([b, a], 1)[:, :, None])[:, :, 0]
    torch.testing.assert_close(back, torch.stack([v, u], 1))


def test_colours_by_hand() -> None:
    """Of (.6, 0, -.3) the lightness is .1."""
    x, one = coloured(0.6, 0.0, -0.3), torch.ones(1, dtype=torch.float64)
    by_hand = {
        "brighter": (colour.brightened(x, 0.25 * one), (0.85, 0.25, -0.05)),
        "contrast": (colour.contrasted(x, 2 * one), (1.2, 0.0, -0.6)),
        "contrast about .1": (colour.contrasted(x, 2 * one, 0.1), (1.1, -0.1, -0.7)),
        "grey": (colour.saturated(x, 0 * one), (0.1, 0.1, 0.1)),
        "saturated": (colour.saturated(x, 3 * one), (1.6, -0.2, -1.1)),
        "inverted": (colour.inverted(x, one), (0.4, -0.2, -0.5)),
        "a third of the circle": (colour.hued(x, one * 2 * math.pi / 3), (-0.3, 0.6, 0.0)),
    }
    for what, (out, wanted) in by_hand.items():
        torch.testing.assert_close(out, coloured(*wanted), msg=what)


def test_a_grey_picture_is_inverted_and_keeps_no_hue() -> None:
    x = torch.randn(2, 1, 3, 3)
    torch.testing.assert_close(colour.inverted(x, torch.ones(2)), -x)
    grey = x.expand(-1, 3, -1, -1)
    torch.testing.assert_close(colour.hued(grey, torch.rand(2)), grey)


@pytest.mark.parametrize(("frequency", "band"), [(0.0, 0), (1.0, 3)])
def test_bands_hold_what_their_names_say(frequency: float, band: int) -> None:
    """A flat picture lies in the lowest band alone, a chessboard in the highest."""
    signs = torch.tensor([1.0, math.cos(math.pi * frequency)]).repeat(8)
    x = (signs[:, None] * signs)[None, None]
    gains = torch.ones(1, 4)
    gains[0, band] = 3.0
    inside = slice(6, -6)  # a chessboard has a flaw where it is mirrored
    out = colour.filtered(x, gains)[..., inside, inside]
    torch.testing.assert_close(out, 9 * x[..., inside, inside])
    others = torch.full((1, 4), 5.0)
    others[0, band] = 1.0
    out = colour.filtered(x, others)[..., inside, inside]
    torch.testing.assert_close(out, x[..., inside, inside])


def test_diffaugment_moves_by_whole_pixels_into_zeros() -> None:
    x = torch.randn(1, 2, 4, 5)
    out = diff.moved(x, torch.tensor([1]), torch.tensor([-2]))
    wanted = torch.zeros_like(x)
    wanted[:, :, 1:, :3] = x[:, :, :3, 2:]
    assert out.equal(wanted)


def test_diffaugment_blanks_a_square_that_may_reach_beyond_the_border() -> None:
    x = torch.ones(1, 1, 6, 6)
    out = diff.blanked(x, torch.tensor([-1]), torch.tensor([4]), 3, 3)
    wanted = torch.ones(1, 1, 6, 6)
    wanted[:, :, :2, 4:] = 0
    assert out.equal(wanted)


def test_diffaugment_keeps_to_the_papers_ranges() -> None:
    """Of a picture of .5: brightness alone moves the mean, and by up to .5."""
    x = torch.full((2000, 3, 8, 8), 0.5)
    mean = DiffAugment(translation=0, cutout=0).build()(x).mean((1, 2, 3))
    assert 0 <= mean.min() < 0.03
    assert 0.97 < mean.max() <= 1
    moved = DiffAugment(colour=False, cutout=0).build()(torch.ones(2000, 1, 16, 16))
    rows = moved.amax((1, 3)).sum(1)
    assert rows.min() == 14  # an eighth of 16
    cut = DiffAugment(colour=False, translation=0).build()(torch.ones(2000, 1, 8, 8))
    blank = (cut == 0).sum((1, 2, 3))
    assert blank.max() == 16
    assert blank.min() == 4  # around a corner


def move(augmenter: Adaptive, sign: float, images: int) -> None:
    """What a move of D on `images` real ones tells, whose scores have this mean sign."""
    seen = {"real_sign": torch.tensor(sign), **augmenter.watched()}
    augmenter.after(seen, images)


def test_p_follows_the_sign_of_real_scores() -> None:
    """Signs .9, .7, .7, .5 have the mean .7, above .6: p rises by 4 x 50 / 1000; .5 lowers it."""
    augmenter = built(speed=1000)
    for sign in (0.9, 0.7, 0.7):
        move(augmenter, sign, 50)
        assert augmenter.p == 0
    move(augmenter, 0.5, 50)
    assert augmenter.p.item() == pytest.approx(0.2)
    for _ in range(4):
        move(augmenter, 0.5, 25)
    assert augmenter.p.item() == pytest.approx(0.1)
    for _ in range(8):
        move(augmenter, -1.0, 25)
    assert augmenter.p == 0


def test_p_stops_at_most_and_stands_without_a_target() -> None:
    augmenter = built(p=0.3, speed=100, most=0.8)
    for _ in range(8):
        move(augmenter, 1.0, 50)
    assert augmenter.p.item() == pytest.approx(0.8)
    still = built(p=0.3, target=None)
    move(still, 1.0, 50)
    assert still.p.item() == pytest.approx(0.3)
    rising = built(p=0.3, target=None, most=0.4, schedule=Linear(3, horizon=4))
    found = []
    for step in range(5):
        rising.before_step(step)
        found.append(rising.p.item())
    assert found == pytest.approx([0.3, 0.4, 0.4, 0.4, 0.4])
    assert built(p=0.3, most=0.2).p.item() == pytest.approx(0.2)


class Slope(nn.Module):
    """D(x) = w . x, summed over all pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x.flatten(1).sum(1)


@pytest.mark.parametrize("settings", [DiffAugment(), ADA(p=1, **ALL)], ids=str)
def test_gradients_run_through_to_pictures_twice(settings: Any) -> None:
    augmenter = settings.build()
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    (first,) = torch.autograd.grad(augmenter(x).pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert first.abs().sum() > 0
    assert second.isfinite().all()
    assert second.abs().sum() > 0


@pytest.mark.parametrize("size", [(5, 7), (1, 4), (1, 1)])
def test_places_between_pixels_without_torchs_sampler(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be differentiated twice, values are read at the four pixels around."""
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    rows, columns = (side * (torch.rand(2, 4, 6, dtype=torch.float64) * 1.5 - 0.5) for side in size)
    rows[0, 0, 0], columns[0, 0, 0] = size[0] - 1, 0  # on a pixel
    monkeypatch.setattr(warp, "TWICE", True)
    wanted = warp.between(x, rows, columns)
    monkeypatch.setattr(warp, "TWICE", False)
    torch.testing.assert_close(warp.between(x, rows, columns), wanted)
    assert torch.autograd.gradgradcheck(
        lambda x: warp.between(x, rows, columns).pow(3), x.requires_grad_(), atol=1e-4
    )


def test_a_warps_gradients_are_those_of_finite_differences() -> None:
    x = torch.randn(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    matrix = torch.tensor([[[0.8, 0.3], [-0.2, 1.1]]], dtype=torch.float64)
    shift = torch.tensor([[0.3, -0.6]], dtype=torch.float64)

    def cubed(x: Tensor) -> Tensor:
        return warp.warped(x, matrix, shift, TAPS).pow(3)

    assert torch.autograd.gradcheck(cubed, (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(cubed, (x,), fast_mode=True)


def augmented(name: str, augment: Any, **changes: Any) -> dict[str, Any]:
    cls = family(name)
    return {"game": cls.Config(**(TINY[name] | changes), augment_d=augment)}


NAMES = ["gan", "dcgan", "lsgan", "dragan", "bgan-continuous", "cgan", "acgan", "infogan", "sagan"]


@pytest.mark.parametrize("name", [*NAMES, "bgan"])
def test_families_follow_and_log_p(name: str) -> None:
    trainer = trainer_of(name, **augmented(name, ADA(every=1, speed=100, p=0.5)))
    trainer.play_step()
    p = trainer.game.augment.p.item()
    move = trainer.game.batch_size / 100
    assert p in (pytest.approx(0.5 + move), pytest.approx(0.5 - move))
    logged, _ = trainer.meter.read()
    assert logged["D/p"] == pytest.approx(0.5)
    assert -1 <= logged["D/real_sign"] <= 1


@pytest.mark.parametrize("name", ["wgan", "wgan-gp"])
def test_a_loss_without_a_sign_is_refused_by_ada_alone(name: str) -> None:
    trainer = trainer_of(name, **augmented(name, ADA()))
    with pytest.raises(GanwrightError, match="gives the sign no meaning; choose NonSaturating"):
        trainer.play_step()
    for augment in (ADA(target=None, p=0.3), DiffAugment()):
        trainer_of(name, **augmented(name, augment)).play_step()


def test_packs_penalties_and_unrolled_moves_meet_augmented_pictures() -> None:
    game = augmented("dcgan", ADA(p=1), pack=2, penalties=(R1(every=2),), unroll=1)
    trainer = trainer_of("dcgan", **game)
    for step in range(2):
        trainer.play_step()
        assert trainer.game.augment.moves == step + 1  # the pass of a lazy penalty is none
    logged, trouble = trainer.meter.read()
    assert trouble is None
    assert logged["D/R1"] > 0


def test_p_counts_the_images_of_all_accumulated_batches() -> None:
    game = augmented("dcgan", ADA(every=1, speed=1000, p=0.5))
    trainer = trainer_of("dcgan", **game, accumulate=3)
    trainer.play_step()
    step = 3 * 4 / 1000  # up or down, as D's scores are
    p = trainer.game.augment.p.item()
    assert p == pytest.approx(0.5 + step) or p == pytest.approx(0.5 - step)


def test_points_are_refused() -> None:
    cls = family("gan")
    with pytest.raises(SettingsError, match="augment_d changes images"):
        cls(cls.Config(augment_d=DiffAugment()), Spec(cls.task, (2,)))


def test_real_sign_counts_from_the_score_where_both_are_equally_likely() -> None:
    """LSGAN's targets 0 and 1 meet at .5; the scores .4, .6, .7, .9 have the mean sign .5."""

    from ganwright.losses import Hinge, LeastSquares, NonSaturating, Wasserstein

    x = torch.tensor([0.4, 0.6, 0.7, 0.9])

    def sign(loss: Any) -> float | None:
        with recording() as seen:
            ask("real_sign")
            loss.discriminator(lambda x: x, x, -x)
        found: Tensor | None = dict(seen).get("real_sign")
        return None if found is None else found.item()

    assert sign(LeastSquares()) == pytest.approx(0.5)
    assert sign(NonSaturating()) == pytest.approx(1.0)
    assert sign(NonSaturating(smooth=0.1)) == pytest.approx(1.0)  # from log(.9 / 1.1) = -.2
    assert sign(Hinge()) == pytest.approx(1.0)
    assert sign(Wasserstein()) is None


@pytest.mark.parametrize("name", AUGMENTS)
def test_spellings_come_back(name: str) -> None:
    made = AUGMENTS[name]()
    assert parse(spell(made), AUGMENTS[name]) == made


@pytest.mark.parametrize("settings", [DiffAugment(), ADA(p=0.7, **ALL)], ids=str)
def test_augmentation_compiles_as_a_whole(settings: Any) -> None:
    augmenter = settings.build()
    compiled = torch.compile(augmenter, fullgraph=True, backend="aot_eager")
    x = torch.randn(4, 3, 8, 8, requires_grad=True)
    out = compiled(x)
    out.square().sum().backward()
    assert out.shape == x.shape
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_a_convnet_of_four_channels_takes_augmented_pictures() -> None:
    cls = family("dcgan")
    cfg = cls.Config(networks=ConvNet(width=4), augment_d=ADA(p=1, **ALL))
    game: Any = cls(cfg, Spec(cls.task, (4, 8, 8)))
    assert game.D(game.shown(torch.randn(2, 4, 8, 8))).shape == (2,)


@pytest.mark.parametrize("augment", [DiffAugment(), ADA(p=0.5)], ids=str)
def test_objectives_compile_with_all_that_is_observed(augment: Any) -> None:
    trainer = trainer_of("dcgan", **augmented("dcgan", augment))
    game: Any = trainer.game
    whole = torch.compile(
        lambda batch: evaluate(game.discriminator, batch), fullgraph=True, backend="aot_eager"
    )
    with torch.autocast("cpu", torch.bfloat16):
        terms, seen = whole(trainer.batches.batch(0, 4))
    assert terms["adv"].isfinite()
    extra = ["p", "real_sign"] if isinstance(augment, ADA) else []
    assert sorted(name for name, _ in seen) == sorted(["real", "fake", *extra])
