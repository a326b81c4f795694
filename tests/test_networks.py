"""Generators and discriminators: shapes, parameters, labels, precision, second derivatives."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ganwright.errors import SettingsError
from ganwright.layers.activation import Maxout, ReLU
from ganwright.layers.blocks import Bottleneck, Convs, Dense, Residual
from ganwright.layers.condition import ClassNorm, Concat, Projection
from ganwright.layers.minibatch import MinibatchDiscrimination, MinibatchStdDev
from ganwright.layers.norm import (
    BatchNorm,
    ClassBatchNorm2d,
    InstanceNorm,
    LayerNorm,
    NoNorm,
    VirtualBatchNorm,
)
from ganwright.layers.resample import Pooled, Resize, SubPixel
from ganwright.networks import (
    MLP,
    NETWORKS,
    AliasFreeNet,
    BigNet,
    ConvNet,
    ConvNet1d,
    Custom,
    FastNet,
    Networks,
    R3Net,
    ResNet,
    StyleNet,
)
from ganwright.networks.base import halvings

SMALL = MLP(hidden_G=(8,), hidden_D=(8,))
KINDS: dict[str, Networks] = {
    "mlp": SMALL,
    "mlp-maxout": MLP(hidden_G=(8,), hidden_D=(8, 8), activation_D=Maxout(5), norm_G=BatchNorm()),
    "mlp-virtual": MLP(hidden_G=(8,), hidden_D=(8,), norm_G=VirtualBatchNorm(6), weight_norm=True),
    "conv": ConvNet(width=4),
    "conv-spectral": ConvNet(width=4, spectral_G=True, spectral_D=True, attention=(4,)),
    "conv-resize": ConvNet(width=4, up=Resize(), down=Pooled(), norm_D=InstanceNorm(affine=True)),
    "conv-shuffle": ConvNet(width=4, up=SubPixel(), norm_D=NoNorm(), dropout=0.5),
    "conv-residual": ConvNet(width=4, blocks=Residual(), minibatch=MinibatchStdDev()),
    "conv-bottleneck": ConvNet(width=4, blocks=Bottleneck(), norm_D=LayerNorm()),
    "conv-dense": ConvNet(width=4, blocks=Dense(4), minibatch=MinibatchDiscrimination(3, 2)),
    "conv-joined": ConvNet(width=4, hidden_G=(9, 8), hidden_D=(8,), norm_D=LayerNorm()),
    "conv-vgg": ConvNet(width=4, blocks=Convs(), norm_G=VirtualBatchNorm(6)),
    "resnet": ResNet(width_G=4, width_D=4),
    "resnet-cifar": ResNet(width_G=4, width_D=4, most=1, plain=2, halvings_D=1, attention=(8,)),
}
LABELS: dict[str, Networks] = {
    "mlp": SMALL,
    "mlp-embedded": MLP(hidden_G=(8,), hidden_D=(8,), labels=Concat(embedding=2)),
    "conv": ConvNet(width=4),
    "conv-class-norm": ConvNet(width=4, labels_G=ClassNorm(), labels_D=Projection()),
    "conv-blocks": ConvNet(width=4, labels_G=ClassNorm(), blocks=Residual()),
    "conv-joined": ConvNet(width=4, hidden_G=(8,), hidden_D=(8,), labels_G=ClassNorm()),
    "conv-virtual": ConvNet(width=4, norm_G=VirtualBatchNorm(6)),
    "resnet": ResNet(width_G=4, width_D=4),
    "resnet-concat": ResNet(width_G=4, width_D=4, labels_G=Concat(2), labels_D=Concat()),
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Shapes without numbers, for large networks."""
    with torch.device("meta"):
        return build()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 48), (4, 28, 28)], ids=str)
