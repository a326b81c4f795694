"""The fastest way to compute a run is found by measuring, used, and remembered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers import tiny
from torch import nn

import ganwright
from ganwright.cli import main
from ganwright.config.factory import Factory
from ganwright.config.settings import Settings
from ganwright.data.types import Images, Spec
from ganwright.errors import RunError, SettingsError
from ganwright.families.r3gan import R3GAN
from ganwright.networks import R3Net
from ganwright.networks.frozen import frozen
from ganwright.run import tune
from ganwright.run.assembly import assemble, resolved
from ganwright.run.run_folder import read_config
from ganwright.run.tune import tuned
from ganwright.training.engine import Engine


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of its own, and four threads that a test may change."""
    before = torch.get_num_threads()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("ganwright.training.engine.usable_cores", lambda: 4)
    monkeypatch.chdir(tmp_path)
    yield
    torch.set_num_threads(before)


class Clock:
    """Measures in no time: a step of one second, times what is in `factors`."""

    def __init__(self, **factors: float) -> None:
        self.factors, self.tried = factors, list[str]()

    def __call__(self, cls: Any, settings: Settings, engine: Engine, source: Any, s: float) -> Any:
        self.tried.append(tune.named(settings))
        seconds = 1.0
        for word in tune.named(settings).replace(", ", ",").split(","):
            seconds *= self.factors.get(word.replace("-", "_").replace(" ", "_"), 1)
        stretch = SimpleNamespace(seconds=seconds, steps=settings.steps, images=4)
        game = nn.ModuleDict({"G": nn.Conv2d(1, 1, 1)})
        profile = SimpleNamespace(stretches=(stretch,), seconds=seconds * settings.steps)
        return profile, SimpleNamespace(game=game)


def choose(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, bf16: bool = True, **changes: Any
) -> Settings:
    cls, settings = tiny("gan", **({"precision": "auto"} | changes))
    monkeypatch.setattr(tune, "measure_on", clock)
    monkeypatch.setattr(tune, "fast_bf16", lambda device: bf16)
    monkeypatch.setattr("ganwright.training.machine.fast_bf16", lambda device: bf16)
    monkeypatch.setattr(tune, "why_not_compiled", lambda device: "")
    monkeypatch.setattr("ganwright.training.engine.check_compiler", lambda device: None)
    return tuned(cls, settings)


def test_each_change_that_is_faster_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(fp32=0.9, contiguous=0.8, **{"1_thread": 0.7})
    found = choose(monkeypatch, clock, steps=10)
    assert clock.tried == [
        "bf16, auto, 4 threads",
        "fp32, auto, 4 threads",
        "fp32, contiguous, 4 threads",
        "fp32, channels-last, 4 threads",
        "fp32, contiguous, 2 threads",
        "fp32, contiguous, 1 thread",
    ]
    assert (found.precision, found.layout, found.cpu_threads) == ("fp32", "contiguous", 1)
    assert not found.compile
    assert torch.get_num_threads() == 1


def test_what_is_hardly_faster_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = choose(monkeypatch, Clock(fp32=0.98, contiguous=0.975), steps=10)
    assert (found.precision, found.layout, found.cpu_threads) == ("bf16", "auto", 4)


@pytest.mark.parametrize(
    ("steps", "factor", "compiles"), [(1199, 0.5, False), (1200, 0.5, True), (1300, 0.99, False)]
)
def test_only_a_long_run_is_compiled(
    monkeypatch: pytest.MonkeyPatch, steps: int, factor: float, compiles: bool
) -> None:
    """A step takes a second, so that 1,200 of them are the twenty minutes that it takes."""
    clock = Clock(compiled=factor)
    assert choose(monkeypatch, clock, steps=steps).compile is compiles
    assert any("compiled" in way for way in clock.tried) is (steps >= 1200)


def test_what_is_given_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(bf16=0.1, contiguous=0.1, **{"1_thread": 0.1})
    given: dict[str, Any] = {"precision": "fp32", "layout": "channels-last", "cpu_threads": 2}
    found = choose(monkeypatch, clock, steps=10, **given)
    assert {name: getattr(found, name) for name in given} == given
    assert clock.tried == ["fp32, channels-last, 2 threads"]


def test_threads_of_the_environment_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    clock = Clock(**{"1_thread": 0.1})
    assert choose(monkeypatch, clock, bf16=False, steps=10).cpu_threads is None
    assert clock.tried == ["fp32, auto", "fp32, contiguous", "fp32, channels-last"]


