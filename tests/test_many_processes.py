"""Several processes compute what one does, and a run goes on with more or fewer of them."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import FULL, TINY, tiny, trainer_of
from processes import SMALL, processes, ran
from torch import Tensor, nn

from ganwright.errors import RunError
from ganwright.layers.dropout import Dropout
from ganwright.layers.minibatch import across_rows
from ganwright.layers.norm import InstanceNorm, NoNorm
from ganwright.networks import ConvNet, ResNetTranslator
from ganwright.penalties import GradientPenalty
from ganwright.precision import default_type
from ganwright.run.assembly import assemble, resolved
from ganwright.seeds import count_rows, rows_counted
from ganwright.training import checkpoint
from ganwright.training import processes as talk
from ganwright.training.engine import Engine
from ganwright.training.whole_batch import WholeBatch

PLAIN = ConvNet(width=4, norm_G=NoNorm(), norm_D=NoNorm())
DROPPED = ConvNet(width=4, norm_G=NoNorm(), norm_D=NoNorm(), dropout=0.5)
TRANSLATING = {"translator": ResNetTranslator(width=4, blocks=1, norm=InstanceNorm()), "pool": 6}
GAMES: dict[str, dict[str, Any]] = {
    "dcgan": {"networks": PLAIN},
    "wgan-gp": {"networks": PLAIN, "d_moves": 2},
    "acgan": {"networks": DROPPED},
    "cyclegan": TRANSLATING,
    "gan": {"networks": FULL, "pack": 2, "penalties": (GradientPenalty(every=2),)},
    "stylegan2": {
        "networks": dataclasses.replace(TINY["stylegan2"]["networks"], group=1),
        "path_every": 2,
        "path_decay": 0.0,  # the mean length of the batch enters the square of each
    },
    "stylegan3": {"networks": dataclasses.replace(TINY["stylegan3"]["networks"], group=1)},
}
"""What has no layer that looks across rows."""


def played(name: str, changes: dict[str, Any], steps: int, out: Path) -> int:
    """Play some steps of a game in float64 and store what came of it, each rank its own."""
    cls, settings = tiny(name, batch_size=8, seed=5, ema_half_life=20)
    game = cls.Config(**(TINY[name] | changes))
    settings = resolved(cls, dataclasses.replace(settings, game=game))
    engine = Engine.pick("cpu", "fp32", timeout=100)
    with default_type(torch.float64):
        trainer, _ = assemble(cls, settings, engine)
        for _ in trainer.play(steps):
            pass
    means, _ = trainer.meter.read()
    state = {part: trainer.state_dict()[part] for part in ("game", "average")}
    torch.save(state | {"means": means}, out / f"{engine.rank}-{engine.world}.pt")
    return 0


def found(name: str, world: int, out: Path, steps: int = 6) -> list[dict[str, Any]]:
    with processes(played, name, GAMES[name], steps, out, folder=out, world=world) as several:
        assert several.wait() == [0] * world, several.said()
    return [torch.load(out / f"{rank}-{world}.pt", weights_only=True) for rank in range(world)]


def check_equal(name: str, world: int, out: Path) -> None:
    (alone,), several = found(name, 1, out), found(name, world, out)
    for rank in several:
        for part in ("game", "average"):
            assert rank[part].keys() == alone[part].keys()
            for key, value in alone[part].items():
                torch.testing.assert_close(rank[part][key], value, rtol=1e-9, atol=1e-9, msg=key)
        for key, value in alone["means"].items():
            assert rank["means"][key] == pytest.approx(value, rel=1e-6, abs=1e-6), key
    # and each rank holds the same, to the bit
    for rank in several[1:]:
        for key, value in several[0]["game"].items():
            assert torch.equal(rank["game"][key], value), key


@pytest.mark.parametrize("name", GAMES)
def test_two_processes_compute_what_one_does(name: str, tmp_path: Path) -> None:
    check_equal(name, 2, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", GAMES)
def test_four_processes_compute_what_one_does(name: str, tmp_path: Path) -> None:
    check_equal(name, 4, tmp_path)


def test_their_sameness_is_no_accident(tmp_path: Path) -> None:
    """One process with another seed's noise differs by far more than the tolerance."""
    trainer = trainer_of("dcgan", seed=6)
    one = {k: v.clone() for k, v in trainer.state_dict()["game"].items()}
    for _ in trainer.play(6):
        pass
    moved = max((v - one[k]).abs().max().item() for k, v in trainer.state_dict()["game"].items())
    assert moved > 1e-3


