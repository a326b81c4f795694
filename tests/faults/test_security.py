"""What SECURITY.md promises: nothing is unpickled, no stranger's module imported, no token kept."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
import wrong_files
import yaml
from helpers import CONV
from PIL import Image
from world import MARK, QUICK, World

import ganwright
from ganwright.cli import main
from ganwright.config import trust
from ganwright.config.registry import resolved
from ganwright.data import DataOptions, Images, open_data
from ganwright.data.limit import check, check_unpacked
from ganwright.errors import DataError, SettingsError
from ganwright.memory import shortage_named
from ganwright.run.config_file import from_yaml

STRANGER = """
from dataclasses import dataclass
from pathlib import Path

from ganwright.losses import Hinge

Path({mark!r}).mkdir(exist_ok=True)


@dataclass(frozen=True)
class Loss(Hinge):
    pass


def make(*_, **__):
    raise RuntimeError("called")
"""
CONFIG = "family: dcgan\ngame: {loss: stranger_loss.Loss()}"


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that makes a folder when it is imported; the folder."""
    mark = tmp_path / "imported"
    module = tmp_path / "modules" / "stranger_loss.py"
    module.parent.mkdir()
    module.write_text(STRANGER.format(mark=str(mark)), encoding="utf-8")
    monkeypatch.syspath_prepend(module.parent)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delitem(sys.modules, "stranger_loss", raising=False)
    return mark


def test_the_pickles_of_these_tests_bite(tmp_path: Path) -> None:
    file = tmp_path / "evil.pt"
    wrong_files.raw_dict(file, tmp_path)
    pickle.loads(file.read_bytes())
    assert (tmp_path / MARK).is_dir()
    (tmp_path / MARK).rmdir()
    wrong_files.pickled_dict(file, tmp_path)
    torch.load(file, weights_only=False)
    assert (tmp_path / MARK).is_dir()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth", ".ckpt", ".bin"])
@pytest.mark.parametrize("maker", [wrong_files.pickled_dict, wrong_files.raw_dict])
def test_no_state_dict_is_unpickled(world: World, suffix: str, maker: Any, tmp_path: Path) -> None:
    file = tmp_path / f"weights{suffix}"
    maker(file, tmp_path)
    with pytest.raises(ganwright.GanwrightError, match=r"cannot be read|more than tensors"):
        ganwright.train(
            "dcgan", **QUICK, networks=CONV, init=str(file), out=tmp_path / "out", quiet=True
        )
    assert not (tmp_path / MARK).exists()
    assert not (tmp_path / "out").exists()


def test_a_file_imports_no_module_that_was_not_allowed(stranger: Path) -> None:
    with pytest.raises(SettingsError, match=r"code of the module stranger_loss.* --trust"):
        from_yaml(CONFIG)
    with pytest.raises(SettingsError, match=r"code of the module stranger_loss.* --trust"):
        from_yaml("family: stranger_loss:Loss")
    assert "stranger_loss" not in sys.modules
    assert not stranger.exists()


def test_a_module_is_asked_for_once(stranger: Path, tmp_path: Path) -> None:
    with trust.trusting(True):
        settings = from_yaml(CONFIG)[1]
    assert stranger.is_dir()
    assert from_yaml(CONFIG)[1] == settings
    known = json.loads((tmp_path / "home/ganwright/trusted.json").read_text(encoding="utf-8"))
    assert known == {"stranger_loss": [str(tmp_path / "modules" / "stranger_loss.py")]}