def test_pairs_fit_the_shape(kind: str, shape: tuple[int, ...]) -> None:
    networks = KINDS[kind]
    if kind == "conv-spectral" and shape[1] % 16:
        shape = (4, 64, 64)  # 28 pixels have no map of height 4
    if kind == "resnet-cifar":
        shape = (shape[0], 16, 16)
    G, D = networks.generator(5, shape), networks.discriminator(shape)
    encoder = networks.encoder(shape, 7)
    x = G(torch.randn(4, 5))
    assert x.shape == (4, *shape)
    assert 0 < x.abs().max() < 1
    h, s, code = D.features(x), D(x), encoder(x)
    assert h.shape == (4, D.width)
    assert s.shape == (4,)
    assert code.shape == (4, 7)
    (s.sum() + code.sum()).backward()
    for network in (G, D, encoder):
        assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_ends_in_float32(kind: str) -> None:
    G, D = KINDS[kind].generator(5, (3, 16, 16)), KINDS[kind].discriminator((3, 16, 16))
    with torch.autocast("cpu", torch.bfloat16):
        x = G(torch.randn(4, 5))
        h = D.features(x)
        assert {x.dtype, h.dtype, D.score(h).dtype} == {torch.float32}
        assert KINDS[kind].encoder((3, 16, 16), 2)(x).dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_repeats_itself_and_writes_nothing(kind: str) -> None:
    G = KINDS[kind].generator(5, (3, 16, 16)).eval()
    D = KINDS[kind].discriminator((3, 16, 16)).eval()
    before = {k: v.clone() for m in (G, D) for k, v in m.state_dict().items()}
    z = torch.randn(4, 5)
    assert torch.equal(G(z), G(z))
    assert torch.equal(D(G(z)), D.score(D.features(G(z))))
    after = {k: v for m in (G, D) for k, v in m.state_dict().items()}
    assert all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_gradient_exists(kind: str) -> None:
    D = KINDS[kind].discriminator((3, 16, 16)).eval()
    x = torch.randn(4, 3, 16, 16)
    gradient = torch.func.grad(lambda u: D(u).sum())(x)
    (gradient.square().sum() * 1e3).backward()
    moved = [p.grad.abs().sum() for p in D.parameters() if p.grad is not None]
    assert torch.stack(moved).sum() > 0


@pytest.mark.parametrize("kind", LABELS)
def test_labels_matter(kind: str) -> None:
    networks = LABELS[kind]
    G, D = networks.generator(5, (1, 16, 16), 3), networks.discriminator((1, 16, 16), 3)
    if isinstance(networks, ConvNet | ResNet) and isinstance(networks.labels_G, ClassNorm):
        for name, p in G.named_parameters():  # all classes start alike
            if name.endswith((".gain", ".shift")):
                nn.init.normal_(p, 1.0)
    z, y = torch.randn(4, 5), torch.tensor([0, 1, 2, 0])
    other = (y + 1) % 3
    G.eval(), D.eval()
    x = G(z, y)
    assert (x - G(z, other)).abs().amax((1, 2, 3)).min() > 1e-5
    assert (D(x, y) - D(x, other)).abs().min() > 1e-6
    assert_close(G(z, nn.functional.one_hot(y, 3).float()), x)
    with pytest.raises(SettingsError, match="conditional on 3 classes; call it with labels"):
        G(z)


def test_networks_without_classes_ignore_labels() -> None:
    G, y = SMALL.generator(5, (1, 8, 8)), torch.tensor([0, 1])
    z = torch.randn(2, 5)
    assert torch.equal(G(z, y), G(z))


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128, 256])
def test_convolutions_reach_every_power_of_two(size: int) -> None:
    networks = ConvNet(width=2)
    x = networks.generator(3, (3, size, size))(torch.randn(2, 3))
    assert x.shape == (2, 3, size, size)
    assert networks.discriminator((3, size, size))(x).shape == (2,)


def test_parameters_of_a_tiny_convolutional_pair() -> None:
    networks = ConvNet(width=2)
    # G: 3 x (2 x 4 x 4), batch norm 2 x 2, transposed 2 x 1 x 4 x 4 + 1
    assert parameters(networks.generator(3, (1, 8, 8))) == 96 + 4 + 33
    # D: 1 x 2 x 4 x 4 + 2, 2 x 4 x 4 + 1
    assert parameters(networks.discriminator((1, 8, 8))) == 34 + 33
    # One doubling more: 3 x (4 x 4 x 4), 8, 4 x 2 x 16, 4, 33
    assert parameters(networks.generator(3, (1, 16, 16))) == 192 + 8 + 128 + 4 + 33


