"""A fork goes on from a checkpoint with other settings, in a folder of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers import CONV, tensors, tiny, trainer_of
from torch import Tensor

import ganwright
from ganwright.cli import main
from ganwright.errors import GanwrightError, RunError
from ganwright.networks import ConvNet
from ganwright.optim import SGD, AdamW
from ganwright.run import train as runs
from ganwright.training.checkpoint import load_newest
from ganwright.training.fitting import adopt, fit
from ganwright.training.trainer import Trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fork") / "run"
    cls, settings = tiny("dcgan", steps=4, save_every=2, log_every=1, sample_every=4)
    runs.train(cls, settings, out, quiet=True)
    return out


def notes(run: Path) -> list[str]:
    found: list[str] = json.loads((run / "origin.json").read_text(encoding="utf-8"))["notes"]
    return found


def test_without_a_change_it_is_the_run_that_never_stopped(run: Path, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    model = ganwright.fork(run, tmp_path / "fork", step=2, quiet=True)
    assert model.step == 4
    one, two = tensors(run), tensors(tmp_path / "fork")
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert notes(tmp_path / "fork")[1:] == ["changed: nothing"]
    rows = (tmp_path / "fork/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["step"] for row in rows] == [3, 4]
    assert (tmp_path / "fork/samples/data.png").exists()


def test_a_fork_without_an_average_continues_from_the_weights(run: Path, tmp_path: Path) -> None:
    ganwright.fork(run, tmp_path / "fork", step=2, steps=3, quiet=True, ema_half_life=0.0)
    ganwright.fork(run, tmp_path / "same", step=2, steps=3, quiet=True)
    new, same = tensors(tmp_path / "fork"), tensors(tmp_path / "same")
    game = [k for k in same if k.startswith("game.")]
    assert game
    assert all(torch.equal(new[k], same[k]) for k in game)
    averaged = [k for k in new if k.startswith("average.")]
    assert averaged
    assert all(torch.equal(new[k], new[k.replace("average.", "game.")]) for k in averaged)


def test_it_differs_by_what_was_changed_alone(run: Path, tmp_path: Path) -> None:
    """One step with a rate of 0 for G: D moves as ever, G stays, both optimizers go on."""
    ganwright.fork(run, tmp_path / "fork", step=2, steps=3, quiet=True, optimizer_g="Adam(lr=0.0)")
    ganwright.fork(run, tmp_path / "same", step=2, steps=3, quiet=True)
    old = load_newest(run / "checkpoints", step=2)
    assert old is not None
    new, same = tensors(tmp_path / "fork"), tensors(tmp_path / "same")
    for name, before in old.game.items():
        if name.startswith("D."):
            assert torch.equal(new[f"game.{name}"], same[f"game.{name}"]), name
        elif "running" not in name and "tracked" not in name:
            assert torch.equal(new[f"game.{name}"], before), name
            assert not torch.equal(same[f"game.{name}"], before), name
    assert notes(tmp_path / "fork")[1:] == [
        "changed: game.optimizer_g: Adam() -> Adam(lr=0.0); steps: 4 -> 3"
    ]
    config = yaml.safe_load((tmp_path / "fork/config.yaml").read_text(encoding="utf-8"))
    then = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    assert {k for k in config if config[k] != then[k]} == {"steps", "game"}


def test_a_fork_resumes_bitwise_and_needs_its_origin_no_more(run: Path, tmp_path: Path) -> None:
    ganwright.fork(run, tmp_path / "a", steps=8, batch_size=6, loss="Hinge", quiet=True)
    ganwright.fork(run, tmp_path / "b", steps=6, batch_size=6, loss="Hinge", quiet=True)
    moved = run.rename(run.with_name("moved"))
    try:
        runs.resume(tmp_path / "b", steps=8, quiet=True)
    finally:
        moved.rename(run)
    one, two = tensors(tmp_path / "a"), tensors(tmp_path / "b")
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert notes(tmp_path / "a")[1] == (
        "changed: game.loss: NonSaturating() -> Hinge(); steps: 4 -> 8; batch_size: 4 -> 6"
    )


def test_what_no_longer_fits_is_named(run: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"networks": ConvNet(width=4, dropout=0.1), "image_size": 16}
    ganwright.fork(run, tmp_path / "fork", steps=5, quiet=True, **changes)
    said = "\n".join(notes(tmp_path / "fork"))
    assert "image_size: 8 -> 16" in said
    assert "other data: the shape of an image is [1, 16, 16] and was [1, 8, 8]" in said
    assert "G.stack.1.weight (64x100 there, 128x100 here)" in said
    assert "D's optimizer starts over for" in said


def test_a_new_p_of_ada_counts_where_no_target_moves_it(run: Path, tmp_path: Path) -> None:
    change: dict[str, Any] = {"augment_d": "ADA(p=0.25, target=none)"}
    ganwright.fork(run, tmp_path / "first", steps=5, quiet=True, **change)
    change["augment_d"] = "ADA(p=0.5, target=none)"
    ganwright.fork(tmp_path / "first", tmp_path / "second", steps=6, quiet=True, **change)
    assert tensors(tmp_path / "first")["game.augment.p"] == 0.25
    assert tensors(tmp_path / "second")["game.augment.p"] == 0.5


@pytest.fixture(scope="module")
def translating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose pools of 3 have been full since its first batch of 4."""
    out = tmp_path_factory.mktemp("translating") / "run"
    cls, settings = tiny("cyclegan", steps=1, sample_every=4)
    runs.train(cls, settings, out, quiet=True)
    assert tensors(out)["game.past_A.count"] == 3
    return out