def test_a_choice_is_remembered_for_what_it_was_made_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = Clock(fp32=0.5)
    assert choose(monkeypatch, first, steps=10).precision == "fp32"
    again = Clock(fp32=2)
    assert choose(monkeypatch, again, steps=10, seed=5, save_every=3).precision == "fp32"
    assert not again.tried, "neither the seed nor an interval changes what is fastest"
    assert choose(monkeypatch, again, steps=10, batch_size=2).precision == "bf16"
    (file, _) = sorted(
        (tmp_path / "cache" / "ganwright").iterdir(), key=lambda f: f.stat().st_mtime_ns
    )
    for damage in ("{", "[]", '{"precision": "fp8", "layout": 1, "cpu_threads": 0, "compile": 2}'):
        file.write_text(damage)
        assert choose(monkeypatch, again, steps=10).precision == "bf16", damage


def test_a_cache_that_cannot_be_written_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setattr(tune, "measure_on", Clock())
    cls, settings = tiny("gan")
    said: list[str] = []
    tuned(cls, settings, say=said.append)
    assert "what was found is not remembered" in said[-1]


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(torch.device("cpu"), world=2)
    monkeypatch.setattr(Engine, "of", classmethod(lambda cls, settings: engine))
    with pytest.raises(SettingsError, match="without torchrun"):
        tuned(*tiny("gan"))


def test_a_run_is_bound_to_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "measure_on", Clock(**{"2_threads": 0.5}))
    cls, settings = tiny("gan", steps=2)
    ganwright.train(cls, settings, "run", tune=True, quiet=True)
    _, kept = read_config(Path("run"))
    assert (kept.precision, kept.layout, kept.cpu_threads) == ("fp32", "auto", 2)
    with pytest.raises(RunError, match="cpu_threads"):
        ganwright.resume("run", steps=3, cpu_threads=1, quiet=True)


def test_a_folder_in_use_is_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = Clock()
    monkeypatch.setattr(tune, "measure_on", clock)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(RunError):
        ganwright.train(*tiny("gan"), "run", tune=True, quiet=True)
    assert not clock.tried


def test_real_steps_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tune, "SECONDS", 0.01)
    small = ["--image-size", "8", "--batch-size", "4", "--steps", "5", "--precision", "fp32"]
    small += ["--game.networks", "MLP(hidden_G=(16,), hidden_D=(8,))", "--device", "cpu"]
    assert main(["train", "gan", "--dry-run", "--tune", *small]) == 0
    lines = capsys.readouterr().out.splitlines()
    ways = [line.split(":")[0] for line in lines if line.endswith("images a second")]
    assert ways[:3] == [f"fp32, auto, {n}" for n in ("4 threads", "2 threads", "1 thread")]
    assert "the fastest of 3" in lines[3]
    assert not list(Path().glob("runs/*")), "nothing but the choice is written"


def layouts(name: str, batch_size: int = 4, game: Any = None, **how: Any) -> set[bool]:
    """Whether a family's convolutions are channels last."""
    cls, settings = tiny(name, batch_size=batch_size, **({"game": game} if game else {}))
    trainer, _ = assemble(cls, resolved(cls, settings), Engine(torch.device("cpu"), **how))
    weights = [w for w in trainer.game.parameters() if w.ndim == 4]
    told = [w for w in weights if w.shape[1] > 1 and w.shape[2] > 1]
    return {w.is_contiguous(memory_format=torch.channels_last) for w in told}


def test_networks_with_instance_norm_stay_contiguous_on_a_cpu() -> None:
    assert layouts("cyclegan") == {False}
    assert layouts("r3gan", game=R3GAN.Config(networks=R3Net(width=16))) == {True}
    assert layouts("sagan") == {True}
    assert layouts("cyclegan", layout="channels-last") == {True}
    assert layouts("sagan", layout="contiguous") == {False}


def test_one_or_two_images_at_a_time_train_contiguous_on_a_cpu_in_fp32() -> None:
    assert layouts("sagan", batch_size=1) == {False}
    assert layouts("sagan", batch_size=2) == {False}
    assert layouts("sagan", batch_size=3) == {True}
    assert layouts("sagan", batch_size=1, precision="bf16") == {True}
    assert layouts("sagan", batch_size=1, layout="channels-last") == {True}


@pytest.mark.parametrize("name", ["stylegan2", "stylegan3"])
def test_weights_that_are_scaled_when_used_lie_as_others(name: str) -> None:
    """Their layers are no `Conv2d`."""
    assert layouts(name) == {True}
    assert layouts(name, layout="contiguous") == {False}


def test_networks_that_compare_content_lie_as_those_that_train() -> None:
    assert layouts("restore") == {True}


def test_an_attacked_classifier_lies_channels_last() -> None:
    spec = Spec(Images, (1, 28, 28), classes=tuple("0123456789"))
    target = frozen(Factory("ganwright.networks.classifiers.ModelC"), spec, torch.device("cpu"))
    net: Any = target.net
    weights = [m.weight for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert weights
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)
