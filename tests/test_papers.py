"""Recipes that are called a paper's: their numbers against the paper's, each with its source."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ganwright.config.settings import Settings
from ganwright.data.types import Images, Spec
from ganwright.families import family
from ganwright.families.priors import Gaussian, Uniform
from ganwright.layers.activation import MaxPieces
from ganwright.optim import SGD, Adam
from ganwright.recipes import find, recipes
from ganwright.run.config_file import from_yaml


def built(recipe: str, shape: tuple[int, ...]) -> tuple[Any, Settings]:
    """The game that a recipe makes for data of this shape, and its settings."""
    name, settings = from_yaml(find(Path(recipe)).read_text(encoding="utf-8"))
    return family(name)(settings.game, Spec(Images, shape, classes=tuple("0123456789"))), settings


def dense(network: nn.Module) -> list[tuple[int, int]]:
    """Inputs and outputs of each fully connected layer."""
    return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]


def convolutions(network: nn.Module) -> list[tuple[int, int, int, int]]:
    """Channels in and out, kernel and stride of each convolution, transposed or not."""
    return [
        (m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0])
        for m in network.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]


def kinds(network: nn.Module, *wanted: type[nn.Module]) -> list[str]:
    """The layers of the wanted classes, in their order."""
    return [type(m).__name__ for m in network.modules() if isinstance(m, wanted)]


def dropped(network: nn.Module) -> list[float]:
    """The share that each dropout drops."""
    return [m.p for m in network.modules() if isinstance(m, nn.Dropout) and m.p]


def test_every_recipe_of_a_paper_is_tested_here() -> None:
    """`paper-ccgan` and `paper-aae` are in test_papers_translation.py."""
    named = {name for name in recipes() if name.startswith("paper-")}
    noise = {"paper-gan", "paper-cgan", "paper-dcgan", "paper-infogan", "paper-ebgan"}
    assert named == noise | {"paper-ccgan", "paper-aae"}


def test_gan_for_mnist() -> None:
    """arXiv:1406.2661 and mnist.yaml of github.com/goodfeli/adversarial."""
    game, settings = built("paper-gan", (1, 28, 28))
    # generator: RectifiedLinear 1200, RectifiedLinear 1200, Sigmoid 784; nvis 100
    assert dense(game.G) == [(100, 1200), (1200, 1200), (1200, 784)]
    assert kinds(game.G, nn.ReLU, nn.Sigmoid, nn.Tanh) == ["ReLU", "ReLU", "Sigmoid"]
    # discriminator: Maxout of num_units 240 and num_pieces 5, twice, then Sigmoid 1
    assert dense(game.D) == [(784, 240 * 5), (240, 240 * 5), (240, 1)]
    assert [m.pieces for m in game.D.modules() if isinstance(m, MaxPieces)] == [5, 5]
    # discriminator_input_include_probs .8 for the input, .5 for the others
    assert dropped(game.D) == [0.2, 0.5, 0.5]
    assert dropped(game.G) == []
    # noise 'uniform': from -sqrt 3 to sqrt 3
    assert isinstance(game.cfg.prior, Uniform)
    assert (game.cfg.prior.low, game.cfg.prior.high) == pytest.approx((-(3**0.5), 3**0.5))
    assert (game.cfg.latent, settings.batch_size) == (100, 100)
    for optimizer in (game.cfg.optimizer_d, game.cfg.optimizer_g):
        # learning_rate .1, decay_factor 1.000004 for each batch
        assert rate(optimizer, 0) == pytest.approx(0.1)
        assert rate(optimizer, 100_000) == pytest.approx(0.1 / 1.000004**100_000, rel=1e-5)
        # init_momentum .5, final_momentum .7, saturate 250 (epochs)
        assert momenta(optimizer, settings) == pytest.approx([0.5, 0.6, 0.7, 0.7])


def test_cgan_for_mnist() -> None:
    """arXiv:1411.1784, section 4.1."""
    game, settings = built("paper-cgan", (1, 28, 28))
    # z and y are mapped to hidden layers of 200 and 1000, both to 1200, then a sigmoid of 784
    assert dense(game.G) == [(100, 200), (10, 1000), (200 + 1000, 1200), (1200, 784)]
    assert kinds(game.G, nn.ReLU, nn.Sigmoid, nn.Tanh) == ["ReLU"] * 3 + ["Sigmoid"]
    # x to maxout of 240 units and 5 pieces, y to 50 and 5, joint maxout of 240 units and 4 pieces
    assert dense(game.D) == [(784, 240 * 5), (10, 50 * 5), (240 + 50, 240 * 4), (240, 1)]
    assert [m.pieces for m in game.D.modules() if isinstance(m, MaxPieces)] == [5, 5, 4]
    # dropout of .5 in both networks
    assert dropped(game.G) == dropped(game.D) == [0.5, 0.5, 0.5]
    # z of 100 numbers, uniform within the unit hypercube; batches of 100
    assert game.cfg.prior == Uniform(0.0, 1.0)
    assert (game.cfg.latent, settings.batch_size) == (100, 100)
    for optimizer in (game.cfg.optimizer_d, game.cfg.optimizer_g):
        # from .1, decay factor 1.00004; momentum from .5 up to .7
        assert rate(optimizer, 0) == pytest.approx(0.1)
        assert rate(optimizer, 10_000) == pytest.approx(0.1 / 1.00004**10_000, rel=1e-5)
        assert momenta(optimizer, settings) == pytest.approx([0.5, 0.6, 0.7, 0.7])


def rate(optimizer: Any, step: int) -> float:
    assert isinstance(optimizer, SGD)
    return optimizer.at(step)["lr"]


def momenta(optimizer: Any, settings: Settings) -> list[float]:
    """At the first step, after 125 and 250 epochs of 60,000 pictures, and long after."""
    assert isinstance(optimizer, SGD)
    epoch = 60_000 // settings.batch_size
    return [optimizer.at(n * epoch)["momentum"] for n in (0, 125, 250, 900)]


def test_dcgan_at_64_pixels() -> None:
    """arXiv:1511.06434, figure 1 and section 4; D's widths from github.com/Newmu/dcgan_code."""
    torch.manual_seed(0)
    game, settings = built("paper-dcgan", (3, 64, 64))
    # figure 1: 100 to 4x4x1024, then 512, 256, 128 and 3 channels; kernels 5, strides 2
    assert dense(game.G) == [(100, 1024 * 4 * 4)]
    assert convolutions(game.G) == [
        (1024, 512, 5, 2),
        (512, 256, 5, 2),
        (256, 128, 5, 2),
        (128, 3, 5, 2),
    ]
    assert kinds(game.G, nn.BatchNorm2d, nn.ReLU, nn.Tanh) == ["BatchNorm2d", "ReLU"] * 4 + ["Tanh"]
    # the code's ndf = 128, BatchNorm behind all but the first, LeakyReLU of slope .2
    assert convolutions(game.D) == [
        (3, 128, 5, 2),
        (128, 256, 5, 2),
        (256, 512, 5, 2),
        (512, 1024, 5, 2),
    ]
    assert dense(game.D) == [(1024 * 4 * 4, 1)]
    assert kinds(game.D, nn.BatchNorm2d, nn.LeakyReLU) == [
        "LeakyReLU",
        *["BatchNorm2d", "LeakyReLU"] * 3,
    ]
    assert {m.negative_slope for m in game.D.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    # weights from N(0, .02)
    layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    weights = [m.weight for m in game.modules() if isinstance(m, layers)]
    assert all(w.std().item() == pytest.approx(0.02, rel=0.05) for w in weights)
    # z uniform; Adam of 2e-4 with beta1 .5; batches of 128
    assert game.cfg.prior == Uniform(-1.0, 1.0)
    assert (game.cfg.latent, settings.batch_size) == (100, 128)
    assert game.cfg.optimizer_d == game.cfg.optimizer_g == Adam(lr=2e-4, betas=(0.5, 0.999))
    with torch.no_grad():
        assert game.sample(2).shape == (2, 3, 64, 64)


def test_infogan_for_mnist() -> None:
    """arXiv:1606.03657, appendix C.1; run_mnist_exp.py of github.com/openai/InfoGAN."""
    game, settings = built("paper-infogan", (1, 28, 28))
    # G: 1024, 7x7x128, 4x4 to 64 channels, 4x4 to 1; ReLU and BatchNorm behind all but the last
    assert dense(game.G) == [(62 + 10 + 2, 1024), (1024, 7 * 7 * 128)]
    assert convolutions(game.G) == [(128, 64, 4, 2), (64, 1, 4, 2)]
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    assert len(kinds(game.G, *norms)) == len(kinds(game.G, nn.ReLU)) == 3
    assert kinds(game.G, nn.Sigmoid, nn.Tanh) == ["Sigmoid"]
    # D: 4x4 to 64 channels without BatchNorm, 4x4 to 128, 1024; slope .1
    assert convolutions(game.D) == [(1, 64, 4, 2), (64, 128, 4, 2)]
    assert dense(game.D) == [(128 * 7 * 7, 1024), (1024, 1)]
    assert len(kinds(game.D, *norms)) == 2
    assert {m.negative_slope for m in game.D.modules() if isinstance(m, nn.LeakyReLU)} == {0.1}
    # Q: 128 with BatchNorm, then ten logits and two means
    assert dense(game.Q) == [(1024, 128), (128, 12)]
    assert len(kinds(game.Q, *norms)) == 1
    # Uniform(62), which is on [-1, 1]; batch_size 128; rates 1e-3 and 2e-4; info_reg_coeff 1
    assert game.cfg.prior == Uniform(-1.0, 1.0)
    assert (settings.batch_size, settings.steps) == (128, 50 * 100)
    assert game.cfg.optimizer_g == Adam(lr=1e-3, betas=(0.5, 0.999))
    assert game.cfg.optimizer_d == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert game.cfg.information == 1


def test_ebgan_for_digits() -> None:
    """arXiv:1609.03126, section 4.1 and figure 9."""
    game, settings = built("paper-ebgan", (1, 28, 28))
    # nLayerG 5, sizeG 1600
    assert dense(game.G) == [(100, 1600), *[(1600, 1600)] * 3, (1600, 784)]
    # nLayerD 2, which "represents the total number of layers combining Enc and Dec", "we fix Dec to
    # be one layer"; sizeD 1024, dropoutD 0
    assert dense(game.D.encoder) == [(784, 1024)]
    assert dense(game.D.decoder) == [(1024, 784)]
    assert dropped(game) == []
    # m 10, no pulling-away term in figure 9; Adam of 1e-3 for both
    assert (game.cfg.margin, game.cfg.pull) == (10, 0)
    assert game.cfg.optimizer_g.lr == game.cfg.optimizer_d.lr == 1e-3
    assert isinstance(game.cfg.optimizer_g, Adam)
    assert isinstance(game.cfg.optimizer_d, Adam)
    assert settings.image_size == 28


def test_a_sigmoids_pictures_span_the_librarys_range() -> None:
    """Within, the paper's pixels in [0, 1]; without, the library's in [-1, 1]."""
    game, _ = built("paper-gan", (1, 2, 2))
    last = [m for m in game.G.modules() if isinstance(m, nn.Linear)][-1]
    nn.init.zeros_(last.weight)
    last.bias.data.copy_(torch.tensor([-100.0, 0.0, math.log(3), 100.0]))
    # sigmoids of 0, 1/2, 3/4 and 1
    assert game.sample(1).flatten().tolist() == pytest.approx([-1, 0, 0.5, 1])
    seen = []
    first = next(m for m in game.D.modules() if isinstance(m, nn.Flatten))
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    game.D(torch.tensor([-1.0, 0.0, 0.5, 1.0]).view(1, 1, 2, 2))
    assert seen[0].flatten().tolist() == [0, 0.5, 0.75, 1]


def test_other_recipes_keep_the_gaussian() -> None:
    game, _ = built("mnist-dcgan", (1, 32, 32))
    assert game.cfg.prior == Gaussian()
