"""What people write in Python: what can be meant is taken, the rest is one sentence, nothing left.

A run is begun only if its settings come back from its config.yaml in another process.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from test_config import Doubled, Toy
from torch.utils.data import Dataset

import ganwright
from ganwright.callbacks import Plateau
from ganwright.callbacks.best import KeepBest
from ganwright.callbacks.health import Health
from ganwright.callbacks.report import Report
from ganwright.callbacks.samples import Samples
from ganwright.config.read_back import same, whole
from ganwright.errors import GanwrightError, SettingsError
from ganwright.losses import Hinge, LeastSquares, Loss
from ganwright.metrics.metric import Metric
from ganwright.networks import ConvNet
from ganwright.networks.features import Content
from ganwright.optim import Adam, Optimizer, Schedule
from ganwright.penalties import R1, R2
from ganwright.run.config_file import from_yaml
from ganwright.run.run_folder import read_config
from ganwright.training.manifest import hash_of

QUICK: dict[str, Any] = {"image_size": 8, "batch_size": 4, "steps": 1, "device": "cpu"}


class Rotten(Dataset[Any]):
    """A data set that is handed over as a class."""


class Plain:
    """A value that no text spells."""


@dataclass(frozen=True)
class Forgetful(Loss):
    """It forgets what it was made with."""

    memory: float = field(default=1.0, init=False)

    def __init__(self, remembered: float = 1.0) -> None:
        object.__setattr__(self, "memory", remembered)


@dataclass(frozen=True)
class Stepped(Schedule):
    """A schedule that holds a function."""

    function: Callable[[int], float] = abs

    def factor(self, step: int) -> float:
        return float(self.function(step))


class Loose(Toy):
    """A family with a setting of any kind."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Toy.Config):
        extra: Any = None
        """Anything."""
        plain: Plain | None = None
        """An object of a class that is no dataclass."""


