"""Recipes and defaults that are called a paper's, against the paper's numbers.

Each number stands here with where it is from: the paper's section, or the authors' code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ganwright.config.settings import Settings
from ganwright.data.types import Images, Paired, SemiSupervised, Spec, Unpaired
from ganwright.families import family
from ganwright.families.posteriors import Deterministic
from ganwright.families.priors import Gaussian
from ganwright.game import Game
from ganwright.layers.norm import InstanceNorm
from ganwright.losses import LeastSquares, NonSaturating, Wasserstein
from ganwright.networks.features import VGG_SCALE
from ganwright.optim import Adam, Decay, LinearDecay, RMSprop
from ganwright.recipes import find
from ganwright.run.config_file import from_yaml

CONVS = (nn.Conv2d, nn.ConvTranspose2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d)


def recipe(name: str) -> tuple[str, Settings]:
    return from_yaml(find(Path(name)).read_text(encoding="utf-8"))


def built(name: str, game: Any, spec: Spec) -> Game:
    """The family's networks, without their numbers."""
    with torch.device("meta"):
        return family(name)(game, spec)


def convolutions(network: nn.Module) -> list[tuple[int, int, int, int]]:
    """Channels in and out, kernel and stride of each convolution, in order."""
    return [
        (m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0])
        for m in network.modules()
        if isinstance(m, CONVS)
    ]


def normalised(network: nn.Module) -> list[int]:
    """Channels of each normalisation layer, in order."""
    return [m.num_features for m in network.modules() if isinstance(m, NORMS)]


def images(task: type, shape: tuple[int, ...]) -> Spec:
    return Spec(task, shape, shape)


def test_dualgan_authors() -> None:
    """Yi et al.'s released code: model.py and ops.py, at 256 pixels."""
    name, settings = recipe("dualgan-authors")
    cfg: Any = settings.game
    game = built(name, cfg, images(Unpaired, (3, 256, 256)))
    # model.py, fcn: e1 to e8 and d1 to d8; ops.py: kernels of 5, stride 2
    down = [64, 128, 256, 512, 512, 512, 512, 512]
    up = [(512, 512), (1024, 512), (1024, 512), (1024, 512), (1024, 256), (512, 128), (256, 64)]
    encoder = [(a, b, 5, 2) for a, b in zip([3, *down], down, strict=False)]
    decoder = [(a, b, 5, 2) for a, b in [*up, (128, 3)]]
    for G in (game.AB, game.BA):
        assert convolutions(G) == encoder + decoder
        # e2 to e8, the innermost included, and d1 to d7
        assert normalised(G) == [*down[1:], 512, 512, 512, 512, 256, 128, 64]
        assert [type(m).__name__ for m in G.modules()].count("NoiseDropout") == 3  # d1 to d3
        assert cfg.translator.dropout == 0.5
    # model.py, discriminator: h0 to h4
    for D in (game.D_A, game.D_B):
        assert convolutions(D) == [
            (3, 64, 5, 2),
            (64, 128, 5, 2),
            (128, 256, 5, 2),
            (256, 512, 5, 1),
            (512, 1, 5, 1),
        ]
        assert normalised(D) == [128, 256, 512]
    # ops.py, batch_norm: moments over the pixels of each image, eps 1e-6, learnt scale and center
    assert cfg.translator.norm == cfg.patch.norm == InstanceNorm(affine=True, eps=1e-6)
    # main.py: lr 5e-5, lambda_A = lambda_B = 20, batch_size 1; model.py, train: decay .9
    assert (cfg.optimizer.lr, cfg.optimizer.alpha) == (5e-5, 0.9)
    assert isinstance(cfg.optimizer, RMSprop)
    assert (cfg.cycle_a, cfg.cycle_b, settings.batch_size) == (20, 20, 1)
    # celoss without clipping; run_optim: one move of D, two of G
    assert cfg.loss == NonSaturating()
    assert (cfg.penalties, cfg.d_moves, cfg.g_moves) == ((), 1, 2)


