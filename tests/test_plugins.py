"""A package that adds a row to each table, installed as users install one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from processes import checked, processes, ran

from ganwright.config import plugins, registry
from ganwright.testing.contract import EVERY, PENALISED

PLUGIN = Path(__file__).parent / "plugin"
QUICK = ["--steps", "4", "--log-every", "2", "--sample-every", "2", "--save-every", "2"]
QUICK += ["--device", "cpu", "--precision", "fp32"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed; nothing is downloaded."""
    pytest.importorskip("hatchling", reason="builds the plug-in; it is among the dev extra")
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", target, PLUGIN], check=True, timeout=120
    )
    return target


def installed(site: str) -> None:
    """Let this process find what is installed there, as a new one would."""
    sys.path.insert(0, site)
    for module in (plugins, registry):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def ganwright(site: Path, folder: Path, *argv: str | Path) -> tuple[int, str]:
    """The command line in a process that finds what is installed in `site`: status, and words."""
    ((status, said),) = ran(*argv, folder=folder, before=partial(installed, str(site)))
    return status, said


def python(site: Path, *argv: str | Path) -> subprocess.CompletedProcess[str]:
    """Python in a process that finds what is installed in `site`."""
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *map(str, argv)],
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        env={**os.environ, "PYTHONPATH": path},
    )


ROWS = {
    "families": "dots-gan  Dots GAN (2026), of ganwright-dots",
    "losses": "Cauchy  Heavy tails for D's scores.",
    "data": "dots  64 grey images of one bright pixel each. Of ganwright-dots",
    "callbacks": "Halt  Ends a run at a step.",
    "trackers": "lines  of ganwright-dots",
    "metrics": "Brightness  The gap between the mean brightness of samples and of held-out images.",
}
LIST_ALL = """
from ganwright.cli import main
for topic in {topics}:
    print("=", topic, flush=True)
    assert main(["list", topic]) == 0
"""


def test_rows_that_are_no_class_are_named_and_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function among the losses; settings that do not name it work."""
    wrong = EntryPoint("wrong", "json:loads", "ganwright.losses")
    monkeypatch.setattr(plugins, "rows", lambda topic: {"wrong": wrong})
    for function in (plugins.loaded, plugins.classes, plugins.load):
        monkeypatch.setattr(plugins, function.__name__, function.__wrapped__)
    with pytest.warns(UserWarning, match="wrong of an installed package, one of losses, is no cl"):
        assert plugins.classes("losses") == {}


def test_its_rows_are_listed(site: Path) -> None:
    script = site.parent / "list_all.py"
    script.write_text(LIST_ALL.format(topics=list(ROWS)), encoding="utf-8")
    done = python(site, script)
    assert done.returncode == 0, done.stderr
    assert "Broken of ganwright-dots, one of callbacks, cannot be loaded" in done.stderr
    parts = re.split("^= ", done.stdout, flags=re.MULTILINE)[1:]
    listed = dict(part.split("\n", 1) for part in parts)
    assert listed.keys() == ROWS.keys()
    for topic, row in ROWS.items():
        assert row in [re.sub(" {2,}", "  ", line.strip()) for line in listed[topic].splitlines()]


def test_its_family_is_described(site: Path, tmp_path: Path) -> None:
    status, said = ganwright(site, tmp_path, "info", "dots-gan")
    assert status == 0, said
    assert "DCGAN with a Cauchy loss, on dots." in said
    assert "Cauchy()" in said


def test_its_family_trains_resumes_and_loads_in_another_process(site: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ("--log", "lines", "--callbacks", "Halt(at=2)", "--metrics", "Brightness")
    status, said = ganwright(
        site, tmp_path / "a", "train", "dots-gan", *QUICK, "--out", run, *flags
    )
    assert status == 0, said
    last = json.loads(said.splitlines()[-1])
    assert (last["step"], last["reason"]) == (2, "step 2 is enough")
    config = (run / "config.yaml").read_text(encoding="utf-8")
    assert "family: dots-gan" in config
    assert "loss: Cauchy(scale=1.0)" in config
    rows = [json.loads(x) for x in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert -1 <= rows[-1]["Brightness/mean"] <= 2
    lines = [json.loads(x) for x in (run / "lines.jsonl").read_text("utf-8").splitlines()]
    assert lines[0] == {"family": "dots-gan"}
    assert lines[1] == {"step": 0, "shapes": {"samples": [64, 1, 8, 8]}}
    assert "D/adv" in next(x for x in lines if "names" in x)["names"]
    assert lines[-1] == {"finished": True}
    assert ganwright(site, tmp_path / "b", "resume", run)[0] == 0
    drawn = ("-n", "3", "--out", tmp_path / "samples.png")
    status, said = ganwright(site, tmp_path / "c", "sample", run, *drawn)
    assert status == 0, said
    assert (tmp_path / "samples.png").is_file()


def test_its_family_keeps_the_contract(site: Path, tmp_path: Path) -> None:
    """As the package would test it by itself."""
    test = tmp_path / "test_dots.py"
    test.write_text(
        "from ganwright.testing import parametrize\n"
        "from ganwright_dots import DotsGAN\n\n\n"
        "@parametrize(DotsGAN, batch_size=4)\n"
        "def test_dots_gan(check):\n"
        "    check()\n",
        encoding="utf-8",
    )
    check = partial(checked, folder=tmp_path, before=partial(installed, str(site)))
    with processes(check, "-v", "--rootdir", tmp_path, test, folder=tmp_path / "said") as one:
        assert one.wait() == [0], one.said()
        said = one.said()
    for name in (*EVERY, *PENALISED):
        assert f"test_dots_gan[{name}] PASSED" in said


def test_its_loss_plays_in_the_librarys_families(site: Path, tmp_path: Path) -> None:
    flags = ("--game.loss", "Cauchy(scale=2)", "--game.networks", "ConvNet(width=4)")
    more = (*QUICK, "--image-size", "8", "--batch-size", "4", "--out", tmp_path / "run")
    status, said = ganwright(
        site, tmp_path / "a", "train", "dcgan", "--data", "dots", *flags, *more
    )
    assert status == 0, said
    wrong = ("--game.loss", "Cauchy(scale=-1)", "--out", tmp_path / "wrong")
    status, said = ganwright(site, tmp_path / "b", "train", "dcgan", *wrong)
    assert (status, (tmp_path / "wrong").exists()) == (2, False)
    assert "scale of Cauchy is -1.0; it must be above 0" in said


def test_without_the_package_its_run_is_one_sentence(site: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert ganwright(site, tmp_path / "a", "train", "dots-gan", *QUICK, "--out", run)[0] == 0
    status, said = ganwright(tmp_path, tmp_path / "b", "sample", run)
    assert status == 2
    assert "unknown family 'dots-gan'" in said
    assert said.count("\n") == 1
