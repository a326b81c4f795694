"""Shared models: whole after a round trip, with a card, and without a way to run code."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from socket import AF_INET, socket
from typing import Any

import hub
import pytest
import torch
import yaml
from helpers import FULL
from test_cli import QUICK
from test_config import TOY, Toy

import ganwright
from ganwright import atomic
from ganwright.app.watching import Watcher
from ganwright.cli import main
from ganwright.config.registry import resolved
from ganwright.config.trust import reading_file
from ganwright.errors import RunError, SettingsError
from ganwright.inference.model import Model
from ganwright.inference.model_card import card
from ganwright.inference.pretrained import FILES, nameless
from ganwright.run.load import load


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    small = ["--game.networks", "ConvNet(width=4)"]
    assert main(["train", "acgan", *QUICK, *small, "--out", str(out)]) == 0
    rows: list[dict[str, Any]] = [
        {"name": "FID", "value": 99.0, "step": 2, "reference": "digits (train)"},
        {"name": "FID", "value": 12.3456, "step": 4, "reference": "digits (test)"},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (out / "evaluation.jsonl").write_text(lines, encoding="utf-8")
    return out


@pytest.fixture
def model(run: Path) -> Model:
    return load(run, device="cpu")


@pytest.fixture
def shared(model: Model, tmp_path: Path) -> Path:
    return model.save_pretrained(tmp_path / "shared")


def test_a_model_comes_back_as_it_was(model: Model, shared: Path) -> None:
    assert sorted(p.name for p in shared.iterdir()) == sorted(FILES)
    model.game.to(memory_format=torch.channels_last)  # as on a GPU
    model.save_pretrained(shared, overwrite=True)
    again = ganwright.from_pretrained(shared, device="cpu")
    assert (again.family, again.step, again.spec) == ("acgan", 4, model.spec)
    assert torch.equal(again.sample(9, labels=3), model.sample(9, labels=3))
    images = model.sample(5)
    assert torch.equal(again.classify(images), model.classify(images))
    # The averages, not the raw weights, and again from what was loaded.
    assert not torch.equal(load(model.run, device="cpu", raw=True).sample(4), again.sample(4))
    further = again.save_pretrained(shared.parent / "further")
    assert (further / "model.safetensors").read_bytes() == (
        shared / "model.safetensors"
    ).read_bytes()


def test_a_run_folder_is_not_made_a_shared_model(run: Path, model: Model) -> None:
    """Its settings were those that are published, and no command took it for a run any more."""
    before = (run / "config.yaml").read_bytes()
    with pytest.raises(RunError, match=r"is a run folder, whose config\.yaml a shared"):
        model.save_pretrained(run, overwrite=True)
    assert (run / "config.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("data", "shape", "task"),
    [
        ("digits", "[16, 1, 8, 8] in [-1, 1]", "unconditional-image-generation"),
        ("ring", "[16, 2]", "other"),
        ("sines", "[16, 1, 64], as in the data", "other"),
        ("rows.csv", "[16, 4], as in the data", "other"),
    ],
)
def test_a_card_tells_what_samples_are(
    data: str, shape: str, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a,b\n" + "1,x\n2,y\n3,z\n" * 8, encoding="utf-8")
    small: dict[str, Any] = {"networks": FULL, "steps": 1, "batch_size": 4, "image_size": 8}
    model = ganwright.train("gan", data=data, out="run", device="cpu", **small)
    text = (model.save_pretrained("shared") / "README.md").read_text(encoding="utf-8")
    assert f"pipeline_tag: {task}\n" in text
    (line,) = re.findall(r"^\w+ = (model\..*sample.*)$", text, re.MULTILINE)
    assert line.endswith(f"  # {shape}")
    made = eval(line, {"model": ganwright.from_pretrained("shared")})
    assert f"{list(made.shape)}" == shape[: shape.index("]") + 1]


def test_a_run_begins_with_what_was_shared(shared: Path, tmp_path: Path) -> None:
    """`resume` trained it from scratch, and `restyle` named a folder that training refused."""
    again = ganwright.from_pretrained(shared, device="cpu")
    cfg = {"networks": again.game.cfg.networks, **again.init}
    small: dict[str, Any] = {"steps": 1, "batch_size": 4, "image_size": 8, "device": "cpu"}
    out = tmp_path / "next"
    ganwright.train("acgan", out=out, data="digits", **cfg, **small, quiet=True)
    origin = json.loads((out / "origin.json").read_text(encoding="utf-8"))
    assert origin["place"] == str(shared / "model.safetensors")
    spaced = shared.rename(tmp_path / "my model")
    with pytest.raises(RunError, match=r"--init '.*my model/model\.safetensors'` starts from it"):
        ganwright.resume(spaced, quiet=True)
    assert sorted(p.name for p in spaced.iterdir()) == sorted(FILES)
    with socket(AF_INET) as server, pytest.raises(RunError, match="is a shared model, not a run"):
        Watcher(spaced, server, None)


def test_a_run_that_holds_a_shared_model_stays_a_run(
    model: Model, shared: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(model.run, run)
    shutil.copy(shared / "model.safetensors", run)
    assert load(run, device="cpu").step == 4


def test_nothing_is_replaced_unasked(model: Model, shared: Path) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in shared.iterdir()}
    with pytest.raises(RunError, match=r"holds model\.safetensors; .* overwrite=True"):
        model.save_pretrained(shared)
    assert {p.name: p.stat().st_mtime_ns for p in shared.iterdir()} == before
    model.save_pretrained(shared, overwrite=True)


def test_a_full_disk_leaves_the_model_that_was_there(
    model: Model, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own weights under another configuration would be another model."""
    before = {name: f"another model's {name}".encode() for name in FILES}
    for name, data in before.items():
        (shared / name).write_bytes(data)
    opened = atomic.opened

    def full(path: Path) -> Any:
        if path.suffix == ".safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path)

    monkeypatch.setattr(atomic, "opened", full)
    with pytest.raises(RunError, match="shared cannot be written: no space left on the disk"):
        model.save_pretrained(shared, overwrite=True)
    assert {p.name: p.read_bytes() for p in shared.iterdir()} == before