def test_dualgan() -> None:
    """Yi et al. (2017), sections 3.3 and 3.4."""
    cls = family("dualgan")
    cfg: Any = cls.Config()
    game = built("dualgan", cfg, images(Unpaired, (3, 256, 256)))
    # a U-shaped net, and the 70x70 PatchGAN of pix2pix
    assert len(convolutions(game.AB)) == 16
    assert cfg.patch.field == 70
    assert cfg.loss == Wasserstein()
    # c from .01 to .1, n_critic from 2 to 4, batches of 1 to 4, lambda from 100 to 1,000
    assert [(type(p).__name__, p.c) for p in cfg.penalties] == [("WeightClipping", 0.01)]
    assert (cfg.d_moves, cls.batch_size, cfg.cycle_a, cfg.cycle_b) == (3, 1, 100, 100)
    assert (type(cfg.optimizer), cfg.optimizer.lr) == (RMSprop, 5e-5)  # the authors' code


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_adam_of_isola_and_zhu(name: str) -> None:
    """Both papers: lr 2e-4, momenta .5 and .999, batches of 1."""
    cfg: Any = family(name).Config()
    assert isinstance(cfg.optimizer, Adam)
    assert (cfg.optimizer.lr, cfg.optimizer.betas) == (2e-4, (0.5, 0.999))
    assert family(name).batch_size == 1


def test_pix2pix() -> None:
    """Isola et al. (2017), section 3.3 and appendix 6.1."""
    cfg: Any = family("pix2pix").Config()
    game = built("pix2pix", cfg, images(Paired, (3, 256, 256)))
    # C64-C128-C256-C512-C512-C512-C512-C512, CD512-CD1024-CD1024-C1024-C1024-C512-C256-C128,
    # where a decoder's number counts what its skip brings; 4x4 kernels, stride 2
    down = [64, 128, 256, 512, 512, 512, 512, 512]
    assert [(c[1], *c[2:]) for c in convolutions(game.G)[:8]] == [(w, 4, 2) for w in down]
    assert [c[0] for c in convolutions(game.G)[8:]] == [512, 1024, 1024, 1024, 1024, 512, 256, 128]
    assert [type(m).__name__ for m in game.G.modules()].count("NoiseDropout") == 3
    assert cfg.translator.dropout == 0.5
    # C64-C128-C256-C512 of source and target
    assert convolutions(game.D) == [
        (6, 64, 4, 2),
        (64, 128, 4, 2),
        (128, 256, 4, 2),
        (256, 512, 4, 1),
        (512, 1, 4, 1),
    ]
    assert normalised(game.D) == [128, 256, 512]
    assert (cfg.loss, cfg.l1) == (NonSaturating(), 100)


def test_cyclegan() -> None:
    """Zhu et al. (2017), section 4 and appendix 7."""
    cfg: Any = family("cyclegan").Config()
    game = built("cyclegan", cfg, images(Unpaired, (3, 256, 256)))
    # c7s1-64, d128, d256, R256 nine times, u128, u64, c7s1-3
    ends = [(3, 64, 7, 1), (64, 128, 3, 2), (128, 256, 3, 2)]
    back = [(256, 128, 3, 2), (128, 64, 3, 2), (64, 3, 7, 1)]
    assert convolutions(game.AB) == ends + [(256, 256, 3, 1)] * 18 + back
    # C64-C128-C256-C512, no norm behind the first
    assert [c[1:] for c in convolutions(game.D_A)] == [
        (64, 4, 2),
        (128, 4, 2),
        (256, 4, 2),
        (512, 4, 1),
        (1, 4, 1),
    ]
    assert normalised(game.D_A) == [128, 256, 512]
    assert cfg.translator.norm == cfg.patch.norm == InstanceNorm()
    assert (cfg.loss, cfg.cycle, cfg.pool) == (LeastSquares(scale=1.0), 10, 50)
    assert cfg.optimizer.schedule == LinearDecay(hold=100_000, horizon=200_000)


