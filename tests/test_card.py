"""What notebooks show of a model and of a run."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from helpers import tiny

from ganwright.callbacks.callback import Callback, Run
from ganwright.run.train import train


class Look(Callback):
    """Keeps how the run shows itself in the end."""

    def finished(self, run: Run) -> None:
        self.shown = run._repr_html_()


def test_a_notebook_shows_a_model_and_a_run(tmp_path: Path) -> None:
    look, out = Look(), tmp_path / "<b>"
    cls, settings = tiny("dcgan", data="digits", steps=2, sample_every=1)
    model = train(cls, settings, out, callbacks=[look], quiet=True)
    for html, steps in ((model._repr_html_(), "2"), (look.shown, "2 of 2")):
        assert "<strong>dcgan</strong>" in html
        assert f">{steps}</td>" in html
        assert "/&lt;b&gt;</td>" in html
        (data,) = re.findall(r'src="data:image/png;base64,([^"]*)"', html)
        newest = (out / "samples" / "step-000002.png").read_bytes()
        assert base64.b64decode(data) == newest


def test_a_model_without_sample_grids_is_shown_too(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", data="digits", steps=1)
    model = train(cls, settings, tmp_path / "run", quiet=True)
    for grid in (tmp_path / "run" / "samples").iterdir():
        grid.unlink()
    assert "<img" not in model._repr_html_()