def test_dcgan_has_the_paper_s_channels() -> None:
    G = on_meta(lambda: ConvNet().generator(100, (3, 64, 64)))
    convs = [m for m in G.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(c.in_channels, c.out_channels) for c in convs] == [
        (512, 256),
        (256, 128),
        (128, 64),
        (64, 3),
    ]
    assert [c.bias is None for c in convs] == [True, True, True, False]
    D = on_meta(lambda: ConvNet().discriminator((3, 64, 64)))
    assert sum(isinstance(m, nn.BatchNorm2d) for m in D.modules()) == 3
    assert sum(isinstance(m, nn.BatchNorm2d) for m in G.modules()) == 4


def test_dcgan_starts_from_the_paper_s_weights() -> None:
    G = ConvNet(width=16).generator(100, (3, 32, 32))
    weights = torch.cat(
        [m.weight.flatten() for m in G.modules() if isinstance(m, nn.ConvTranspose2d)]
    )
    assert abs(weights.std().item() - 0.02) < 5e-4
    gains = torch.cat([m.weight for m in G.modules() if isinstance(m, nn.BatchNorm2d)])
    assert abs(gains.mean().item() - 1) < 0.01
    assert abs(gains.std().item() - 0.02) < 0.005


def linear(*sizes: int) -> int:
    """Parameters of linear layers between these sizes."""
    return sum(i * o + o for i, o in pairwise(sizes))


def test_default_mlp_is_the_common_one() -> None:
    G, D = MLP().generator(100, (1, 28, 28)), MLP().discriminator((1, 28, 28))
    assert parameters(G) == linear(100, 256, 512, 1024, 784)
    assert parameters(D) == linear(784, 1024, 512, 256, 1)
    assert [m.p for m in D.modules() if isinstance(m, nn.Dropout)] == [0.3] * 3
    slopes = [m.negative_slope for n in (G, D) for m in n.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2] * 6


def test_mlp_of_the_first_paper() -> None:
    paper = MLP(
        hidden_G=(1200, 1200),
        hidden_D=(240, 240),
        activation_G=ReLU(),
        activation_D=Maxout(5),
        dropout_input=0.2,
        dropout=0.5,
    )
    D = paper.discriminator((1, 28, 28))
    assert parameters(D) == 784 * 1200 + 1200 + 240 * 1200 + 1200 + 240 + 1
    assert [m.p for m in D.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.5, 0.5]


def test_conv_net_of_infogan_s_paper() -> None:
    """Table 1 of arXiv:1606.03657, but for the biases that a norm undoes."""
    paper = ConvNet(width=64, hidden_G=(1024,), hidden_D=(1024,), slope=0.1)
    G, D = paper.generator(74, (1, 28, 28)), paper.discriminator((1, 28, 28))
    grid = 7 * 7 * 128
    dense = 74 * 1024 + 2 * 1024 + 1024 * grid + 2 * 128
    assert parameters(G) == dense + 16 * 128 * 64 + 2 * 64 + 16 * 64 + 1
    conv = 16 * 64 + 64 + 16 * 64 * 128 + 2 * 128
    assert parameters(D) == conv + grid * 1024 + 2 * 1024 + 1024 + 1
    assert D.width == 1024
    D = ConvNet(width=4, hidden_D=(8, 8), dropout=0.3).discriminator((1, 28, 28))
    assert [m.p for m in D.modules() if isinstance(m, nn.Dropout)] == [0.3] * 4


def test_points_are_not_squashed() -> None:
    G = MLP(hidden_G=(8,), norm_G=BatchNorm(), std=5.0).generator(2, (2,))
    x = G(torch.randn(64, 2))
    assert x.shape == (64, 2)
    assert x.abs().max() > 1
    assert MLP().discriminator((4,))(torch.randn(3, 4)).shape == (3,)


def test_logits_are_wanted_without_tanh() -> None:
    for networks in (MLP(hidden_G=(8,), std=5.0), ConvNet(width=4, std=1.0), ResNet(width_G=64)):
        x = networks.generator(5, (1, 16, 16), tanh=False)(torch.randn(16, 5))
        assert x.abs().max() > 1


def top_singular_value(module: nn.Module) -> float:
    weight = module.weight
    if isinstance(module, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)
    return float(torch.linalg.matrix_norm(weight.flatten(1).detach(), 2))