def test_discogan() -> None:
    """Kim et al. (2017), section 4, and their code: model.py and image_translation.py."""
    cls = family("discogan")
    cfg: Any = cls.Config()
    game = built("discogan", cfg, images(Unpaired, (3, 64, 64)))
    # model.py: four halvings and four doublings with 4x4 kernels
    down = [(3, 64, 4, 2), (64, 128, 4, 2), (128, 256, 4, 2), (256, 512, 4, 2)]
    up = [(512, 256, 4, 2), (256, 128, 4, 2), (128, 64, 4, 2), (64, 3, 4, 2)]
    assert convolutions(game.AB) == down + up
    assert normalised(game.AB) == [128, 256, 512, 256, 128, 64]
    assert convolutions(game.D_A) == [*down, (512, 1, 4, 1)]
    assert normalised(game.D_A) == [128, 256, 512]
    # image_translation.py: Adam, weight_decay, starting_rate, default_rate, gan_curriculum,
    # update_interval, and .9 of feature matching; the paper: batches of 200 of 64 pixels
    assert cfg.optimizer == Adam(lr=2e-4, betas=(0.5, 0.999), weight_decay=1e-5)
    assert (cfg.early_reconstruction, cfg.reconstruction, cfg.early_steps) == (0.01, 0.5, 10_000)
    assert (cfg.every, cfg.matching, cls.batch_size, cls.image_size) == (3, 0.9, 200, 64)


def test_pixelda() -> None:
    """Bousmalis et al. (2017), and their code: pixelda_model.py, _task_towers.py, hparams.py."""
    cls = family("pixelda")
    cfg: Any = cls.Config()
    spec = Spec(Unpaired, (1, 28, 28), (3, 28, 28), tuple("0123456789"))
    game = built("pixelda", cfg, spec)
    # resnet_stack: 64 filters, 6 blocks, 3x3 kernels, and a last kernel of 1; z's plane beside x
    blocks = [(64, 64, 3, 1)] * 12
    assert convolutions(game.G) == [(2, 64, 3, 1), *blocks, (64, 3, 1, 1)]
    # project_latent_vars: a linear layer to 28x28 units, batch normalised and rectified
    assert [type(m).__name__ for m in game.G.plane] == [
        "Linear",
        "BatchNorm1d",
        "ReLU",
        "Unflatten",
    ]
    assert (game.G.plane[0].in_features, game.G.plane[0].out_features) == (10, 784)
    assert normalised(game.G) == [784, *[64] * 12]
    # predict_domain: first stride 1, then halved while the side is above 4, channels doubling
    assert convolutions(game.D) == [
        (3, 64, 3, 1),
        (64, 128, 3, 2),
        (128, 256, 3, 2),
        (256, 512, 3, 2),
    ]
    assert game.D.head.in_features == 512 * 4 * 4
    assert normalised(game.D) == [128, 256, 512]
    # hparams: batch_norm_decay .9; batch_norm_params: epsilon .001
    norms = [m for D in (game.G, game.D) for m in D.modules() if isinstance(m, NORMS)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.1, 1e-3)}
    assert {m.std for m in game.D.modules() if hasattr(m, "std")} == {0.2}
    assert {m.p for m in game.D.modules() if isinstance(m, nn.Dropout)} == {0.1}
    # mnist_classifier: 32 and 48 channels of 5x5, 100 and 100 units
    assert convolutions(game.T) == [(1, 32, 5, 1), (3, 32, 5, 1), (32, 48, 5, 1)]
    units = [m.out_features for m in game.T.modules() if isinstance(m, nn.Linear)]
    assert units == [100, 100, 10]
    # hparams: learning_rate, adam_beta1, lr_decay_*, weight_decay, clip_gradient_norm, batch_size
    decay = Decay(rate=0.95, every=20_000)
    assert cfg.optimizer == Adam(lr=1e-3, betas=(0.5, 0.999), weight_decay=1e-5, schedule=decay)
    assert (cfg.clip, cls.batch_size, cfg.latent) == (5, 32, 10)
    # README: the weights for MNIST to MNIST-M
    assert (cfg.domain, cfg.style, cfg.task, cfg.content) == (0.1356, 0.0113, 0.0101, 0)


