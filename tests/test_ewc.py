"""Elastic weight consolidation: by hand, in the families, in runs that begin from others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers import TINY, tensors, tiny, trainer_of
from torch import Tensor, nn

import ganwright
from ganwright.families import family
from ganwright.networks import Discriminator
from ganwright.regularisers import EWC, HistoricalAveraging, flat
from ganwright.run import train as runs
from ganwright.run.fork import fork


def line(weight: float) -> nn.Linear:
    G = nn.Linear(1, 1)
    nn.init.constant_(G.weight, weight)
    nn.init.constant_(G.bias, 0.0)
    return G


def test_the_cost_by_hand() -> None:
    """D(G(z)) = w z + b of z = 2 at w = b = 0: the slopes of log σ are (1 - σ(0)) (2, 1) = (1, .5),
    so F is (1, .25); (3, 2) costs weight (1 * 9 + .25 * 4), and its slope is 2 weight F θ."""
    G, ewc = line(0.0), EWC(weight=3.0, samples=5)
    memory = ewc.memory(G)
    ewc.begin(G, memory, lambda n: G(torch.full((n, 1), 2.0)).flatten())
    assert dict(memory.named_buffers())["importance"].tolist() == pytest.approx([1.0, 0.25])
    with torch.no_grad():
        G.weight += 3.0
        G.bias += 2.0
    cost = ewc(G, Discriminator(), Tensor(), Tensor(), memory)
    assert cost.item() == pytest.approx(3.0 * 10)
    cost.backward()
    assert G.weight.grad is not None
    assert G.bias.grad is not None
    assert (G.weight.grad.item(), G.bias.grad.item()) == pytest.approx((18.0, 3.0))


def test_the_square_is_of_each_sample() -> None:
    """Slopes of z = 1 and -1 cancel; their squares, (1 / 2)² each, do not."""
    G, ewc = line(0.0), EWC(samples=8)
    memory = ewc.memory(G)
    ewc.begin(G, memory, lambda n: G(torch.tensor([[1.0], [-1.0]] * (n // 2))).flatten())
    assert dict(memory.named_buffers())["importance"].tolist() == pytest.approx([0.25, 0.25])


def test_frozen_weights_do_not_matter() -> None:
    G, ewc = line(0.0), EWC(samples=1)
    G.weight.requires_grad_(False)
    memory = ewc.memory(G)
    ewc.begin(G, memory, lambda n: G(torch.ones(n, 1)).flatten())
    assert dict(memory.named_buffers())["importance"].tolist() == pytest.approx([0.0, 0.25])


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gan", {}),
        ("dcgan", {"pack": 4}),
        ("cgan", {}),
        ("acgan", {}),
        ("infogan", {}),
        ("r3gan", {}),
        ("stylegan2", {}),
        ("stylegan2", {"conditional": True}),
        ("stylegan3", {}),
    ],
)
def test_families_estimate_it_once_and_leave_all_else(name: str, changes: dict[str, int]) -> None:
    settings = TINY[name] | changes
    plain = trainer_of(name, game=family(name).Config(**settings))
    kept = trainer_of(
        name, game=family(name).Config(**settings, regularisers=(EWC(weight=1.0, samples=8),))
    )
    state = kept.game.state_dict()
    importance = state.pop("memories.0.importance")
    assert torch.equal(state.pop("memories.0.weights"), flat(plain.game.G))  # type: ignore[arg-type]
    assert importance.isfinite().all()
    assert (importance > 0).float().mean() > 0.1  # R3GAN's blocks begin with a layer of zeros
    for key, tensor in plain.game.state_dict().items():
        assert torch.equal(tensor, state[key]), f"{key} moved"
    kept.play_step()
    means, trouble = kept.meter.read()
    assert trouble is None
    assert means["G/EWC"] >= 0
    assert torch.equal(kept.game.state_dict()["memories.0.importance"], importance)


def test_a_run_stays_nearer_to_the_one_it_began_with_and_resumes(tmp_path: Path) -> None:
    def trained(name: str, steps: int, *regularisers: EWC, init: bool = True) -> dict[str, Tensor]:
        game = family("stylegan2").Config(**TINY["stylegan2"], regularisers=regularisers)
        more = {"init": str(tmp_path / "first"), "init_weights": "raw"} if init else {}
        cls, settings = tiny("stylegan2", game=game, steps=steps, save_every=2, **more)
        runs.train(cls, settings, tmp_path / name, quiet=True)
        return tensors(tmp_path / name)

    began = trained("first", 1, init=False)
    weights = [k for k in began if k.startswith("game.G.")]

    def moved(found: dict[str, Tensor]) -> float:
        return sum(float((found[k] - began[k]).square().sum()) for k in weights)

    ewc = EWC(weight=1e9, samples=16)
    whole = trained("ewc", 4, ewc)
    assert moved(whole) < 0.9 * moved(trained("plain", 4))
    trained("half", 2, ewc)
    runs.resume(tmp_path / "half", steps=4, quiet=True)
    again = tensors(tmp_path / "half")
    assert all(torch.equal(tensor, again[key]) for key, tensor in whole.items())


def test_forks_begin_with_the_weights_of_the_checkpoint_and_keep_what_is_known(
    tmp_path: Path,
) -> None:
    def weights(name: str) -> Tensor:
        return flat(ganwright.load(tmp_path / name, raw=True).game.G)  # type: ignore[arg-type]

    cls, settings = tiny("dcgan", steps=3)
    runs.train(cls, settings, tmp_path / "first", quiet=True)
    both = (HistoricalAveraging(), EWC(samples=8))
    fork(tmp_path / "first", tmp_path / "second", steps=4, regularisers=both, quiet=True)
    fork(tmp_path / "second", tmp_path / "third", steps=5, quiet=True)
    second, third = tensors(tmp_path / "second"), tensors(tmp_path / "third")
    torch.testing.assert_close(
        second["game.memories.0.mean"], (weights("first") + weights("second")) / 2
    )
    assert torch.equal(second["game.memories.1.weights"], weights("first"))
    for name in ("weights", "importance"):
        assert torch.equal(second[f"game.memories.1.{name}"], third[f"game.memories.1.{name}"])
