"""Under Ray: what each process does, and a run that loses one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import SMALL

from ganwright.cli import main
from ganwright.errors import RunError
from ganwright.run.on_ray import _trained

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "ray_killed.py"


def failing(run: Path, *, made: bool) -> Any:
    """A training that fails, before or after it has made the run folder."""

    def train() -> None:
        if made:
            run.mkdir()
            (run / "config.yaml").write_text("family: gan\n", encoding="utf-8")
        raise RunError("another process of this run has ended")

    return train


def test_what_fails_before_the_run_begins_is_not_tried_again(tmp_path: Path) -> None:
    said = _trained(failing(tmp_path / "run", made=False), tmp_path / "run")
    assert said == "another process of this run has ended"


def test_what_fails_in_the_run_is(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="another process"):
        _trained(failing(tmp_path / "run", made=True), tmp_path / "run")


def test_without_ray_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    words = [*SMALL, "--steps", "4", "--out", str(tmp_path / "run")]
    assert main([*words, "--ray", "2"]) == 2
    assert "pip install 'ganwright[ray]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_is_refused_before_ray_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert main([*SMALL, "--out", str(tmp_path), "--ray", "2"]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_shared_model_is_refused_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "config.yaml").write_text("family: gan\n", encoding="utf-8")
    (tmp_path / "model.safetensors").touch()
    assert main(["resume", str(tmp_path), "--ray", "2"]) == 2
    assert f"{tmp_path} is a shared model, not a run" in capsys.readouterr().err


def test_what_resume_refuses_is_refused_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    run = str(tmp_path / "run")
    assert main([*SMALL, "--steps", "2", "--out", run]) == 0
    for words, said in (
        ([], "is already at step 2"),
        (["--steps", "4", "--seed", "5"], "these differ: seed: 3 -> 5"),
        (["--steps", "4"], "pip install 'ganwright[ray]'"),
    ):
        assert main(["resume", run, *words, "--ray", "2"]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_loses_a_process_ends_as_one_that_does_not(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="trains under Ray; it is the extra `ray`")
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--out", tmp_path / "runs"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 differences" in done.stdout
