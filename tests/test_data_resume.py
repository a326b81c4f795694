"""A run knows its data: other data is named and refused, and data may move."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import CONV, FULL, tensors
from PIL import Image

import ganwright
from ganwright.cli import main
from ganwright.data import Data, DataOptions, Images, Paired, open_data
from ganwright.data import named as sources
from ganwright.data.fingerprint import differences
from ganwright.errors import DataError, RunError

QUICK: dict[str, Any] = {
    "image_size": 8, "batch_size": 2, "device": "cpu", "precision": "fp32", "workers": 0,
}  # fmt: skip


def opened(source: Any, task: type = Images, size: int | None = None, **options: Any) -> Data:
    chosen = DataOptions(**({"workers": 0, "image_size": size} | options))
    return open_data(source, task=task, options=chosen)


def write(path: Path, size: tuple[int, int] = (8, 8), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def pets(folder: Path, *names: str) -> Path:
    for name in names or ("cat", "dog"):
        for i in range(3):
            write(folder / name / f"{i}.png")
    return folder


def trained(data: Any, out: Path, family: str = "dcgan", **settings: Any) -> ganwright.Model:
    return ganwright.train(
        family, data=data, out=out, steps=1, **(QUICK | {"networks": CONV} | settings), quiet=True
    )


def changed(folder: Path, change: Any) -> list[str]:
    """How the fingerprint says that a folder differs after a change."""
    before = json.loads(json.dumps(opened(str(folder), size=8).fingerprint))
    change()
    return differences(before, opened(str(folder), size=8).fingerprint)


def test_unchanged_data_has_no_differences(tmp_path: Path) -> None:
    pets(tmp_path / "pets")
    assert changed(tmp_path / "pets", lambda: None) == []
    for name in ("digits", "digits-paired", "digits?low=2", "digits?stack=3"):
        task = Paired if "low" in name or "paired" in name else Images
        assert differences(opened(name, task).fingerprint, opened(name, task).fingerprint) == []


def test_each_change_of_a_folder_is_named(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets")

    def add() -> None:
        for i in (3, 4, 5):
            write(folder / "cat" / f"{i}.png")

    assert changed(folder, add) == ["3 files were added, for example cat/3.png"]
    assert changed(folder, (folder / "cat" / "3.png").unlink) == [
        "1 file was removed, for example cat/3.png"
    ]
    assert changed(folder, lambda: write(folder / "dog" / "1.png", (20, 20))) == [
        "1 file was changed, for example dog/1.png"
    ]
    assert changed(folder, lambda: os.rename(folder / "cat", folder / "wolf")) == [
        "class cat is now wolf"
    ]
    assert changed(folder, lambda: pets(folder, "emu", "fox")) == ["2 classes are new (emu, fox)"]
    assert changed(folder, lambda: shutil.rmtree(folder / "fox")) == ["1 class is gone (fox)"]


def test_a_difference_in_the_test_split_says_where(tmp_path: Path) -> None:
    pets(tmp_path / "train")
    pets(tmp_path / "test")
    assert changed(tmp_path, lambda: write(tmp_path / "test" / "dog" / "9.png")) == [
        "1 file was added, for example test/dog/9.png in the test split"
    ]
    assert changed(tmp_path, lambda: shutil.rmtree(tmp_path / "test")) == ["the test split is gone"]


def test_of_very_many_files_a_hash_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganwright.data.fingerprint.MOST_FILES", 5)
    folder = pets(tmp_path / "pets")
    assert "files" not in opened(str(folder)).fingerprint["train"][0]
    assert changed(folder, lambda: write(folder / "dog" / "1.png", (20, 20))) == [
        "the images are other ones"
    ]
    assert changed(folder, lambda: write(folder / "dog" / "9.png")) == [
        "there are 7 images and there were 6"
    ]


def test_a_zip_has_the_names_and_sizes_of_its_files(tmp_path: Path) -> None:
    folder, archive = pets(tmp_path / "pets"), tmp_path / "pets.zip"

    def pack() -> None:
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(folder.rglob("*.png")):
                file.write(path, path.relative_to(folder))

    pack()
    assert differences(opened(str(folder)).fingerprint, opened(str(archive)).fingerprint) == []
    write(folder / "dog" / "9.png")
    assert changed(archive, pack) == ["1 file was added, for example dog/9.png"]


class Mine(torch.utils.data.Dataset[Any]):
    def __init__(self, labels: list[Any]) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return torch.zeros(1, 4, 4, dtype=torch.uint8), self.labels[index]


class Yours(Mine):
    pass


ZEROS = torch.zeros(6, 1, 4, 4, dtype=torch.uint8)
GIVEN: list[tuple[Any, Any, list[str]]] = [
    (ZEROS, ZEROS.clone(), []),
    (ZEROS, ZEROS + 1, ["the images are other ones"]),
    (ZEROS, ZEROS[:5], ["there are 5 images and there were 6"]),
    (ZEROS, ZEROS[..., :3], ["the shape of an image is [1, 4, 3] and was [1, 4, 4]"]),
    (ZEROS, ZEROS.float(), ["the type is float32 and was uint8"]),
    ((ZEROS, [0, 1] * 3), (ZEROS, [1, 0] * 3), ["the labels are other ones"]),
    (Mine([0, 1]), Mine([0, 1]), []),
    (Mine([0, 1]), Yours([0, 1]), ["the type is Yours and was Mine"]),
    (Mine([0, 1]), Mine([1, 0]), ["the labels are other ones"]),
    (Mine(["a", "b"]), Mine(["a", "c"]), ["class b is now c"]),
    ("digits", "glyphs", ["it is glyphs and was digits"]),
    (ZEROS, "digits", ["it is digits and was data given in Python"]),
    ("digits?low=2", "digits?low=4", ["its option low is 4 and was 2"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "phrases"), GIVEN, ids=[str(g[2]) for g in GIVEN])
def test_each_change_of_other_data_is_named(old: Any, new: Any, phrases: list[str]) -> None:
    task = Paired if "low" in str(old) else Images
    marks = json.loads(json.dumps(opened(old, task).fingerprint))
    assert differences(marks, opened(new, task).fingerprint) == phrases


def test_of_large_tensors_a_part_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganwright.data.fingerprint.HASHED", 3 * 16)
    pictures = ZEROS.clone()
    before = opened(pictures).fingerprint
    pictures[5] = 9
    assert differences(before, opened(pictures).fingerprint) == ["the images are other ones"]


def test_a_resumed_run_refuses_other_data_and_goes_on_with_its_own(tmp_path: Path) -> None:
    run, folder = tmp_path / "run", pets(tmp_path / "pets")
    trained(str(folder), run, "cgan", networks=FULL)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    os.rename(folder / "cat", folder / "wolf")
    with pytest.raises(
        RunError, match=r"not the data .* trained on: class cat is now wolf; restore"
    ):
        ganwright.resume(run, steps=2, quiet=True)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    os.rename(folder / "wolf", folder / "cat")
    assert ganwright.resume(run, steps=2, quiet=True).step == 2


def test_given_data_is_compared_too(tmp_path: Path) -> None:
    pictures = torch.arange(6, dtype=torch.uint8)[:, None, None].expand(-1, 8, 8).contiguous()
    trained(pictures, tmp_path / "run")
    with pytest.raises(RunError, match="the images are other ones"):
        ganwright.resume(tmp_path / "run", steps=2, data=pictures + 1, quiet=True)
    with pytest.raises(RunError, match="it is digits and was data given in Python"):
        ganwright.resume(tmp_path / "run", steps=2, data="digits", quiet=True)
    assert ganwright.resume(tmp_path / "run", steps=2, data=pictures, quiet=True).step == 2


def test_a_relative_path_holds_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    trained("pets", Path("run"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert ganwright.resume(tmp_path / "run", steps=2, quiet=True).step == 2
    # All of it moved together: then the path is again what it was.
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("pets", "run"):
        os.rename(tmp_path / name, moved / name)
    monkeypatch.chdir(moved)
    assert ganwright.resume("run", steps=3, quiet=True).step == 3


def test_moved_data_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    trained(pets(tmp_path / "pets"), run)
    shutil.copytree(run, tmp_path / "whole")
    ganwright.resume(tmp_path / "whole", steps=3, quiet=True)
    os.rename(tmp_path / "pets", tmp_path / "moved")
    assert main(["resume", str(run), "--steps", "2"]) == 2
    said = capsys.readouterr().err
    assert f"not at {tmp_path / 'pets'}; if it was moved, name its place with --data" in said
    assert main(["resume", str(run), "--steps", "2", "--data", str(tmp_path / "moved")]) == 0
    # The new place is remembered, and the run is the one that never moved.
    assert ganwright.resume(run, steps=3, quiet=True).step == 3
    one, other = tensors(run), tensors(tmp_path / "whole")
    assert all(torch.equal(one[name], other[name]) for name in one)
    pets(tmp_path / "other", "cat", "emu")
    with pytest.raises(RunError, match="class dog is now emu"):
        ganwright.resume(run, steps=4, data=tmp_path / "other", quiet=True)


def test_options_of_the_data_may_not_change(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets")
    trained(str(folder), tmp_path / "run")
    with pytest.raises(RunError, match=r"its option jitter is 1\.5 and was 1\.0"):
        ganwright.resume(tmp_path / "run", steps=2, data=f"{folder}?jitter=1.5", quiet=True)


def test_paths_may_be_objects(tmp_path: Path) -> None:
    class Place(os.PathLike[str]):
        def __fspath__(self) -> str:
            return str(tmp_path / "pets")

    pets(tmp_path / "pets")
    for name, path in (("one", tmp_path / "pets"), ("two", Place())):
        trained(path, tmp_path / name)
        assert ganwright.resume(tmp_path / name, steps=2, quiet=True).step == 2


def test_runs_of_older_versions_are_not_checked(tmp_path: Path) -> None:
    run, folder = tmp_path / "run", pets(tmp_path / "pets")
    trained(str(folder), run)
    os.rename(folder / "cat", folder / "wolf")
    (run / "data.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"data\.json cannot be read .*remove it to resume"):
        ganwright.resume(run, steps=2, quiet=True)
    (run / "data.json").unlink()
    assert ganwright.resume(run, steps=2, quiet=True).step == 2


def test_the_home_folder_may_be_written_as_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    pets(tmp_path / "pets")
    assert opened("~/pets").spec.classes == ("cat", "dog")
    assert opened(Path("~/pets")).spec.classes == ("cat", "dog")
    home, pair = str(tmp_path), "~/a -> digits?low=2"
    assert sources.absolute(pair) == f"{home}/a->digits?low=2"
    assert sources.absolute("hf:a/b") == "hf:a/b"
    with pytest.raises(DataError, match=f"mnist is not in the folder {home}/sets"):
        opened("mnist", data_root=Path("~/sets"))
    with pytest.raises(DataError, match="no folder or zip file ~nobody-of-that-name/x"):
        opened("~nobody-of-that-name/x")


def test_small_pictures_are_found_before_the_folder_is_made(tmp_path: Path) -> None:
    for i in range(4):
        write(tmp_path / "sr" / "train" / f"{i}.png", (16, 16))
        write(tmp_path / "sr" / "test" / f"{i}.png", (12, 16 if i else 12))
    text, run = f"{tmp_path / 'sr'}?low=4", tmp_path / "run"
    with pytest.raises(DataError, match=r"4 images are not of 16x16 or more: .*0\.png is 12x12"):
        opened(text, Paired, 16)
    argv = ["train", "srgan", "--data", text, "--image-size", "16", "--out", str(run)]
    assert main(argv) == 2
    assert not run.exists()
    with pytest.warns(UserWarning, match="skipped 4 images not of 16x16 or more"):
        data = opened(text, Paired, 16, on_bad_file="skip")
    assert data.held_out(4) is None
    assert len(data.preview(4).a) == 4
    write(tmp_path / "sr" / "test" / "0.png", (16, 16))
    with pytest.warns(UserWarning, match="skipped 3 images"):
        held = opened(text, Paired, 16, on_bad_file="skip").held_out(4)
    assert held is not None
    assert len(held.a) == 1


def test_small_training_pictures_may_be_passed_over(tmp_path: Path) -> None:
    for i, side in enumerate((16, 12, 16)):
        write(tmp_path / f"{i}.png", (side, side), seed=i)
    with pytest.warns(UserWarning, match=r"skipped 1 image not of 16x16 or more: .*1\.png is 12"):
        data = opened(f"{tmp_path}?crop=random", size=16, on_bad_file="skip")
    assert data.spec.count == 2
    with (
        pytest.warns(UserWarning, match="skipped 3 images"),
        pytest.raises(DataError, match=r"no image of .* is as large as 32x32"),
    ):
        opened(f"{tmp_path}?crop=random", size=32, on_bad_file="skip")


def test_test_pictures_of_another_size_are_named(tmp_path: Path) -> None:
    write(tmp_path / "train" / "0.png", (16, 16))
    write(tmp_path / "test" / "0.png", (16, 20))
    with pytest.raises(DataError, match=r"1 image is not of 16x16: .*0\.png is 16x20; give an -"):
        opened(str(tmp_path))
    assert opened(str(tmp_path), size=16).held_out(1) is not None


def test_a_broken_test_picture_leaves_no_folder(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train" / "0.png")
    write(tmp_path / "data" / "train" / "1.png")
    write(tmp_path / "data" / "test" / "0.png")
    bad = tmp_path / "data" / "test" / "0.png"
    bad.write_bytes(bad.read_bytes()[:150])
    with pytest.raises(DataError, match=r"1 image cannot be used: .*0\.png \(.*truncated"):
        trained(str(tmp_path / "data"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_option_that_the_version_of_the_run_did_not_know_is_its_default(
    tmp_path: Path,
) -> None:
    trained("digits", tmp_path / "run")
    file = tmp_path / "run" / "data.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    del data["fingerprint"]["options"]["signals"]
    file.write_text(json.dumps(data), encoding="utf-8")
    assert ganwright.resume(tmp_path / "run", steps=2, quiet=True).step == 2