def test_pixelda_s_weights_begin_at_a_deviation_of_a_fiftieth() -> None:
    """hparams.py: normal_init_std .02, within whose scope all three networks are built."""
    torch.manual_seed(0)
    spec = Spec(Unpaired, (1, 28, 28), (3, 28, 28), tuple("0123456789"))
    game: Any = family("pixelda")(family("pixelda").Config(), spec)
    for network in (game.G, game.D, game.T):
        for m in network.modules():
            if isinstance(m, (*CONVS, nn.Linear)) and m.weight.numel() > 2000:
                assert m.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_paper_ccgan() -> None:
    """Denton et al. (2016), section 4: VGG-A (Simonyan and Zisserman 2015, table 1, column A)."""
    name, settings = recipe("paper-ccgan")
    cfg: Any = settings.game
    game = built(name, cfg, Spec(SemiSupervised, (3, 96, 96), None, ("a", "b", "c")))
    widths = [64, 128, 256, 256, 512, 512, 512, 512]
    assert convolutions(game.D) == [
        (a, b, 3, 1) for a, b in zip([3, *widths], widths, strict=False)
    ]
    assert normalised(game.D) == widths  # from the first layer
    pools = [m.kernel_size for m in game.D.modules() if isinstance(m, nn.MaxPool2d)]
    assert pools == [2] * 5
    assert game.D.head.in_features == 512 * 3 * 3
    # dropout before the classifier alone
    assert [m.p for m in game.D.modules() if isinstance(m, nn.Dropout)] == [0.0]
    assert [m.p for m in game.C.modules() if isinstance(m, nn.Dropout)] == [0.5]
    # real images have the target .9
    assert cfg.loss == NonSaturating(smooth=0.1)
    assert settings.batch_size == 100
    assert cfg.optimizer_d == cfg.optimizer_g == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert (cfg.alpha, cfg.reconstruction, cfg.class_weight) == (0, 0, 1)


def test_srgan() -> None:
    """Ledig et al. (2017), figure 4 and section 3.2."""
    cls = family("srgan")
    cfg: Any = cls.Config()
    game = built("srgan", cfg, Spec(Paired, (3, 24, 24), (3, 96, 96)))
    # k9n64s1, 16 blocks of two k3n64s1, k3n64s1, two k3n256s1 reshuffled, k9n3s1
    blocks, ups = [(64, 64, 3, 1)] * 33, [(64, 256, 3, 1)] * 2
    assert convolutions(game.G) == [(3, 64, 9, 1), *blocks, *ups, (64, 3, 9, 1)]
    assert normalised(game.G) == [64] * 33
    # 64 to 512 channels, strides of 1 and 2 in turn; 1,024 units
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    assert [c[1:] for c in convolutions(game.D)] == [
        (w, 3, 1 + i % 2) for i, w in enumerate(widths)
    ]
    assert normalised(game.D) == widths[1:]
    assert [m.out_features for m in game.D.modules() if isinstance(m, nn.Linear)] == [1024, 1]
    # lr 1e-4 in the first phase; 1e-4, then 1e-5 from 100,000 on, in the second; beta1 .9
    assert cfg.optimizer_mse == Adam(lr=1e-4, betas=(0.9, 0.999))
    assert cfg.optimizer == Adam(
        lr=1e-4, betas=(0.9, 0.999), schedule=Decay(rate=0.1, every=100_000)
    )
    assert (cfg.adversarial, cls.batch_size) == (1e-3, 16)
    assert pytest.approx(1 / 12.75) == VGG_SCALE


def test_paper_aae() -> None:
    """Makhzani et al. (2016), section 3 and appendix A: MNIST in 8 dimensions."""
    name, settings = recipe("paper-aae")
    cfg: Any = settings.game
    game: Any = family(name)(cfg, Spec(Images, (1, 28, 28), classes=tuple("0123456789")))

    def layers(network: nn.Module) -> list[tuple[int, int]]:
        found = [m for m in network.modules() if isinstance(m, nn.Linear)]
        return [(m.in_features, m.out_features) for m in found]

    # two rectified layers of 1,000 units each; a linear code
    assert layers(game.Q) == [(784, 1000), (1000, 1000), (1000, 8)]
    assert layers(game.P) == [(8, 1000), (1000, 1000), (1000, 784)]
    assert layers(game.D) == [(8, 1000), (1000, 1000), (1000, 1)]
    for network in (game.Q, game.P, game.D):
        assert [type(m).__name__ for m in network.modules()].count("ReLU") == 2
        assert not [m for m in network.modules() if isinstance(m, (nn.Dropout, *NORMS))]
        for m in network.modules():
            if isinstance(m, nn.Linear) and m.weight.numel() > 5000:
                assert m.weight.std().item() == pytest.approx(0.01, rel=0.1)
    # a deterministic posterior, a prior of deviation 5, batches of 100
    assert (cfg.prior, cfg.posterior) == (Gaussian(spread=5.0), Deterministic())
    assert (settings.batch_size, settings.data, settings.image_size) == (100, "mnist", 28)