def test_the_card_says_what_is_known(shared: Path) -> None:
    text = (shared / "README.md").read_text(encoding="utf-8")
    head, body = text.removeprefix("---\n").split("\n---\n", 1)
    about = yaml.safe_load(head)
    assert about["library_name"] == "ganwright"
    assert about["tags"] == ["gan", "acgan", "safetensors"]
    assert "license" not in about
    assert "# license: choose one" in head
    assert "trained on digits" in body
    assert "arxiv.org/abs/1610.09585" in body
    assert "trained for 4 steps" in body
    assert "10 classes: 0, 1, 2" in body
    assert "| FID | 12.35 | digits (test) |" in body
    assert "ConvNet(" in body
    assert "width=4" in body


def test_the_card_leaves_out_a_count_that_is_not_known(model: Model, tmp_path: Path) -> None:
    """An iterable without a length has the count 0."""
    assert "- `digits`, 1,617 training items of shape 1x8x8\n" in card(model, {}, "x")
    endless = dataclasses.replace(model.spec, count=0)
    endless_model = Model(model.family, model.game, endless, model.step, model.run)
    assert "- `digits`, training items of shape 1x8x8\n" in card(endless_model, {}, "x")


def test_folders_of_the_machine_are_not_published(model: Model, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(model.run, run)
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    config |= {"data": "/home/me/cats/?split=yes", "data_root": "C:\\me\\sets"}
    config["init"] = "/home/me/runs/cats@sha256:abc"
    config["game"] |= {"prior": "/home/me/runs/faces", "loss": ["/home/me/a.npz", "Hinge()"]}
    config["game"]["content"] = "VGG(layer='relu5_4', weights='/home/me/vgg.pth', scale=0.08)"
    config["game"]["student"] = "mine.make(weights='C:\\\\me\\\\c.pt', name=\"own/c.pt\")"
    (run / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    moved = Model(model.family, model.game, model.spec, model.step, run)
    shared = moved.save_pretrained(tmp_path / "shared")
    kept = yaml.safe_load((shared / "config.yaml").read_text(encoding="utf-8"))
    assert (kept["data"], kept["data_root"]) == ("cats?split=yes", "sets")
    assert kept["init"] == "cats@sha256:abc"
    game = kept["game"]
    assert (game["prior"], game["loss"]) == ("faces", ["a.npz", "Hinge()"])
    assert game["content"] == "VGG(layer='relu5_4', weights='vgg.pth', scale=0.08)"
    assert game["student"] == "mine.make(weights='c.pt', name=\"own/c.pt\")"
    assert game["optimizer_g"] == config["game"]["optimizer_g"]
    page = (shared / "README.md").read_text(encoding="utf-8")
    assert "/me" not in page.replace(str(tmp_path), "")
    assert nameless("tar:/home/me/shards/*.tar") == "tar:*.tar"
    assert [nameless(x) for x in ("~/cats", "digits", "hf:me/cats", "data/cats")] == [
        "cats",
        "digits",
        "hf:me/cats",
        "data/cats",
    ]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_only_safetensors_are_read(shared: Path, name: str) -> None:
    (shared / "model.safetensors").rename(shared / name)
    with pytest.raises(RunError, match=f"holds {name}, and reading it could run code"):
        ganwright.from_pretrained(shared)
    (shared / name).rename(shared / "elsewhere")
    with pytest.raises(RunError, match=r"holds no model\.safetensors"):
        ganwright.from_pretrained(shared)
    torch.save({"G": torch.zeros(1)}, shared / "model.safetensors")
    with pytest.raises(RunError, match="cannot be read as safetensors"):
        ganwright.from_pretrained(shared)


def test_settings_run_no_code_unless_asked(shared: Path) -> None:
    file = shared / "config.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    evil = config | {"game": config["game"] | {"networks": "Custom(D=subprocess.call)"}}
    file.write_text(yaml.safe_dump(evil), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"subprocess\.call is code of .* trust=True"):
        ganwright.from_pretrained(shared)
    file.write_text(yaml.safe_dump(config | {"family": TOY, "game": {}}), encoding="utf-8")
    trusted = Path(os.environ["XDG_CONFIG_HOME"]) / "ganwright" / "trusted.json"
    trusted.unlink(missing_ok=True)  # as if no test had trained with it
    with pytest.raises(SettingsError, match="is code of the module"):
        ganwright.from_pretrained(shared)
    with pytest.raises(RunError, match="does not fit the family's networks"):
        ganwright.from_pretrained(shared, trust=True, device="cpu")
    with reading_file(), pytest.raises(SettingsError):
        resolved("os.getcwd")
    assert resolved("os.getcwd")() == str(Path.cwd())


def test_a_family_of_your_own_is_passed(tmp_path: Path) -> None:
    assert main(["train", TOY, *QUICK, "--out", str(tmp_path / "toy")]) == 0
    model = load(tmp_path / "toy", device="cpu")
    shared = model.save_pretrained(tmp_path / "shared")
    again = ganwright.from_pretrained(shared, game=Toy, device="cpu")
    assert torch.equal(again.sample(3), model.sample(3))


def test_shapes_are_numbers(shared: Path) -> None:
    spec = json.loads((shared / "spec.json").read_text(encoding="utf-8"))
    spec["shape"] = ["sh", "-c", "true"]
    (shared / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    with pytest.raises(RunError, match=r"spec\.json cannot be read"):
        ganwright.from_pretrained(shared)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[hub.Hub]:
    """A hub on loopback, and no other; nothing of the user's cache or account is used."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with hub.running() as server:
        yield server


def test_a_model_goes_over_the_hub(model: Model, server: hub.Hub, tmp_path: Path) -> None:
    where: dict[str, Any] = {"endpoint": server.endpoint, "token": "hf_secret"}
    url = model.push_to_hub("me/tiny", **where)
    assert url == f"{server.endpoint}/me/tiny/commit/{server.commit('me/tiny')}"
    assert server.tokens == {"Bearer hf_secret"}
    held = server.repos["me/tiny"]
    assert {name for name in held if name != ".gitattributes"} == set(FILES)
    assert b'ganwright.from_pretrained("me/tiny")' in held["README.md"]
    held["pytorch_model.bin"] = b"never fetched"
    again = ganwright.from_pretrained("me/tiny", device="cpu", **where)
    assert torch.equal(again.sample(4), model.sample(4))
    assert sorted(server.fetched) == sorted(FILES)
    # The author's card stays when the model is uploaded again.
    held["README.md"] = b"# Mine"
    model.push_to_hub("me/tiny", **where)
    assert held["README.md"] == b"# Mine"


def test_what_the_hub_lacks_is_a_sentence(
    model: Model, server: hub.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="me/none is not a folder here, and cannot be loaded"):
        ganwright.from_pretrained("me/none", endpoint=server.endpoint, token="hf_x")
    with pytest.raises(RunError, match="tiny is not a folder, and not a repository"):
        ganwright.from_pretrained("tiny")
    with pytest.raises(RunError, match="the repository is 'tiny'; name it as owner/name"):
        model.push_to_hub("tiny")
