"""What is said of a new run on few images: only what its family has and it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny

from ganwright.augment import DiffAugment
from ganwright.callbacks.callback import Callback, Run
from ganwright.config.changes import keywords
from ganwright.config.settings import Settings
from ganwright.families import family
from ganwright.run.advice import few_images
from ganwright.run.config_file import defaults
from ganwright.run.fork import fork
from ganwright.run.train import resume, train

AUGMENT_D = '--game.augment-d "DiffAugment()"'


def advice(name: str, **changes: Any) -> str:
    cls = family(name)
    return " ".join(few_images(20, cls, keywords(defaults(cls), changes)))


def test_all_that_helps_is_named_where_no_family_is() -> None:
    (said,) = few_images(20, None, Settings())
    assert said == (
        "20 images are few, so a GAN can memorise them; "
        f"{AUGMENT_D}, --flip, --augment and --init RUN help"
    )
    assert few_images(0, None, Settings()) == ()
    assert few_images(1, None, Settings())[0].startswith("1 image is few")


def test_what_a_family_has_not_is_not_named() -> None:
    assert AUGMENT_D in advice("dcgan")
    assert advice("aae").endswith("memorise them; --flip, --augment and --init RUN help")
    assert advice("aae", flip=True, init="runs/x").endswith("memorise them; --augment helps")


@pytest.mark.parametrize("name", ["jojogan", "cdc"])
def test_nothing_is_said_of_families_for_few_images(name: str) -> None:
    assert advice(name) == ""


def test_nothing_is_said_where_images_are_augmented() -> None:
    assert advice("dcgan", augment_d=DiffAugment()) == ""
    assert advice("dcgan", augment="Rotate(10)") == ""


class Said(Callback):
    """Keeps what a run says when it begins."""

    def started(self, run: Run) -> None:
        self.text = " ".join(run.notes)


def test_a_new_run_and_a_fork_say_it_and_a_resumed_run_cannot_follow_it(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", steps=1)
    images, said = torch.rand(20, 1, 32, 32) * 2 - 1, Said()
    how: dict[str, Any] = {"data": images, "quiet": True, "callbacks": said}
    train(cls, settings, tmp_path / "new", **how)
    assert "20 images are few" in said.text
    assert "--init RUN" in said.text
    fork(tmp_path / "new", tmp_path / "fork", steps=2, **how)
    assert "20 images are few" in said.text
    assert "--init RUN" not in said.text
    resume(tmp_path / "new", steps=2, **how)
    assert "are few" not in said.text