def test_another_file_of_the_same_name_is_another_module(
    stranger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trust.trusting(True):
        from_yaml(CONFIG)
    other = tmp_path / "unpacked"
    other.mkdir()
    (tmp_path / "modules" / "stranger_loss.py").rename(other / "stranger_loss.py")
    monkeypatch.syspath_prepend(other)
    monkeypatch.delitem(sys.modules, "stranger_loss")
    with pytest.raises(SettingsError, match="--trust"):
        from_yaml(CONFIG)
    assert "stranger_loss" not in sys.modules


def test_a_run_with_own_classes_resumes_without_being_asked(stranger: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    flags = ["--image-size", "8", "--batch-size", "4", "--device", "cpu", "--quiet"]
    own = ["--game.networks", "ConvNet(width=4)", "--game.loss", "stranger_loss.Loss()"]
    assert main(["train", "dcgan", "--steps", "1", *flags, *own, "--out", str(out)]) == 0
    assert main(["resume", str(out), "--steps", "2"]) == 0
    ganwright.load(out, device="cpu")
    (tmp_path / "home/ganwright/trusted.json").unlink()  # as on another machine
    assert main(["sample", str(out), "-n", "4"]) == 2
    assert main(["sample", str(out), "-n", "4", "--trust"]) == 0
    assert main(["resume", str(out), "--steps", "3"]) == 0


@pytest.mark.parametrize(
    "path",
    [
        *("os.system", "ganwright.atomic.os.system", "torch.nn.init.torch.load", "torch.hub.load"),
        *("ganwright.run.train.train", "torch.nn.modules.module.warnings.warn", "builtins.exec"),
        *("stranger_loss.os.system", "__main__.exit"),
    ],
)
def test_no_way_leads_from_allowed_modules_to_others(path: str, stranger: Path) -> None:
    with trust.reading_file(), pytest.raises(SettingsError):
        resolved(path)


@pytest.mark.parametrize(
    "path", ["ganwright.losses.Hinge", "torch.nn.Linear", "torchvision.models.resnet18"]
)
def test_classes_of_the_library_and_torchs_layers_need_no_asking(path: str) -> None:
    with trust.reading_file():
        assert resolved(path).__name__ == path.rpartition(".")[2]


def test_a_home_that_cannot_be_written_only_asks_again(
    stranger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with trust.trusting(True):
        from_yaml(CONFIG)
    with pytest.raises(SettingsError, match="--trust"):
        from_yaml(CONFIG)


def test_members_of_a_zip_file_do_not_escape(tmp_path: Path) -> None:
    inside = tmp_path / "deep" / "er"
    inside.mkdir(parents=True)
    wrong_files.photo(tmp_path / "photo.png")
    content = (tmp_path / "photo.png").read_bytes()
    with zipfile.ZipFile(inside / "evil.zip", "w") as archive:
        for name in ("../../up.png", "/absolute.png", "..\\back.png", "C:\\drive.png", "in.png"):
            archive.writestr(name, content)
    before = sorted(tmp_path.rglob("*"))
    data = open_data(str(inside / "evil.zip"), task=Images, options=DataOptions(image_size=8))
    assert data.spec.count == 5
    assert data.batch(0, 5).images.shape == (5, 3, 8, 8)
    assert sorted(tmp_path.rglob("*")) == before


def test_limits_refuse_bombs_and_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    check(100)
    check_unpacked(1600)
    with pytest.raises(Image.DecompressionBombError):
        check(101)
    with pytest.raises(OSError, match="--max-megapixels 0 allows any"):
        check_unpacked(1601)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    check(10**15)
    check_unpacked(10**15)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    wrong_files.zip_bomb(tmp_path / "bomb.zip", tmp_path)
    with pytest.raises(DataError, match=r"unpacks to 4,000,000,000, which no zip file does"):
        open_data(str(tmp_path / "bomb.zip"), task=Images)


def test_what_has_no_room_in_memory_is_a_sentence() -> None:
    sentence = r"out of memory; lower .*1,024\.0 TiB"
    with pytest.raises(SettingsError, match=sentence), shortage_named():
        torch.empty(1 << 50, dtype=torch.uint8)


def test_a_run_keeps_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        name: f"secret-{i}-of-this-user"
        for i, name in enumerate(
            ["HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "COMET_API_KEY", "PASSWORD"]
        )
    }
    for name, secret in secrets.items():
        monkeypatch.setenv(name, secret)
    out = tmp_path / "run"
    made = ganwright.train("dcgan", out=out, **QUICK, networks=CONV, quiet=True)
    made.save_pretrained(tmp_path / "shared")
    assert main(["sample", str(out), "-n", "4", "--device", "cpu"]) == 0
    assert main(["report", str(out)]) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"config.yaml", "report.html", "training.pt", "README.md"} <= {f.name for f in files}
    found = [f for f in files for s in secrets.values() if s.encode() in f.read_bytes()]
    assert found == []


def test_a_shared_model_runs_no_code(tmp_path: Path, stranger: Path) -> None:
    made = ganwright.train("dcgan", out=tmp_path / "run", **QUICK, networks=CONV, quiet=True)
    shared = made.save_pretrained(tmp_path / "shared")
    file = shared / "config.yaml"
    known = yaml.safe_load(file.read_text(encoding="utf-8"))
    known["game"]["loss"] = "stranger_loss.Loss()"
    file.write_text(yaml.safe_dump(known), encoding="utf-8")
    with pytest.raises(SettingsError, match="--trust"):
        ganwright.from_pretrained(shared, device="cpu")
    assert not stranger.exists()
    ganwright.from_pretrained(shared, device="cpu", trust=True)
    assert stranger.is_dir()
