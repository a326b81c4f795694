"""A run is what it was: its settings are sealed with its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import tiny, trainer_of

import ganwright
from ganwright.errors import RunError
from ganwright.run import train as runs
from ganwright.run.resuming import check_world


@pytest.fixture
def run(tmp_path: Path) -> Path:
    cls, settings = tiny("gan", steps=2, save_every=2, log_every=1, sample_every=2)
    runs.train(cls, settings, tmp_path / "run", quiet=True)
    return tmp_path / "run"


def _edit(run: Path, **values: Any) -> None:
    path = run / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    game = values.pop("game", {})
    config |= values
    config["game"] |= game
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"seed": 5}, ["seed: 0 -> 5"]),
        ({"batch_size": 2}, ["batch_size: 4 -> 2"]),
        ({"family": "dragan"}, ["family: gan -> dragan"]),
        ({"game": {"loss": "Hinge()"}}, [r"game.loss: NonSaturating\(\) -> Hinge\(\)"]),
        ({"seed": 1, "flip": True}, ["flip: False -> True", "seed: 0 -> 1"]),
        # not even a batch of that size can be shared, or such a game be built
        ({"game": {"latent": 7}}, ["game.latent: 100 -> 7"]),
    ],
)
def test_an_edited_config_is_named_and_refused(
    run: Path, values: dict[str, Any], named: list[str]
) -> None:
    _edit(run, **values)
    for sentence in named:
        with pytest.raises(RunError, match=rf"not what this run was trained with: .*{sentence}"):
            runs.resume(run, {"steps": 4}, quiet=True)


def test_what_does_not_alter_the_numbers_may_be_edited(run: Path) -> None:
    _edit(run, steps=4, keep=1, log_every=2, save_every=4)
    assert runs.resume(run, quiet=True).step == 4


def test_a_change_asked_for_on_resume_is_sealed_with_the_next_checkpoint(run: Path) -> None:
    runs.resume(run, {"steps": 4}, quiet=True)
    sealed = run / "checkpoints/step-000004/config.yaml"
    assert sealed.read_text(encoding="utf-8") == (run / "config.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(sealed.read_text(encoding="utf-8"))["steps"] == 4


def test_another_number_of_processes_is_refused_where_it_changes_results(run: Path) -> None:
    game = trainer_of("dcgan").game
    with pytest.raises(
        RunError,
        match=r"by one process and 2 would change its results, since it has BatchNorm2d; "
        r"continue with `ganwright resume",
    ):
        check_world(run, 1, 2, game, compiled=False)
    with pytest.raises(RunError, match=r"by 2 processes and 1 would .*torchrun --nproc-per-node 2"):
        check_world(run, 2, 1, game, compiled=False)
    with pytest.raises(RunError, match=r"since it has compiled objectives"):
        check_world(run, 2, 1, trainer_of("gan").game, compiled=True)
    check_world(run, 2, 1, trainer_of("gan").game, compiled=False)
    check_world(run, None, 2, game, compiled=False)
    check_world(run, 2, 2, game, compiled=False)


def test_a_run_of_two_goes_on_alone_and_says_so(run: Path) -> None:
    import json

    path = run / "checkpoints/step-000002/manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | {"world": 2}), encoding="utf-8")
    with pytest.warns(UserWarning, match="trained by 2 processes and is continued by 1: its"):
        runs.resume(run, {"steps": 4}, quiet=True)
    assert ganwright.load(run).sample(1).shape == (1, 1, 8, 8)
