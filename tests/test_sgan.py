"""SGAN: the (K+1)-way objectives by hand, and no use of labels that are not known."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import TINY, tensors, trainer_of
from torch import Tensor
from torch.nn.functional import cross_entropy

from ganwright.config.settings import Settings
from ganwright.data import DataOptions, open_data
from ganwright.data.plan import labelled
from ganwright.data.sides import Stack
from ganwright.data.types import SemiSupervised, Spec
from ganwright.errors import SettingsError
from ganwright.families.priors import Uniform
from ganwright.families.sgan import SGAN, SalimansMLP
from ganwright.networks import MLP
from ganwright.networks.mlp import GaussianNoise
from ganwright.optim import Adam
from ganwright.run import train as run

LINEAR = MLP(hidden_G=(), hidden_D=(), dropout=0.0)
SPEC = Spec(SemiSupervised, (2,), classes=("a", "b"), count=4)
BATCH = SemiSupervised(
    torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 0]), torch.tensor([[2.0, 1.0]] * 2)
)


def linear(**changes: Any) -> SGAN:
    """Logits are x itself, features too; G draws (-1, 2)."""
    game = SGAN(SGAN.Config(networks=LINEAR, latent=1, **changes), SPEC).requires_grad_(False)
    game.C.head.weight.copy_(torch.eye(2))
    game.C.head.bias.zero_()
    game.G.stack[1].weight.zero_()
    game.G.stack[1].bias.copy_(torch.tensor([-1.0, 2.0]))
    return game


def lse(*logits: float) -> float:
    return math.log(sum(map(math.exp, logits)))


def test_the_classifier_splits_real_from_drawn_and_names_the_labelled() -> None:
    terms = linear().classifier(BATCH)
    named = (lse(1, 0) - 1 + lse(0, 3) - 0) / 2
    assert terms["labelled"].item() == pytest.approx(2 * named, rel=1e-6)
    real, drawn = lse(2, 1), lse(-1, 2)
    adv = math.log1p(math.exp(-real)) + math.log1p(math.exp(drawn))
    assert terms["adv"].item() == pytest.approx(adv, rel=1e-6)


def test_odenas_cross_entropy_is_over_all_classes() -> None:
    """Logits (1, 0) and (0, 3), both of class 0, beside the 0 of "generated"."""
    terms = linear(joint=True, supervision=1.0).classifier(BATCH)
    wanted = (lse(1, 0, 0) - 1 + lse(0, 3, 0) - 0) / 2
    assert terms["labelled"].item() == pytest.approx(wanted, rel=1e-6)


def test_scores_are_those_of_a_softmax_over_one_class_more() -> None:
    x = torch.randn(5, 2)
    game = linear()
    p = torch.cat([game.C(x), torch.zeros(5, 1)], 1).softmax(1)
    torch.testing.assert_close(game.score(x).sigmoid(), 1 - p[:, 2])
    torch.testing.assert_close(game.classify(x), p[:, :2] / p[:, :2].sum(1, keepdim=True))


def test_feature_matching_compares_means() -> None:
    # mean features (2, 1) against (-1, 2): 9 and 1
    assert linear().generator(BATCH)["matching"].item() == pytest.approx(5)
    assert set(linear().generator(BATCH)) == {"matching"}


def test_fooling_is_what_odena_has() -> None:
    terms = linear(matching=0.0, fooling=2.0).generator(BATCH)
    assert set(terms) == {"fooling"}
    wanted = 2 * math.log1p(math.exp(-lse(-1, 2)))
    assert terms["fooling"].item() == pytest.approx(wanted, rel=1e-6)


def test_held_out_error_counts_wrong_names() -> None:
    assert linear().measure(BATCH)["error"].item() == 0.5


def test_weights_keep_unit_variance_through_relu_layers() -> None:
    torch.manual_seed(0)
    D = SalimansMLP(noise=0.0, noise_input=0.0).discriminator((784,))
    ink = (torch.rand(500, 784) < 0.1).float()
    h = D.features(2 * ink - 1)
    assert 0.75 < h.square().mean().sqrt() < 1.25, "five layers deep"


def test_weights_keep_their_norm_whatever_is_learned() -> None:
    torch.manual_seed(0)
    D = SalimansMLP(hidden_D=(4, 3)).discriminator((5,))
    hidden = [layer for layer in D.stack if isinstance(layer, torch.nn.Linear)]
    assert len(hidden) == 2
    for layer in hidden:
        v = layer.parametrizations.weight.original
        v.data.mul_(torch.rand(len(v), 1) * 9)
        assert layer.weight.norm(dim=1).tolist() == pytest.approx([math.sqrt(2)] * len(v))
        assert torch.cosine_similarity(layer.weight, v).tolist() == pytest.approx([1] * len(v))
        (slope,) = torch.autograd.grad(layer.weight[0, 0], v)
        assert slope[0].norm() > 0
        assert (slope[0] @ v[0]).item() == pytest.approx(0, abs=1e-6), "moves only turn it"


def test_matching_is_done_before_the_last_noise() -> None:
    torch.manual_seed(0)
    C = SalimansMLP(hidden_D=(6, 4), noise=2.0, noise_input=0.0).classifier((1, 3, 3), 2).train()
    first = next(m for m in C.body.modules() if isinstance(m, GaussianNoise))
    first.std = 0.0  # of the other hidden layer
    x = torch.rand(5, 1, 3, 3)
    assert torch.equal(C.body.features(x), C.body.features(x))
    assert not torch.equal(C(x), C(x)), "the logits see the noise"
    assert torch.equal(C.eval()(x), C(x))


def test_gs_last_layer_has_normed_weights_and_a_sigmoid() -> None:
    torch.manual_seed(0)
    G = SalimansMLP(hidden_G=(8,)).generator(4, (1, 3, 3))
    last = [m for m in G.modules() if isinstance(m, torch.nn.Linear)][-1]
    gains = last.parametrizations.weight.original0
    assert gains.flatten().tolist() == pytest.approx([1] * 9)
    assert isinstance(gains, torch.nn.Parameter)
    assert any(isinstance(m, torch.nn.Sigmoid) for m in G.modules())
    drawn = G(torch.rand(64, 4))
    assert -1 <= drawn.min() < 0 < drawn.max() <= 1


def test_the_default_is_that_of_the_authors_code() -> None:
    """train_mnist_feature_matching.py of github.com/openai/improved-gan."""
    game = SGAN(SGAN.Config(), Spec(SemiSupervised, (1, 28, 28), classes=tuple("0123456789")))

    def sizes(network: torch.nn.Module) -> list[int]:
        return [m.out_features for m in network.modules() if isinstance(m, torch.nn.Linear)]

    assert sizes(game.G) == [500, 500, 784]
    assert sizes(game.C) == [1000, 500, 250, 250, 250, 10]
    noise = [m.std for m in game.C.modules() if isinstance(m, GaussianNoise)]
    # sigma .3 of pixels in [0, 1], which are 3.2 times as large here, and .5 behind five layers
    assert noise == pytest.approx([0.3 * 3.2, *[0.5] * 5], rel=0.05)
    assert (game.cfg.prior, game.cfg.latent) == (Uniform(0.0, 1.0), 100)
    # its Adam divides by sqrt(v + 1e-8), which is at least 1e-4; its C has half of these terms
    assert game.cfg.optimizer_g == Adam(lr=3e-3, betas=(0.5, 0.999), eps=math.sqrt(1e-8))
    assert game.cfg.optimizer_c == Adam(lr=3e-3, betas=(0.5, 0.999), eps=2 * math.sqrt(1e-8))
    assert SGAN.batch_size == 100


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SettingsError, match="matching and fooling are both 0"):
        SGAN.Config(matching=0.0)
    with pytest.raises(SettingsError, match="leave weight_norm and spectral_D off"):
        SalimansMLP(spectral_D=True)
    with pytest.raises(SettingsError, match="latent"):
        SGAN.Config(latent=0)


def few_labels(n: int = 120) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=generator)
    return images, torch.arange(n) % 3


def known(images: Tensor, labels: Tensor, settings: Settings) -> tuple[int, ...]:
    """The pictures whose labels are used."""
    side = Stack(images, labels, ("0", "1", "2"))
    return tuple(int(i) for i in labelled(side, settings))


def shuffled_elsewhere(labels: Tensor, kept: tuple[int, ...]) -> Tensor:
    """Labels permuted among the unlabelled pictures, so that the same ones are chosen to be known.

    The choice goes by a picture's rank in its class: labels move between known pictures only.
    """
    changed = labels.clone()
    borders = [-1, *sorted(kept), len(labels)]
    for start, stop in pairwise(borders):
        changed[start + 1 : stop] = changed[start + 1 : stop].flip(0)
    return changed


@pytest.mark.parametrize("name", ["sgan", "aae-semi"])
def test_labels_of_unlabelled_pictures_change_nothing(name: str, tmp_path: Path) -> None:
    from ganwright.families import family

    images, labels = few_labels()
    settings = Settings(
        game=family(name).Config(**TINY[name]),
        steps=3,
        batch_size=8,
        image_size=8,
        labels_per_class=1,
        precision="fp32",
        device="cpu",
    )
    kept = known(images, labels, settings)
    other = shuffled_elsewhere(labels, kept)
    assert known(images, other, settings) == kept
    assert (other != labels).sum() > 60
    assert torch.equal(other[list(kept)], labels[list(kept)])
    wrong = labels.clone()
    wrong[list(kept)] = labels[list(kept)].roll(1)
    weights = {}
    for case, given in (("true", labels), ("shuffled", other), ("wrong", wrong)):
        run.train(name, settings, tmp_path / case, data=(images, given), quiet=True)
        weights[case] = tensors(tmp_path / case)
    true, shuffled = weights["true"], weights["shuffled"]
    assert all(torch.equal(true[k], shuffled[k]) for k in true)
    assert any(not torch.equal(true[k], weights["wrong"][k]) for k in true), "known labels matter"


def test_batches_hold_few_labels_and_many_pictures() -> None:
    images, labels = few_labels()
    options = DataOptions(labels_per_class=2, image_size=8)
    data = open_data((images, labels), task=SemiSupervised, options=options)
    named = torch.cat([data.batch(d, 12).images for d in range(10)])  # type: ignore[union-attr]
    free = torch.cat([data.batch(d, 12).unlabelled for d in range(10)])  # type: ignore[union-attr]
    assert len(named.unique(dim=0)) == 6
    assert len(free.unique(dim=0)) == 120


def test_the_classifier_learns_its_few_labels() -> None:
    trainer = trainer_of("sgan", batch_size=32, labels_per_class=1)
    batch = trainer.batches.batch(0, 32)
    assert isinstance(batch, SemiSupervised)
    game = trainer.game
    assert isinstance(game, SGAN)
    list(trainer.play(150))
    game.eval()
    with torch.no_grad():
        assert cross_entropy(game.C(batch.images), batch.labels) < 1.0, "log 10 = 2.3 at the start"


@pytest.mark.slow
def test_ten_labels_a_class_are_enough(tmp_path: Path) -> None:
    """Of 180 held-out digits fewer than 15 % are named wrongly."""
    from recipe import train_gallery

    model = train_gallery("sgan", tmp_path)
    lines = (tmp_path / "sgan" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert '"held_out/error"' in lines[-1]
    assert json.loads(lines[-1])["held_out/error"] < 0.15
    assert model.sample(4).shape == (4, 1, 16, 16)