@pytest.mark.parametrize("kind", ["conv-spectral", "resnet"])
def test_spectral_norm_brings_every_layer_to_one(kind: str) -> None:
    D = KINDS[kind].discriminator((3, 16, 16), 4)
    x, y = torch.randn(2, 3, 16, 16), torch.tensor([0, 3])
    for _ in range(30):
        D(x, y)
    layers = [m for m in D.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    assert len(layers) > 4
    for layer in layers:
        assert top_singular_value(layer) == pytest.approx(1, abs=0.02)


def test_attention_stands_where_it_is_set() -> None:
    networks = ConvNet(width=8, attention=(4, 8))
    G = networks.generator(5, (3, 64, 64))
    gammas = [p for name, p in G.named_parameters() if name.endswith("gamma")]
    assert len(gammas) == 2
    D = networks.discriminator((3, 64, 64))
    shapes: list[torch.Size] = []
    for module in D.modules():
        if type(module).__name__ == "SelfAttention":
            module.register_forward_hook(lambda m, a, out: shapes.append(out.shape[1:]))
    D(torch.randn(1, 3, 64, 64))
    assert shapes == [(32, 8, 8), (64, 4, 4)]


def test_batch_features_see_a_collapse() -> None:
    for minibatch in (MinibatchDiscrimination(4, 2), MinibatchStdDev()):
        D = ConvNet(width=4, norm_D=NoNorm(), minibatch=minibatch).discriminator((1, 8, 8)).eval()
        varied = torch.randn(4, 1, 8, 8)
        alike = varied[:1].expand(4, -1, -1, -1)
        extra = minibatch.extra(0)
        assert (D.features(varied)[0, -extra:] - D.features(alike)[0, -extra:]).abs().min() > 1e-3


def test_virtual_batch_norm_samples_do_not_depend_on_each_other() -> None:
    for classes in (0, 3):
        G = ConvNet(width=4, norm_G=VirtualBatchNorm(6)).generator(5, (1, 16, 16), classes)
        z, y = torch.randn(4, 5), torch.tensor([0, 1, 2, 0])
        assert_close(G(z, y)[:1], G(z[:1], y[:1]))


def test_class_norm_keeps_the_settings_of_the_norm() -> None:
    cfg = ConvNet(width=4, labels_G=ClassNorm(), norm_G=BatchNorm(momentum=0.3, eps=1e-3))
    norms = [m for m in cfg.generator(5, (1, 16, 16), 3).modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(m.momentum, m.eps, m.affine) for m in norms} == {(0.3, 1e-3, False)}
    virtual = ResNet(width_G=4, norm_G=VirtualBatchNorm(6))
    assert virtual.generator(5, (1, 16, 16))(torch.randn(1, 5)).shape == (1, 1, 16, 16)
    with pytest.raises(SettingsError, match="norm_G is VirtualBatchNorm; set norm_G=BatchNorm"):
        virtual.generator(5, (1, 16, 16), 3)


@pytest.mark.parametrize(
    ("networks", "shape", "message"),
    [
        (ConvNet(), (3, 100, 100), "not so halve 100x100; the nearest size that fits is 96x96"),
        (ConvNet(), (3, 30, 50), "nearest size that fits is 32x48"),
        (ConvNet(), (3, 6, 6), "nearest size that fits is 8x8"),
        (ResNet(), (3, 33, 32), "nearest size that fits is 32x32"),
        (ConvNet(), (2,), "not samples of shape \\(2,\\); use MLP"),
        (AliasFreeNet(), (2,), "not samples of shape \\(2,\\); use MLP"),
        (ConvNet(attention=(32,)), (3, 32, 32), "height 32, but .* the heights are 4, 8, 16"),
        (ResNet(attention=(4,)), (3, 16, 16), "height 4, but .* the heights are 8, 16"),
        (ResNet(halvings_D=3), (3, 16, 16), "halvings_D is 3, but 16x16 halves 2 times"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    networks: Networks, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        _ = networks.generator(8, shape), networks.discriminator(shape)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(4, 4), (11, 11), (9, 16), (29, 29), (24, 41), (300, 200)])
@pytest.mark.parametrize(
    "networks", [AliasFreeNet(base=8, most=2, styles=2, layers=3), FastNet(width_G=1, width_D=1)]
)
def test_the_size_that_a_refusal_names_is_one_that_it_takes(
    networks: Networks, size: tuple[int, int]
) -> None:
    with pytest.raises(SettingsError, match="nearest") as caught:
        networks.generator(2, (1, *size))
    named = re.search(r"--image-size (\d+)(?:x(\d+))?\)", str(caught.value))
    assert named is not None
    h, w = named.groups()
    assert networks.generator(2, (1, int(h), int(w or h))) is not None


def test_the_nearest_size_fits() -> None:
    for h in range(3, 90, 7):
        for w in range(3, 140, 13):
            try:
                halvings((3, h, w), "ConvNet")
            except SettingsError as error:
                a, b = map(int, str(error).split("fits is ")[1].split()[0].split("x"))
                rows, columns, count = halvings((3, a, b), "ConvNet")
                assert (rows << count, columns << count) == (a, b)
                assert 4 <= min(rows, columns) <= 7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda: MLP(hidden_G=(0,)), "hidden_G of MLP is 0; it must be at least 1"),
        (lambda: ConvNet(hidden_D=(8, -1)), "hidden_D of ConvNet is -1; it must be at least 1"),
        (lambda: MLP(dropout=1.0), "dropout of MLP is 1.0; it must be from 0 to below 1"),
        (lambda: MLP(weight_norm=True, spectral_D=True), "turn one of them off"),
        (lambda: ConvNet(width=0), "width of ConvNet is 0; it must be at least 1"),
        (lambda: ResNet(plain=-1), "plain of ResNet is -1; it must be at least 0"),
        (lambda: Concat(-1), "embedding of Concat is -1"),
        (lambda: MLP(norm_D=InstanceNorm()).discriminator((2,)), "InstanceNorm normalises images"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Callable[[], object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings()


def step(networks: Networks, backend: str) -> tuple[Tensor, Tensor]:
    """One conditional pass through G and D, and D's gradient by its input, compiled and eager."""
    G, D = networks.generator(5, (1, 8, 8), 3).eval(), networks.discriminator((1, 8, 8), 3).eval()

    def run(z: Tensor, y: Tensor) -> Tensor:
        x = G(z, y)
        gradient = torch.func.grad(lambda u: D(u, y).sum())(x)
        return D(x, y).sum() + gradient.square().sum()

    z, y = torch.randn(4, 5), torch.tensor([0, 1, 2, 0])
    return torch.compile(run, fullgraph=True, backend=backend)(z, y), run(z, y)


@pytest.mark.parametrize("kind", ["mlp", "conv-class-norm", "conv-virtual", "resnet"])
def test_networks_trace_as_one_graph(kind: str) -> None:
    assert_close(*step(LABELS[kind], "eager"))


@pytest.mark.parametrize("kind", KINDS)
def test_discriminators_trace_as_one_graph(kind: str) -> None:
    D = KINDS[kind].discriminator((1, 16, 16)).eval()
    x = torch.randn(4, 1, 16, 16)
    assert_close(torch.compile(D, fullgraph=True, backend="eager")(x), D(x))


@pytest.mark.usefixtures("compiler")
@pytest.mark.slow
@pytest.mark.parametrize("kind", LABELS)
def test_networks_compile(kind: str) -> None:
    assert_close(*step(LABELS[kind], "inductor"), rtol=1e-4, atol=1e-5)


def test_every_kind_is_registered() -> None:
    own_tests = {AliasFreeNet, BigNet, ConvNet1d, Custom, FastNet, R3Net, StyleNet}
    assert {type(n) for n in KINDS.values()} | own_tests == set(NETWORKS.values())


@pytest.mark.parametrize("seed", range(3))
def test_resnets_last_layers_are_sngans(seed: int) -> None:
    """The last BatchNorm knows no class, and the last convolution's gain is Glorot's, 1."""
    torch.manual_seed(seed)
    G = ResNet(width_G=32).generator(16, (3, 32, 32), classes=5)
    last = [m for m in G.modules() if isinstance(m, nn.Conv2d)][-1]
    # uniform within sqrt(6 / (9 * 32 + 9 * 3)), of 864 weights: some lie near the end, none beyond
    bound = (6 / (9 * 32 + 9 * 3)) ** 0.5
    assert 0.95 * bound < last.weight.abs().max() <= bound
    norms = [m for m in G.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [isinstance(m, ClassBatchNorm2d) for m in norms] == [True] * (len(norms) - 1) + [False]
