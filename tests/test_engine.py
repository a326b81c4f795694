"""Devices, precision, processes, averages and the replay pool."""

from __future__ import annotations

import copy
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import meeting_place, trainer_of
from torch import nn

from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.game import Game
from ganwright.pool import ReplayPool
from ganwright.training import machine
from ganwright.training.ema import EMA
from ganwright.training.engine import Engine
from ganwright.training.machine import usable_cores


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(SettingsError, match="unknown device 'tpu'; choose cpu, cuda"):
        Engine.pick("tpu")
    with pytest.raises(SettingsError, match="unknown precision 'fp8'"):
        Engine.pick("cpu", "fp8")
    with pytest.raises(SettingsError, match="fp16 needs a GPU"):
        Engine.pick("cpu", "fp16")
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="device cuda is not available"):
            Engine.pick("cuda")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"ATEN_CPU_CAPABILITY": "default"},
            "it needs vector instructions, and torch sees none on this processor; "
            "unset ATEN_CPU_CAPABILITY if it is set",
        ),
        ({"CXX": "no-such-compiler"}, "no C++ compiler is found; install g++, or name a compiler"),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_what_cannot_be_compiled_is_said_before_anything_is_written(
    environment: dict[str, str], said: str, tmp_path: Path
) -> None:
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if "CXX" not in environment and not x86:
        pytest.skip("only x86 processors may lack vector instructions")
    if "CXX" in environment and torch.backends.cpu.get_cpu_capability() == "DEFAULT" and x86:
        pytest.skip("without vector instructions the compiler is not looked for")
    run = tmp_path / "run"
    train = ["train", "dcgan", "--steps", "1", "--device", "cpu", "--compile", "--out"]
    done = subprocess.run(
        [sys.executable, "-m", "ganwright", *train, run],
        env=os.environ | environment | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert f"ganwright: torch.compile does not work here: {said}" in done.stderr
    assert done.stderr.rstrip().endswith("or train without --compile")
    assert "Traceback" not in done.stderr
    assert not run.exists()


def test_threads_keep_to_the_cores_this_process_has() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    if hasattr(os, "sched_setaffinity"):
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(before)})
            assert usable_cores() == 1
        finally:
            os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("vendor", "flags", "precision"),
    [
        ("GenuineIntel", "avx2 avx512f avx512_bf16 amx_bf16", "bf16"),
        ("GenuineIntel", "avx2 avx512f avx512_bf16 avx512_fp16", "fp32"),
        ("AuthenticAMD", "avx2 avx512f avx512_bf16", "bf16"),
        ("AuthenticAMD", "avx2", "fp32"),
    ],
)
def test_auto_is_bf16_where_the_processor_multiplies_it_faster_than_fp32(
    vendor: str, flags: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Intel's cores multiply it fast by AMX alone, which a virtual machine may hide."""
    monkeypatch.setattr(machine, "_processor_lines", {"vendor_id": vendor, "flags": flags}.get)
    assert Engine.pick("cpu").precision == precision


@pytest.mark.parametrize("name", ["dcgan", "wgan-gp", "acgan", "cyclegan"])
def test_bf16_trains_close_to_fp32(name: str) -> None:
    """Weights stay fp32, terms are fp32 and near those of fp32."""
    rows = []
    for precision in ("fp32", "bf16"):
        trainer = trainer_of(name)
        trainer.engine = Engine(torch.device("cpu"), precision)
        trainer.play_step()
        means, trouble = trainer.meter.read()
        assert trouble is None
        assert all(w.dtype == torch.float32 for w in trainer.game.parameters())
        rows.append({k: v for k, v in means.items() if "gradient" not in k})
    assert rows[0] == pytest.approx(rows[1], rel=0.1, abs=0.05)
    assert rows[0] != rows[1], "bf16 is not fp32"


WORKER = """
import sys, torch
from pathlib import Path
from ganwright.data.types import Images, Spec
from ganwright.training.engine import Engine
from ganwright.game import Game, Player
from ganwright.optim import SGD
from ganwright.training.trainer import Trainer
from torch import nn

class Source:
    def batch(self, draw, size, rank=0, world=1):
        share = size // world
        numbers = torch.arange(rank * share, (rank + 1) * share, dtype=torch.float32)
        return Images(numbers.view(-1, 1, 1, 1) + draw)

class Toy(Game):
    def __init__(self):
        super().__init__(None, Spec(Images, (1, 1, 1)))
        self.shared = nn.Linear(1, 1)
        self.extra = nn.Linear(1, 1)
        for w in self.parameters():
            nn.init.ones_(w)
        self.rank = int(__import__("os").environ.get("RANK", 0))
    def players(self):
        # the shared network is named twice and counts once
        yield Player("p", [self.shared, self.extra, self.shared], self.objective, SGD(lr=0.1))
    def objective(self, batch):
        x = batch.images.flatten(1)
        loss = self.shared(x).mean()
        if self.rank == 0:  # a weight without a gradient on the other rank
            loss = loss + self.extra(torch.ones(1, 1)).sum()
        return {"x": loss}

trainer = Trainer(Toy(), Source(), Engine.pick("cpu", "fp32"), batch_size=4, ema_half_life=0)
list(trainer.play(2))
means, _ = trainer.meter.read()
torch.save((trainer.game.state_dict(), means), sys.argv[1] + str(trainer.engine.rank))
"""


def test_two_processes_average_gradients_and_terms(tmp_path: Path) -> None:
    """Means over both halves of the batch; a gradient missing on one rank counts as zero there."""
    store, told = meeting_place()
    script = tmp_path / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    common = os.environ | told | {"WORLD_SIZE": "2"}
    workers = [
        subprocess.Popen(
            [sys.executable, script, tmp_path / "rank"], env=common | {"RANK": str(rank)}
        )
        for rank in (0, 1)
    ]
    try:
        assert [w.wait() for w in workers] == [0, 0]
    finally:
        for w in workers:
            w.kill()
            w.wait()
        del store
    (a, means), (b, other) = (torch.load(tmp_path / f"rank{r}") for r in (0, 1))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert means == other
    # mean of x is 1.5 at draw 0 and 2.5 at draw 1; the extra weight moves by half of .1 a step
    assert a["shared.weight"].item() == pytest.approx(1 - 0.1 * (1.5 + 2.5))
    assert a["shared.bias"].item() == pytest.approx(1 - 0.1 * 2)
    assert a["extra.weight"].item() == pytest.approx(1 - 0.1 * 0.5 * 2)


class Single(Game):
    averaged = ("net",)

    def __init__(self) -> None:
        super().__init__(None, Spec(Images, (1, 1, 1)))
        self.net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
        self.other = nn.Linear(1, 1)


def test_the_average_has_its_half_life_in_images() -> None:
    game = Single()
    nn.init.zeros_(game.net[0].weight)
    ema = EMA(game, half_life=100, ramp=1e9)
    with torch.no_grad():
        game.net[0].weight.fill_(1.0)
        game.net[1].running_mean.fill_(1.0)
        game.net[1].num_batches_tracked.fill_(9)
    for i in range(10):
        ema.update(10, (i + 1) * 10)
    average = ema.networks["net"]
    assert average[0].weight.item() == pytest.approx(0.5)  # type: ignore[index,operator,union-attr]
    assert average[1].running_mean.item() == pytest.approx(0.5)  # type: ignore[index,operator,union-attr]
    assert int(average[1].num_batches_tracked) == 9  # type: ignore[index,operator,union-attr,arg-type]


def test_the_half_life_ramps_up() -> None:
    ema = EMA(Single(), half_life=10_000, ramp=0.05)
    assert ema.beta(64, 1280) == pytest.approx(0.5 ** (64 / 64))
    assert ema.beta(64, 10**9) == pytest.approx(0.5 ** (64 / 10_000))
    assert EMA(Single(), half_life=0).beta(64, 10**9) == 0


def taken(ema: EMA, game: Single, steps: int, images: int, seen: int) -> list[float]:
    """The average of weights 1, 2, 3 ... after each step."""
    found = []
    for step in range(steps):
        with torch.no_grad():
            game.net[0].weight.fill_(step + 1.0)
        seen += images
        ema.update(images, seen)
        found.append(ema.networks["net"][0].weight.item())  # type: ignore[index,operator,union-attr]
    return found


def test_an_average_takes_in_small_steps_every_16_images() -> None:
    game = Single()
    nn.init.zeros_(game.net[0].weight)
    ema = EMA(game, half_life=4000, ramp=0)
    found = taken(ema, game, steps=4, images=8, seen=0)
    kept = 0.5 ** (16 / 4000)
    first = (1 - kept) * 2
    second = kept * first + (1 - kept) * 4
    assert found == pytest.approx([0, first, first, second], rel=1e-5)
    assert ema.waiting == 0
    taken(ema, game, steps=1, images=2, seen=32)
    assert ema.waiting == 2


def test_an_average_takes_in_each_step_where_it_has_16_images_or_the_half_life_is_short() -> None:
    game = Single()
    ema = EMA(game, half_life=10_000, ramp=0.05)
    assert len(set(taken(ema, game, steps=3, images=16, seen=10**6))) == 3
    # after 1,000 images the half-life is 50 of them
    assert len(set(taken(ema, game, steps=3, images=1, seen=1000))) == 3
    assert len(set(taken(EMA(game, half_life=0), game, 3, 1, seen=10**9))) == 3


def test_where_an_average_stood_goes_with_the_state_of_a_trainer() -> None:
    """Also between two moments at which it takes in the weights."""
    told: dict[str, Any] = {"batch_size": 8, "ema_half_life": 2000.0, "ema_ramp": 0.0}
    whole, parts, later = (trainer_of("gan", **told) for _ in range(3))
    for _ in whole.play(7):
        pass
    for _ in parts.play(5):
        pass
    assert parts.average.waiting > 0
    later.load_state_dict(copy.deepcopy(parts.state_dict()))
    for _ in later.play(7):
        pass
    assert later.average.waiting == whole.average.waiting
    mine, theirs = later.average.networks.state_dict(), whole.average.networks.state_dict()
    assert [k for k in mine if not torch.equal(mine[k], theirs[k])] == []


def test_without_an_average_samples_come_from_the_networks_themselves() -> None:
    """No copy of the weights is held, nor made in each step."""
    trainer = trainer_of("dcgan", ema_half_life=0.0)
    assert trainer.average.networks["G"] is trainer.game.G
    for _ in trainer.play(2):
        pass
    assert trainer.game.G.training
    assert all(w.requires_grad for w in trainer.game.G.parameters())
    with trainer.inferring() as game:
        assert not trainer.game.G.training
        samples = game.sample(4)
    assert samples.shape[0] == 4
    assert trainer.game.G.training
    later = trainer_of("dcgan", ema_half_life=0.0)
    for _ in later.play(1):
        pass
    later.load_state_dict(copy.deepcopy(trainer.state_dict()))
    for each in (trainer, later):
        for _ in each.play(4):
            pass
    mine, theirs = later.game.state_dict(), trainer.game.state_dict()
    assert [k for k in mine if not torch.equal(mine[k], theirs[k])] == []


def test_an_average_that_is_no_longer_kept_does_not_take_the_place_of_the_weights() -> None:
    averaged, plain = (trainer_of("dcgan", ema_half_life=half_life) for half_life in (1e4, 0.0))
    for _ in averaged.play(2):
        pass
    plain.load_state_dict(copy.deepcopy(averaged.state_dict()))
    mine, theirs = plain.game.state_dict(), averaged.game.state_dict()
    assert [k for k in mine if not torch.equal(mine[k], theirs[k])] == []


MEASURED = """
import resource, sys, torch
from ganwright.training.engine import Engine
Engine.pick("cpu", "fp32")
def used():
    for _ in range(100):
        torch.ones(4_000_000)
used()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
used()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_memory_that_a_step_frees_is_there_for_the_next_step() -> None:
    def faults(**told: str) -> int:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
        done = subprocess.run(
            [sys.executable, "-c", MEASURED],
            capture_output=True,
            encoding="utf-8",
            env=clean | told,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    # each time 16 MB are asked for anew, in small pages or in large ones
    own = {"MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "1000000"}
    assert 10 * faults() < faults(**own)


def test_the_view_has_the_average_and_shares_the_rest() -> None:
    game = Single()
    ema = EMA(game, half_life=100)
    view = ema.view(game)
    assert view.net is ema.networks["net"]
    assert view.other is game.other
    assert game.net is not view.net


def test_the_pool_fills_then_swaps_every_other_fake() -> None:
    torch.manual_seed(0)
    pool = ReplayPool(50, (1, 1, 1))
    first = torch.arange(50.0).view(50, 1, 1, 1)
    assert torch.equal(pool(first), first)
    later = torch.arange(50.0, 2050.0).view(-1, 1, 1, 1)
    out = pool(later)
    old = (out != later).flatten()
    assert 0.45 < old.float().mean() < 0.55
    assert (out[old] < later[old]).all(), "what is swapped in was seen before"
    held = pool.images.flatten().tolist()
    given = out.flatten().tolist()
    everything = sorted(torch.cat([first, later]).flatten().tolist())
    assert sorted(set(held) | set(given) | set(first.flatten().tolist())) == everything


def test_the_pool_of_none_and_its_seeding() -> None:
    fakes = torch.randn(4, 1, 2, 2)
    assert ReplayPool(0, (1, 2, 2))(fakes) is fakes
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        pool = ReplayPool(2, (1, 2, 2))
        results.append(torch.stack([pool(fakes + i) for i in range(4)]))
    assert torch.equal(*results)
    assert "images" in pool.state_dict()
    assert int(pool.state_dict()["count"]) == 2