class Needy(Toy):
    """A family with a setting that has no default."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Toy.Config):
        needed: int
        """Given by whoever makes it."""


class Undecorated(Toy):
    """A family whose Config is no dataclass of its own."""

    class Config(Toy.Config):
        width: int = 3


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "toy"
    ganwright.train(Toy, out=out, **QUICK, quiet=True)
    return out


def test_what_can_be_meant_trains_and_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    given: dict[str, Any] = {"loss": "Hinge", "penalties": R1(), "networks": "ConvNet(width=4)"}
    given |= QUICK | {"device": torch.device("cpu"), "steps": "2", "seed": np.int64(3)}
    ganwright.train("dcgan", out=out, optimizer_d=Adam(lr="1e-3"), **given, quiet=True)
    _, settings = read_config(out)
    assert settings.game.loss == Hinge()
    assert settings.game.penalties == (R1(),)
    assert settings.game.networks == ConvNet(width=4)
    assert settings.game.optimizer_d.lr == 0.001
    assert (settings.steps, settings.seed, settings.device) == (2, 3, "cpu")
    assert (out / "checkpoints" / "step-000002").is_dir()


def test_classes_names_and_paths_are_taken(tmp_path: Path) -> None:
    out = tmp_path / "run"
    name = f"{Toy.__module__}:{Toy.__qualname__}"
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(8):
        Image.fromarray(np.full((8, 8), 30 * i, np.uint8)).save(folder / f"{i}.png")
    ganwright.train(
        name, data=folder, loss=LeastSquares, penalties=[R1, "R2"], out=out, **QUICK, quiet=True
    )
    cls, settings = read_config(out)
    assert cls is Toy
    assert settings.game.loss == LeastSquares()
    assert settings.game.penalties == (R1(), R2())
    assert settings.data == str(folder)


@pytest.mark.parametrize(
    ("game", "given", "sentence"),
    [
        (Toy, {"los": "Hinge"}, "unknown setting los; did you mean loss or log?"),
        (Toy, {"loss": "Hing"}, "loss: unknown Loss Hing; did you mean Hinge?"),
        (Toy, {"loss": R1}, "loss is <class 'ganwright.penalties.R1'>; it must be one of NonSat"),
        (
            Toy,
            {"loss": R1()},
            "loss is R1(weight=10.0, every=1, schedule=Constant()); it must be",
        ),
        (Toy, {"loss": lambda r, f: r}, "it must be one of NonSaturating"),
        (Toy, {"steps": 1.5}, "steps is 1.5; it must be a whole number, at least 1"),
        (Toy, {"steps": "many"}, "steps is 'many'; it must be a whole number, at least 1"),
        (
            Toy,
            {"data": Rotten},
            "the data is the class Rotten; pass an instance, as in data=R",
        ),
        (Toy, {"iterations": 3}, "unknown setting iterations; did you mean steps?"),
        (Toy, {"lr": 3}, "unknown setting lr; did you mean optimizer_d?"),
        (Toy, {"num_workers": 3}, "unknown setting num_workers; did you mean workers?"),
        (Loose, {"extra": object()}, "extra is <object object at"),
        (
            Loose,
            {"extra": R1()},
            "game.extra is R1(weight=10.0, every=1, schedule=Constant()), which cannot be restored",
        ),
        (Loose, {"extra": lambda x: x}, "which cannot be restored from the run's config.yaml"),
        (Loose, {"plain": Plain()}, "which cannot be restored from the run's config.yaml"),
        (Loose, {"loss": Forgetful(2.0)}, "game.loss is Forgetful(memory=2.0), which cannot be"),
        (
            Loose,
            {"optimizer_d": Adam(schedule=Stepped(lambda step: 1.0))},
            "game.optimizer_d is Adam(",
        ),
        (Needy, {"needed": 3}, "needed of Needy.Config has no default"),
        (Undecorated, {"width": 3}, "Undecorated.Config is no dataclass; write @dataclass"),
        (Toy, {"device": "cpuu"}, "unknown device 'cpuu'"),
        ("dcgn", {}, "unknown family 'dcgn'; did you mean dcgan"),
        ("nowhere:Mine", {}, "nowhere:Mine cannot be imported"),
        (
            Doubled,
            {},
            "the game is the class Doubled; give a family's name or a class derived from",
        ),
        (Toy, {"loss": Loss}, "game.loss is a bare Loss; choose one of BoundarySeeking, Hinge"),
        (Toy, {"optimizer_d": Optimizer(lr=1)}, "game.optimizer_d is a bare Optimizer; choose"),
        (Toy, {"optimizer_d": Adam(schedule=Schedule)}, "game.optimizer_d is a bare Schedule"),
        (Toy, {"metrics": (Metric(),)}, "metrics is a bare Metric; choose one of"),
        ("srgan", {"content": Content()}, "game.content is a bare Content; choose one of Pixels"),
        (Toy, {"callbacks": [3]}, "callbacks hold an int; each must be an object of a class"),
        (3, {}, "the game is 3; give a family's name"),
    ],
)
def test_the_rest_is_one_sentence_and_leaves_no_folder(
    game: Any, given: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(GanwrightError) as caught:
        ganwright.train(game, out=tmp_path / "runs" / "x", **(QUICK | given), quiet=True)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [Health, KeepBest, Samples, Report, Plateau])
def test_only_a_class_that_others_stand_for_is_a_bare_one(kind: type) -> None:
    """Most callbacks are in no table: they are not named in settings, but may be handed over."""
    whole(kind, "callbacks")


def test_a_folder_is_a_path() -> None:
    for call in (
        lambda: ganwright.train(Toy, out=3, **QUICK, quiet=True),  # type: ignore[arg-type]
        lambda: ganwright.resume(3, quiet=True),  # type: ignore[arg-type]
        lambda: ganwright.load(3),  # type: ignore[arg-type]
    ):
        with pytest.raises(SettingsError, match=r"is 3; it must be a path$"):
            call()


def test_a_class_of_a_function_is_no_setting(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Inner(Hinge):
        """Nobody else can import it."""

    with pytest.raises(SettingsError, match=r"class Inner, which is defined in a function, .*mine"):
        ganwright.train(Toy, loss=Inner(), out=tmp_path / "x", **QUICK, quiet=True)
    nested = Adam(schedule=Stepped())
    with pytest.raises(SettingsError, match=r"game\.optimizer_d is"):
        ganwright.train(Toy, optimizer_d=nested, out=tmp_path / "x", **QUICK, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_a_game_of_a_function_loads_and_resumes_if_handed_over(tmp_path: Path) -> None:
    class Inner(Toy):
        pass

    out = tmp_path / "run"
    before = ganwright.train(Inner, out=out, **QUICK, quiet=True).sample(2)
    with pytest.raises(SettingsError, match="hand its class over: game=Inner"):
        ganwright.load(out)
    with pytest.raises(SettingsError, match="hand its class over: game=Inner"):
        ganwright.resume(out, steps=2, quiet=True)
    assert torch.equal(ganwright.load(out, game=Inner, device="cpu").sample(2), before)
    assert ganwright.resume(out, steps=2, game=Inner, quiet=True).step == 2
    with pytest.raises(SettingsError, match="the game is the class Doubled"):
        ganwright.resume(out, steps=3, game=Doubled, quiet=True)  # type: ignore[arg-type]


def test_a_family_that_was_defined_again_is_the_same(toy_run: Path, tmp_path: Path) -> None:
    """As in a notebook whose cell is run once more, or a module that was reloaded."""
    again = type("Toy", (Toy,), {"__module__": Toy.__module__})
    other = type("Toy", (Toy,), {"__module__": "elsewhere"})
    assert type(ganwright.load(toy_run, game=again, device="cpu").game) is again
    with pytest.raises(SettingsError, match=r"is of the family test_config:Toy, .* elsewhere:Toy;"):
        ganwright.load(toy_run, game=other)
    moved = tmp_path / "moved"
    shutil.copytree(toy_run, moved)
    for file in moved.rglob("config.yaml"):  # as if its module were lost, or had another name here
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("test_config:Toy", "lost_module:Toy"), encoding="utf-8")
    manifest = next(moved.rglob("manifest.json"))
    known = json.loads(manifest.read_text(encoding="utf-8"))
    known["sha256"]["config.yaml"] = hash_of(manifest.parent / "config.yaml")
    manifest.write_text(json.dumps(known), encoding="utf-8")
    assert type(ganwright.load(moved, game=other, device="cpu").game) is other


SCRIPT = """
import sys
from dataclasses import dataclass
import ganwright
from ganwright.errors import SettingsError
from ganwright.losses import Hinge
from test_config import Toy

