"""Layers: their equations on numbers small enough to work out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganwright.errors import SettingsError
from ganwright.layers.activation import ACTIVATIONS, Activation, Maxout
from ganwright.layers.attention import SelfAttention
from ganwright.layers.blocks import BLOCKS, Blocks, DenseBlock, DownBlock, Style, UpBlock
from ganwright.layers.condition import Join, Projection, Score, Stack
from ganwright.layers.minibatch import MinibatchDiscrimination, MinibatchStdDev
from ganwright.layers.norm import (
    NORMS,
    BatchNorm,
    ClassBatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    NoNorm,
    Norm,
    Reference,
    VirtualBatchNorm,
    soft_labels,
)
from ganwright.layers.resample import DOWNS, UPS, Down, SubPixel, Transposed, Up


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_labels_are_one_hot_or_a_distribution() -> None:
    assert soft_labels(torch.tensor([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    mixed = torch.tensor([[0.25, 0.75]])
    assert soft_labels(mixed, 2) is mixed
    with pytest.raises(SettingsError, match="conditional on 3 classes; call it with labels"):
        soft_labels(None, 3)


def test_labels_join_vectors_and_pictures() -> None:
    joined = Join(2)(torch.zeros(1, 1, 2, 2), torch.tensor([1]))
    assert joined[0].tolist() == [[[0, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]]
    embedding = Join(3, embedding=2)
    assert embedding.width == 2
    y = torch.tensor([2])
    assert embedding.embed is not None
    assert_close(embedding(torch.zeros(1, 1), y)[0, 1:], embedding.embed.weight[:, 2])


def test_projection_adds_the_inner_product_with_the_label() -> None:
    score = Projection().score(2, 3)
    assert score.project is not None
    with torch.no_grad():
        score.linear.weight.copy_(torch.tensor([[1.0, 1.0]]))
        score.linear.bias.fill_(0.5)
        score.project.weight.copy_(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    h = torch.tensor([[1.0, -1.0], [2.0, 1.0]])
    # 1 - 1 + .5 + (3 - 6), and 2 + 1 + .5 + (2 * 1 + 4)
    assert score(h, torch.tensor([2, 0])).tolist() == [-2.5, 9.5]


@pytest.mark.parametrize("pooled", [False, True])
def test_attention_starts_as_the_identity(pooled: bool) -> None:
    x = torch.randn(2, 16, 6, 4)
    assert torch.equal(SelfAttention(16, pooled)(x), x)


@torch.no_grad()
def test_attention_is_the_softmax_of_queries_and_keys() -> None:
    attention = SelfAttention(8)
    attention.gamma.fill_(1.0)
    x = torch.randn(1, 8, 2, 2)
    flat = x[0].flatten(1)
    q, k, v = (
        m.weight[:, :, 0, 0] @ flat for m in (attention.query, attention.key, attention.value)
    )
    out = torch.zeros(1, 4)
    for i in range(4):
        weights = [math.exp(float(q[0, i] * k[0, j])) for j in range(4)]
        out[0, i] = sum(w * v[0, j] for j, w in enumerate(weights)) / sum(weights)
    expected = x + (attention.out.weight[:, :, 0, 0] @ out).reshape(1, 8, 2, 2)
    assert_close(attention(x), expected)


def test_minibatch_discrimination_of_three_samples() -> None:
    layer = MinibatchDiscrimination(kernels=1, dims=2).build(2)
    layer.project.weight.data = torch.eye(2)
    h = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    out = layer(h)
    near, far, farther = math.exp(-1), math.exp(-2), math.exp(-3)
    assert torch.equal(out[:, :2], h)
    assert_close(out[:, 2], torch.tensor([near + far, near + farther, far + farther]))


def test_minibatch_discrimination_keeps_small_closeness_in_half_precision() -> None:
    """Three samples far apart: 1.01 rounds to 1.0078 in bfloat16, so 1 is taken off before."""
    layer = MinibatchDiscrimination(kernels=1, dims=1).build(1)
    layer.project.weight.data = torch.ones(1, 1)
    layer = layer.bfloat16()
    h = torch.tensor([[0.0], [5.0], [-6.0]], dtype=torch.bfloat16)
    near, far, farther = math.exp(-5), math.exp(-6), math.exp(-11)
    expected = torch.tensor([near + far, near + farther, far + farther])
    out = layer(h)
    assert out.dtype == torch.bfloat16
    assert_close(out[:, 1].float(), expected, rtol=2**-8, atol=0)


def test_minibatch_deviation_by_group() -> None:
    layer = MinibatchStdDev(group=2).build(2)
    # Groups are samples 0 and 2, and 1 and 3; deviations (1, 3) and (0, 5).
    h = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 6.0], [1.0, 10.0]])
    assert_close(layer(h)[:, 2], torch.tensor([2.0, 2.5, 2.0, 2.5]), atol=1e-4, rtol=0)
    assert layer(h[:3]).shape == (3, 3)  # three do not divide into pairs


def test_maxout_takes_the_largest_piece() -> None:
    layer = Maxout(2).build(2)
    assert layer(torch.tensor([[1.0, 5.0, -3.0, -4.0]])).tolist() == [[5.0, -3.0]]


@pytest.mark.parametrize("activation", ACTIVATIONS.values())
def test_activations_build_what_they_say(activation: type[Activation]) -> None:
    a = activation()
    assert a.build(4)(torch.randn(2, 4 * a.pieces, 3, 3)).shape == (2, 4, 3, 3)


@pytest.mark.parametrize("norm", NORMS.values())
def test_a_bias_before_a_norm_that_shifts_is_undone_or_replaced(norm: type[Norm]) -> None:
    layer = norm().build(16)
    if norm is VirtualBatchNorm:
        layer.reference = 2
    x, bias = torch.randn(8, 16, 5, 5), 3 * torch.randn(16, 1, 1)
    assert torch.allclose(layer(x), layer(x + bias), atol=1e-4) == norm().shifts


def test_norms_normalise_over_their_own_axes() -> None:
    x = torch.randn(6, 4, 5, 5) * 3 + 2
    for norm, dims in (
        (BatchNorm(), (0, 2, 3)),
        (InstanceNorm(), (2, 3)),
        (LayerNorm(), (1, 2, 3)),
    ):
        out = norm.build(4)(x)
        assert_close(out.mean(dims), torch.zeros_like(out.mean(dims)), atol=1e-5, rtol=0)
        assert_close(out.var(dims, correction=0).mean(), torch.tensor(1.0), atol=1e-4, rtol=0)
    assert GroupNorm(groups=4).build(6).num_groups == 3  # four do not divide six
    assert NoNorm().build(4)(x) is x


def test_always_batch_ignores_evaluation_mode() -> None:
    x = torch.randn(6, 4, 5, 5) * 3 + 2
    layer = BatchNorm(always_batch=True).build(4)
    assert_close(layer.eval()(x), layer.train()(x))
    assert not list(layer.buffers())


def test_class_batch_norm_has_gains_for_each_class() -> None:
    layer = ClassBatchNorm().build(2, classes=3)
    with torch.no_grad():
        layer.gain[1] = torch.tensor([2.0, 3.0])
        layer.shift[1] = torch.tensor([0.0, 7.0])
    x = torch.randn(4, 2, 3, 3)
    plain = nn.BatchNorm2d(2)(x)
    out = layer(x, torch.tensor([0, 1, 1, 2]))
    assert_close(out[0], plain[0])
    assert_close(
        out[1],
        plain[1] * torch.tensor([2.0, 3.0])[:, None, None]
        + torch.tensor([0.0, 7.0])[:, None, None],
    )
    assert isinstance(ClassBatchNorm().build(2), nn.BatchNorm2d)


def test_virtual_batch_norm_mixes_the_reference_with_the_sample() -> None:
    layer = VirtualBatchNorm(count=2, eps=0.0).build(1, dims=0)
    layer.reference = 2
    x = torch.tensor([[1.0], [3.0], [8.0], [-4.0]])
    # Reference: mean 2, mean square 5. With 8: mean 12/3, mean square 74/3, variance 26/3.
    expected = [-1.0, 1.0, 4 / math.sqrt(26 / 3), -4 / math.sqrt(26 / 3)]
    assert_close(layer(x)[:, 0], torch.tensor(expected))


def test_virtual_batch_norm_judges_a_sample_apart_from_its_batch() -> None:
    norm = VirtualBatchNorm(count=5)
    stack = norm.surround(Stack(nn.Linear(3, 4), norm.build(4, dims=0)), 3, 0)
    assert isinstance(stack, Reference)
    z = torch.randn(6, 3)
    assert_close(stack(z)[:2], stack(z[:2]))
    with pytest.raises(SettingsError, match="only in generators of images from noise"):
        norm.build(4)(torch.randn(2, 4, 3, 3))


def test_instance_norm_refuses_vectors() -> None:
    with pytest.raises(SettingsError, match="a fully connected network takes BatchNorm"):
        InstanceNorm().build(4, dims=0)


@pytest.mark.parametrize("up", [*(u() for u in UPS.values()), *map(Transposed, (2, 3, 5, 6))])
def test_doubling(up: Up) -> None:
    assert up.build(3, 5)(torch.randn(2, 3, 4, 7)).shape == (2, 5, 8, 14)


@pytest.mark.parametrize("down", [d() for d in DOWNS.values()])
def test_halving(down: Down) -> None:
    assert down.build(3, 5)(torch.randn(2, 3, 8, 6)).shape == (2, 5, 4, 3)


def test_a_kernel_that_can_not_double_is_refused() -> None:
    with pytest.raises(SettingsError, match="kernel of Transposed is 7; it must be 2 or 3"):
        Transposed(kernel=7)  # type: ignore[arg-type]
    assert sum(p.numel() for p in SubPixel().build(2, 3).parameters()) == 2 * 12 * 9 + 12


@pytest.mark.parametrize("blocks", BLOCKS.values())
def test_blocks_keep_the_shape(blocks: type[Blocks]) -> None:
    for norm, classes in ((BatchNorm(), 0), (ClassBatchNorm(), 3)):
        layers = Stack(*blocks().build(8, Style(norm, Maxout(1), classes)))
        out = layers(torch.randn(2, 8, 4, 4), torch.tensor([0, 2]))
        assert out.shape == (2, 8, 4, 4)


def test_blocks_have_the_parameters_they_should() -> None:
    style = Style(NoNorm(), Maxout(1))
    count = lambda m: sum(p.numel() for p in m.parameters())  # noqa: E731
    conv = lambda i, o, k: i * o * k * k + o  # noqa: E731
    sizes = {name: count(nn.ModuleList(kind().build(8, style))) for name, kind in BLOCKS.items()}
    assert sizes == {
        "NoBlocks": 0,
        "Convs": conv(8, 8, 3),
        "Residual": 2 * conv(8, 8, 3),
        "Bottleneck": conv(8, 2, 1) + conv(2, 2, 3) + conv(2, 8, 1),
        "Dense": conv(8, 16, 3) + conv(24, 16, 3) + conv(40, 8, 1),
    }


def test_a_dense_block_keeps_its_input() -> None:
    x = torch.randn(2, 3, 4, 4)
    out = DenseBlock(3, 5, 2, Style(NoNorm(), Maxout(1)))(x)
    assert out.shape == (2, 13, 4, 4)
    assert torch.equal(out[:, :3], x)


def test_residual_blocks_of_sngan_change_size() -> None:
    x = torch.randn(2, 3, 4, 6)
    assert UpBlock(3, 5, ClassBatchNorm(), 4)(x, torch.tensor([1, 3])).shape == (2, 5, 8, 12)
    assert DownBlock(3, 5, NoNorm(), first=True)(x).shape == (2, 5, 2, 3)
    same = DownBlock(3, 3, NoNorm(), halve=False)
    assert same(x).shape == x.shape
    assert not list(same.skip.parameters())  # nothing to change: the identity


def test_features_are_scored_in_full_precision() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Score(4, 2)(torch.randn(3, 4), torch.tensor([0, 1, 1])).dtype == torch.float32