def rows_of(draw: Any, rank: int, world: int, rows: int) -> Tensor:
    torch.manual_seed(4)
    with WholeBatch([rows], rank, world):
        return draw(rows)


NOISE = {
    "randn": lambda n: torch.randn(n, 3),
    "a sequence": lambda n: torch.rand((n, 2)),
    "a keyword": lambda n: torch.randn(size=(n, 2)),
    "randint": lambda n: torch.randint(10, (n,)),
    "randint, both limits": lambda n: torch.randint(3, 10, (n, 2)),
    "randn_like": lambda n: torch.randn_like(torch.ones(n, 2)),
    "channels last": lambda n: torch.randn_like(
        torch.ones(n, 4, 3, 3).to(memory_format=torch.channels_last)
    ),
    "bernoulli": lambda n: torch.bernoulli(torch.full((n, 5), 0.5)),
    "multinomial": lambda n: torch.multinomial(torch.ones(n, 7), 2),
    "normal": lambda n: torch.normal(torch.zeros(n, 3), torch.ones(n, 3)),
    "normal of a size": lambda n: torch.normal(0.0, 2.0, (n, 3)),
    "in place": lambda n: torch.empty(n, 3).uniform_(-1, 1),
    "dropout": lambda n: F.dropout(torch.ones(n, 8), 0.5),
    "a layer": lambda n: nn.Dropout(0.5)(torch.ones(n, 8)),
    "our layer": lambda n: Dropout(0.5)(torch.ones(n, 7)),
    "our layer, channels last": lambda n: Dropout(0.5)(
        torch.ones(n, 4, 3, 3).to(memory_format=torch.channels_last)
    ),
    "channels dropped": lambda n: nn.Dropout2d(0.5)(torch.ones(n, 8, 2, 2)),
    "gumbel": lambda n: F.gumbel_softmax(torch.zeros(n, 4)),
}


@pytest.mark.parametrize("what", NOISE)
@pytest.mark.parametrize(("world", "rows"), [(2, 3), (4, 1), (4, 2)])
def test_noise_is_drawn_for_the_whole_batch_and_sliced(what: str, world: int, rows: int) -> None:
    torch.manual_seed(4)
    whole = NOISE[what](world * rows)
    parts = [rows_of(NOISE[what], rank, world, rows) for rank in range(world)]
    assert torch.equal(torch.cat(parts), whole)


def test_what_stands_for_two_batches_is_sliced_in_each() -> None:
    """D sees real and fake as one batch of twice the rows."""
    torch.manual_seed(4)
    whole = torch.randn(8, 2)
    first, second = (rows_of(lambda n: torch.randn(2 * n, 2), r, 2, 2) for r in (0, 1))
    assert torch.equal(first, whole[[0, 1, 4, 5]])
    assert torch.equal(second, whole[[2, 3, 6, 7]])


@pytest.mark.parametrize("what", NOISE)
def test_fewer_rows_that_count_are_sliced_too(what: str) -> None:
    """3 packs of 2 rows: each process draws for 6 packs, and keeps its own 3."""
    torch.manual_seed(4)
    whole = NOISE[what](6)
    parts = []
    for rank in (0, 1):
        torch.manual_seed(4)
        with rows_counted(6) as counts, WholeBatch(counts, rank, 2):
            count_rows(3)
            parts.append(NOISE[what](3))
    assert torch.equal(torch.cat(parts), whole)


def test_what_has_no_row_for_each_image_is_drawn_by_all_alike() -> None:
    for draw in (lambda _: torch.randn(()), lambda _: torch.randn(5), lambda _: torch.rand(3, 4)):
        first, second = (rows_of(draw, rank, 2, 4) for rank in (0, 1))
        assert torch.equal(first, second)


def test_gradients_pass_through_dropped_rows() -> None:
    x = torch.ones(2, 6, requires_grad=True)
    torch.manual_seed(4)
    with WholeBatch([2], 1, 2):
        y = F.dropout(x, 0.5)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_what_looks_across_rows_is_named() -> None:
    assert across_rows(trainer_of("dcgan").game) == ["BatchNorm2d"]
    assert across_rows(trainer_of("wgan-gp").game) == ["BatchNorm2d"]
    assert across_rows(trainer_of("gan").game) == []
    assert across_rows(trainer_of("stylegan2").game) == ["Spread"]