@dataclass(frozen=True)
class Mine(Hinge):
    pass

class Duel(Toy):
    pass

quick = dict(image_size=8, batch_size=4, steps=1, device="cpu")
try:
    ganwright.train(Toy, loss=Mine(), out="refused", **quick, quiet=True)
except SettingsError as error:
    print(error)
ganwright.train(Duel, out="made", **quick, quiet=True)
assert ganwright.load("made", device="cpu").step == 1
"""


def test_classes_of_a_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    paths = [*sys.path, str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(paths), "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert "class Mine, which is defined in a script or a notebook" in done.stdout
    assert not (tmp_path / "refused").exists()
    with pytest.raises(SettingsError, match=r"__main__:Duel .* hand its class over: game=Duel"):
        ganwright.load(tmp_path / "made")
    assert ganwright.load(tmp_path / "made", game=Toy, device="cpu").step == 1


def test_resume_names_what_may_not_change(toy_run: Path) -> None:
    for changes, sentence in (
        ({"loss": Hinge()}, "these differ: game.loss: NonSaturating() -> Hinge()"),
        ({"loss": "Hinge"}, "these differ: game.loss: NonSaturating() -> Hinge()"),
        ({"batch_size": "5"}, "these differ: batch_size: 4 -> 5"),
        ({"stpes": 3}, "unknown setting stpes; did you mean steps?"),
        ({"log_every": 0}, "log_every is 0; it must be at least 1"),
        ({"data": Rotten}, "data is the class Rotten"),
    ):
        with pytest.raises(GanwrightError) as caught:
            ganwright.resume(toy_run, **({"steps": 2} | changes), quiet=True)
        assert sentence in str(caught.value)
    assert (toy_run / "config.yaml").read_text(encoding="utf-8").count("steps: 1") == 1


def test_a_model_refuses_in_a_sentence(toy_run: Path) -> None:
    model = ganwright.load(toy_run, device="cpu")
    pictures = torch.zeros(2, 1, 8, 8)
    for call, sentence in (
        (lambda: model.sample(2.5), "n is 2.5; it must be a whole number, at least 1"),
        (lambda: model.sample(0), "n is 0; it must be at least 1"),
        (lambda: model.sample(2, seed="x"), "seed is 'x'; it must be a whole number, at least 0"),
        (lambda: model.sample(2, labels=3.5), "labels is 3.5; give numbers or names of classes"),
        (lambda: model.sample(2, labels=[11]), "unknown label '11'"),
        (lambda: model.translate(255 * torch.rand(1, 1, 8, 8) + 3), "takes floats in [-1, 1], got"),
        (
            lambda: model.translate(pictures + torch.nan),
            "takes floats in [-1, 1], got values up to",
        ),
        (
            lambda: model.translate(pictures.long()),
            "takes float or uint8 images, got torch.int64",
        ),
        (
            lambda: model.translate(torch.zeros(1, 3, 8, 8)),
            "takes images [n, 1, H, W], got [1, 3",
        ),
    ):
        with pytest.raises(SettingsError) as caught:
            call()
        assert sentence in str(caught.value)
    assert torch.equal(model.sample(2, labels=3), model.sample(2, labels=[3]))
    assert torch.equal(model.sample(2, labels=torch.tensor([3, 4])), model.sample(2, labels=(3, 4)))
    assert len(model.sample(np.int64(2))) == 2


class Judge(Toy):
    """It classifies by the mean of a picture."""

    def classify(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 2, 3))[:, None]


def test_classify_refuses_what_it_would_misread(tmp_path: Path) -> None:
    model = ganwright.train(Judge, out=tmp_path / "run", **QUICK, quiet=True)
    for given, sentence in (
        (torch.zeros(2, 3, 8, 8), "classify takes images [n, 1, 8, 8], got [2, 3, 8, 8]"),
        (torch.zeros(1, 8, 8), "classify takes images [n, 1, 8, 8], got [1, 8, 8]"),
        (torch.full((1, 1, 8, 8), 255.0), "classify takes floats in [-1, 1], got values up to 255"),
    ):
        with pytest.raises(SettingsError) as caught:
            model.classify(given)
        assert sentence in str(caught.value)
    assert model.classify(torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)).item() == 1


def test_a_file_is_named_in_what_is_said_of_it(toy_run: Path, tmp_path: Path) -> None:
    for text, sentence in (
        ("family: dcgan\na: [", ", line 2, cannot be read as YAML: "),
        (
            "family: dcgan\nsteps: 5\nsteps: 6",
            ", line 3, cannot be read as YAML: steps stands twice",
        ),
        ("family: dcgan\nsteps: 0", ": steps is 0; it must be at least 1"),
        ("family: dcgan\nstpes: 1", ": unknown setting stpes; did you mean steps?"),
        ("steps: 1", " names no family"),
        ("- 1", " must be a YAML mapping"),
    ):
        with pytest.raises(SettingsError) as caught:
            from_yaml(text, file=tmp_path / "my.yaml")
        assert str(caught.value).startswith(f"{tmp_path / 'my.yaml'}{sentence}")


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (float("nan"), float("nan"), True),
        ((1, "a"), (1, "a"), True),
        ((1,), (1, 2), False),
        (R1(), R1(2), False),
        (R1(), R2(), False),
        (Path("x"), Path("x"), True),
        (None, None, True),
        (Forgetful(1.0), Forgetful(2.0), False),
    ],
)
def test_same_compares_all_that_is_held(a: Any, b: Any, equal: bool) -> None:
    assert same(a, b) is equal
