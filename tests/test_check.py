"""`ganwright data --check`: every file is decoded, and each bad one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from ganwright.cli import main
from ganwright.data import DataOptions, Images, open_data


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = torch.randint(0, 256, (24, 24, 3), dtype=torch.uint8).numpy()
    Image.fromarray(pixels).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        for i in range(6):
            picture(tmp_path / "pets" / split / ("cat" if i % 2 else "dog") / f"{i}.png")
    return tmp_path / "pets"


def test_whole_files_give_0(pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", str(pets), "--check"]) == 0
    said = capsys.readouterr().out
    assert "training  6\ntest      6\n" in said
    assert said.endswith("all of it can be read\n")


def test_every_bad_file_is_named(pets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four whose heads cannot be read, and two that end early, one of them in the test split."""
    for i in range(4):
        (pets / "train" / "cat" / f"bad{i}.png").write_bytes(b"none")
    early = [pets / "train" / "dog" / "0.png", pets / "test" / "cat" / "1.png"]
    for file in early:
        file.write_bytes(file.read_bytes()[:-300])
    assert main(["data", str(pets), "--check"]) == 2
    out, err = capsys.readouterr()
    named = [line.partition(" (")[0] for line in out.splitlines()]
    wanted = [*(str(pets / "train" / "cat" / f"bad{i}.png") for i in range(4)), *map(str, early)]
    assert named == wanted
    assert "6 of 16 images" in err
    assert "listed above" in err


def test_a_folder_without_a_readable_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0.png").write_bytes(b"none")
    assert main(["data", str(tmp_path), "--check"]) == 2
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / '0.png'} (not an image)\n"
    assert "1 image of" in err
    assert "without it, no image in" in err


def test_what_is_wrong_with_the_others_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/0.png", "b/0.png", "a/1.png"):
        picture(tmp_path / name)
    (tmp_path / "b" / "1.png").write_bytes(b"none")
    Image.new("RGB", (8, 4)).save(tmp_path / "b" / "0.png")
    assert main(["data", str(tmp_path), "--check", "--family", "pix2pix"]) == 2
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'b' / '1.png'} (not an image)\n"
    assert "1 image of" in err
    assert "without it, the pair" in err
    assert "differs in size" in err


def test_a_pack_has_the_size_of_the_family(pets: Path, tmp_path: Path) -> None:
    file = tmp_path / "pets.pack"
    assert main(["data", str(pets), "--family", "dcgan", "--pack", str(file)]) == 0
    options = DataOptions(image_size=32)
    packed, folder = (open_data(d, task=Images, options=options) for d in (file, pets))
    assert packed.spec == folder.spec
    assert torch.equal(packed.batch(0, 6).images, folder.batch(0, 6).images)


def test_a_file_in_the_way_and_data_in_memory_are_refused(
    pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pets.pack"
    file.write_bytes(b"mine")
    assert main(["data", str(pets), "--pack", str(file)]) == 2
    assert "exists; add --overwrite" in capsys.readouterr().err
    assert file.read_bytes() == b"mine"
    assert main(["data", "digits", "--pack", str(tmp_path / "digits.pack")]) == 2
    assert "in memory" in capsys.readouterr().err
