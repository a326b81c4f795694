"""A package that adds a row to each table, installed as users install one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def ganwright(site: Path, *argv: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, as after an installation."""
    return python(site, "-m", "ganwright", *argv)


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


def test_its_family_is_described(site: Path) -> None:
    done = ganwright(site, "info", "dots-gan")
    assert done.returncode == 0, done.stderr
    assert "DCGAN with a Cauchy loss, on dots." in done.stdout
    assert "Cauchy()" in done.stdout


def test_its_family_trains_resumes_and_loads_in_another_process(site: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = ganwright(
        *(site, "train", "dots-gan", *QUICK, "--out", run, "--log", "lines"),
        *("--callbacks", "Halt(at=2)", "--metrics", "Brightness"),
    )
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
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
    assert ganwright(site, "resume", run).returncode == 0
    done = ganwright(site, "sample", run, "-n", "3", "--out", tmp_path / "samples.png")
    assert done.returncode == 0, done.stderr
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
    done = python(site, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", tmp_path, test)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in (*EVERY, *PENALISED):
        assert f"test_dots_gan[{name}] PASSED" in done.stdout


def test_its_loss_plays_in_the_librarys_families(site: Path, tmp_path: Path) -> None:
    flags = ("--game.loss", "Cauchy(scale=2)", "--game.networks", "ConvNet(width=4)")
    more = (*QUICK, "--image-size", "8", "--batch-size", "4", "--out", tmp_path / "run")
    done = ganwright(site, "train", "dcgan", "--data", "dots", *flags, *more)
    assert done.returncode == 0, done.stderr
    wrong = ("--game.loss", "Cauchy(scale=-1)", "--out", tmp_path / "wrong")
    done = ganwright(site, "train", "dcgan", *wrong)
    assert (done.returncode, (tmp_path / "wrong").exists()) == (2, False)
    assert "scale of Cauchy is -1.0; it must be above 0" in done.stderr


def test_without_the_package_its_run_is_one_sentence(site: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert ganwright(site, "train", "dots-gan", *QUICK, "--out", run).returncode == 0
    done = ganwright(tmp_path, "sample", run)
    assert done.returncode == 2
    assert "unknown family 'dots-gan'" in done.stderr
    assert done.stderr.count("\n") == 1