def goes_on(first: int, then: int, tmp_path: Path) -> None:
    """A run that begins with some processes and ends with others, and one that does not."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    rest = ("--steps", "10", "--out")
    ran(*SMALL, *rest, whole, folder=tmp_path / "a")
    ran(*SMALL, *rest, run, folder=tmp_path / "b", world=first)
    ((status, said), *others) = ran(
        "resume", run, "--steps", "20", folder=tmp_path / "c", world=then
    )
    assert (status, [s for s, _ in others]) == (0, [0] * (then - 1)), said
    assert f"was trained by {first} processes and is continued by {then}" in said
    assert ran("resume", whole, "--steps", "20", folder=tmp_path / "d")[0][0] == 0
    one, two = (checkpoint.load_newest(r / "checkpoints") for r in (whole, run))
    assert one is not None
    assert two is not None
    assert one.step == two.step == 20
    assert two.counts["world"] == then
    for key, value in one.game.items():
        torch.testing.assert_close(two.game[key], value, rtol=2e-3, atol=2e-5, msg=key)


def test_a_run_of_two_goes_on_with_one(tmp_path: Path) -> None:
    goes_on(2, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("then", [1, 2])
def test_a_run_of_four_goes_on_with_fewer(then: int, tmp_path: Path) -> None:
    goes_on(4, then, tmp_path)


def only_the_first_may_write(other: Path) -> None:
    """In the second process no file may be longer than nothing."""
    if os.environ["RANK"] == "1":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with pytest.raises(OSError, match="File too large"):
            other.write_bytes(b"x")


def test_only_the_first_process_writes(tmp_path: Path) -> None:
    words = (*SMALL, "--steps", "10", "--out", tmp_path / "run")
    how = {"before": partial(only_the_first_may_write, tmp_path / "other")}
    out = ran(*words, folder=tmp_path / "said", world=2, **how)
    assert [status for status, _ in out] == [0, 0], out
    assert '"finished"' in out[0][1]
    assert not (tmp_path / "other").exists() or not (tmp_path / "other").read_bytes()
    rows = (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["step"] for row in rows] == [5, 10]


def waits(timeout: float) -> int:
    """The second process never answers."""

    talk.GRACE = 0.5
    engine = Engine.pick("cpu", "fp32", timeout=timeout)
    engine.any(False)
    if engine.rank == 1:
        time.sleep(1000)
    try:
        engine.any(False)
    except RunError as error:
        print(error)
    return 0


def test_who_is_stuck_is_named(tmp_path: Path) -> None:
    with processes(waits, 3.0, folder=tmp_path, world=3) as three:
        three.until(lambda: three.said(0) and three.said(2))
        for rank in (0, 2):
            assert three.said(rank).startswith(
                f"process 1 of 3 did not answer process {rank} for 3 seconds and may be stuck"
            )
        assert three.said(1) == ""


def comes_unless_second(timeout: float) -> int:
    """Join the others; the second process ends before it does."""
    return 0 if os.environ["RANK"] == "1" else comes(timeout)


def comes(timeout: float) -> int:
    """Join the others, or say why not."""
    try:
        Engine.pick("cpu", "fp32", timeout=timeout)
    except RunError as error:
        print(error)
    return 0


def test_a_process_that_never_comes_is_named_in_a_sentence(tmp_path: Path) -> None:
    with processes(comes_unless_second, 3.0, folder=tmp_path, world=2) as two:
        assert two.wait() == [0, 0]
        said = two.said(0).splitlines()[-1]
    assert said.startswith("the 2 processes of this run did not meet at 127.0.0.1 within 3 seconds")
    assert said.endswith("start all of them again, or wait longer with --timeout")


def comes_after(timeout: float, sign: Path) -> int:
    """Join the others; the second process waits for a sign first."""
    while os.environ["RANK"] == "1" and not sign.exists():
        time.sleep(0.01)
    return comes(timeout)


def test_who_ends_while_they_meet_is_missed_in_a_sentence(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    with processes(comes_after, 1.0, sign, folder=tmp_path, world=2) as two:
        two.until(lambda: two.store.num_keys() > 1)  # the first has left its address
        two.signal(signal.SIGKILL, 0)
        two.ranks[0].join()
        sign.touch()
        assert two.wait() == [-signal.SIGKILL, 0]
        said = two.said(1).splitlines()[-1]
    assert said.startswith("the 2 processes of this run met at 127.0.0.1 but did not connect")
    assert said.endswith("start all of them again")


def test_a_place_to_meet_that_is_not_given_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(RunError, match=r"cannot meet: .*MASTER_ADDR.*; start them with torchrun"):
        Engine.pick("cpu", "fp32", timeout=1.0)