@pytest.mark.parametrize(
    ("changes", "count"),
    [({}, 3), ({"image_size": 32}, 1), ({"pool": 5}, 1), ({"pool": 2}, 1)],
)
def test_a_pool_that_no_longer_fits_begins_empty(
    translating: Path, tmp_path: Path, changes: dict[str, Any], count: int
) -> None:
    """One step stores its only fake; blank images that are counted would be shown to D instead."""
    ganwright.fork(translating, tmp_path / "fork", steps=2, batch_size=1, quiet=True, **changes)
    found = tensors(tmp_path / "fork")
    for name in ("game.past_A", "game.past_B"):
        assert found[f"{name}.count"] == count
        assert all(image.any() for image in found[f"{name}.images"][:count])


def test_other_data_is_named(run: Path, tmp_path: Path) -> None:
    images = torch.zeros(16, 1, 8, 8, dtype=torch.uint8)
    ganwright.fork(run, tmp_path / "fork", steps=5, data=images, quiet=True)
    said = notes(tmp_path / "fork")
    assert "data: 'digits' -> '(given in Python)'" in said[1]
    assert said[2].startswith("other data: ")


def filled() -> tuple[Trainer, dict[str, Any]]:
    """A trainer after a step, and its state."""
    trainer = trainer_of("dcgan")
    trainer.play_step()
    return trainer, trainer.state_dict()["training"]


def known(trainer: Trainer, player: int) -> dict[str, Tensor]:
    """The first moments of a player's weights, by their names."""
    trained = trainer.players[player]
    state = trained.optimizer.state
    return {
        n: state[w]["exp_avg"]
        for n, w in zip(trained.names, trained.weights, strict=True)
        if w in state
    }


def test_an_optimizer_keeps_what_it_knows_of_weights_that_fit() -> None:
    old, state = filled()
    new = trainer_of("dcgan", freeze=("D.stack.1",))
    assert adopt(new, state) == []
    assert new.step == 1
    assert known(new, 0).keys() == {"D.head.linear.weight", "D.head.linear.bias"}
    for name, moment in known(new, 0).items():
        assert torch.equal(moment, known(old, 0)[name])
    thawed = trainer_of("dcgan")
    assert adopt(thawed, new.state_dict()["training"]) == [
        "D's optimizer starts over for 2 of 4 weights"
    ]
    thawed.play_step()


@pytest.mark.parametrize(("kind", "anew"), [(AdamW(lr=1e-3), False), (SGD(lr=1e-3), True)])
def test_another_kind_of_optimizer_begins_anew(kind: Any, anew: bool) -> None:
    _, state = filled()
    cls, _ = tiny("dcgan")
    new = trainer_of("dcgan", game=cls.Config(networks=CONV, optimizer_d=kind))
    assert adopt(new, state) == (["D's optimizer starts over"] if anew else [])
    assert new.players[0].optimizer.param_groups[0]["lr"] == 1e-3
    new.play_step()


def test_a_state_of_an_older_version_fits_in_order() -> None:
    old, state = filled()
    del state["weights"]
    new = trainer_of("dcgan")
    assert adopt(new, state) == []
    assert all(torch.equal(known(new, 1)[n], m) for n, m in known(old, 1).items())
    fewer = trainer_of("dcgan", freeze=("D.stack.1",))
    assert adopt(fewer, state) == ["D's optimizer starts over"]


def test_tensors_fit_by_name_and_shape() -> None:
    own = {"a": torch.zeros(2), "b": torch.zeros(2, 3), "c": torch.zeros(())}
    found = fit(own, {"a": torch.ones(2), "b": torch.ones(3, 2), "d": torch.ones(1)})
    assert found.taken == ("a",)
    assert own["a"].tolist() == [1, 1]
    assert own["b"].sum() == 0
    assert found.lines() == [
        "fresh, since shapes differ (1): b (3x2 there, 2x3 here)",
        "fresh, since not there (1): c",
        "there, but not here (1): d",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"step": 3}, "there is no checkpoint of step 3"),
        ({"steps": 4}, "is at step 4; --steps is the total, so give more than that"),
        ({"steps": 5, "lr": 1}, "unknown setting lr"),
        ({"steps": 5, "networks": ConvNet(width=8)}, "none of the run's weights fits"),
        ({"steps": 5, "init": "other"}, "leave init, init_weights, init_rename out"),
        ({"steps": 5, "freeze": "D"}, "D has nothing to train"),
    ],
)
def test_wrong_input_is_a_sentence(
    run: Path, changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(GanwrightError, match=sentence):
        ganwright.fork(run, tmp_path / "fork", quiet=True, **changes)
    assert not (tmp_path / "fork").exists()


def test_a_run_without_a_whole_checkpoint_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    for state in (tmp_path / "run").rglob("training.pt"):
        state.unlink()
    with pytest.raises(RunError, match=r"no intact checkpoint .*train a new run with --init"):
        ganwright.fork(tmp_path / "run", tmp_path / "fork", quiet=True)


def test_the_command_changes_any_setting(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "fork")
    flags = ["--steps", "5", "--game.optimizer-d.lr", "1e-3", "--out", out]
    assert main(["fork", str(run), *flags]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["step"] == 4
    changed = "changed: game.optimizer_d: Adam() -> Adam(lr=0.001); steps: 4 -> 5"
    assert changed in first["notes"]
    assert main(["fork", str(run), *flags]) == 2
    assert f"{out} exists; resume it with" in capsys.readouterr().err
    assert main(["fork", "--help"]) == 0
    assert "--step N" in capsys.readouterr().out
    assert main(["fork"]) == 2
