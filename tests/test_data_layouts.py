"""Every layout of files that the documentation lists is taken for what it says."""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganwright.data import Data, DataOptions, Images, Paired, Unpaired, open_data
from ganwright.data.messages import counted
from ganwright.errors import DataError
from layouts import KINDS, LAYOUTS, Layout

ROWS = [layout for rows in LAYOUTS.values() for layout in rows]
NAMES = [f"{layout.files[:60]}{layout.data}-{layout.task}" for layout in ROWS]
TASKS: dict[str, type] = {"images": Images, "pairs": Paired, "domains": Unpaired}
PLACED = ("pipe", "gone", "up", "self", "elsewhere", "file", "again")


def pixels(kind: str) -> Any:
    """The pixels of a kind of image; blocks of class numbers, else noise."""
    rng = np.random.default_rng(0)
    shape = {"wide": (8, 16), "large": (10, 12)}.get(kind, (8, 8))
    blocks = np.arange(16).reshape(4, 4).repeat(2, 0).repeat(2, 1) % 5
    if kind in ("classes", "numbers"):
        return blocks
    if kind == "ignored":
        return np.where(np.eye(8) > 0, 255, blocks)
    if kind == "high":
        return blocks % 3 * 80
    if kind == "trimap":
        return np.array([0, 128, 255])[blocks % 3]
    if kind == "ink":
        return blocks % 2 * 255
    if kind == "dim":
        return np.linspace(20, 60, 64).reshape(8, 8)
    return rng.integers(0, 256, (*shape, *(() if kind == "grey" else (3,))))


def image(kind: str) -> Image.Image:
    """A image of a kind."""
    if kind == "16bit":
        return Image.fromarray(np.full((8, 8), 40_000, np.uint16))
    if kind == "ids":
        classes = pixels("classes")
        return Image.fromarray(np.where(classes, classes * 1000 + 3, 0).astype(np.uint16))
    image = Image.fromarray(pixels(kind).astype(np.uint8))
    if kind == "numbers":
        image.putpalette([k for k in range(256) for _ in "rgb"])
    modes = {"bilevel": "1", "see-through": "RGBA", "inks": "CMYK"}
    return image.convert(modes.get(kind, image.mode))


def put(path: Path, kind: str, outside: Path) -> None:
    """One file of a layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind in ("broken", "text", "empty"):
        path.write_bytes(b"" if kind == "empty" else b"no image")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind in PLACED:
        path.symlink_to(
            {
                "gone": path.parent / "nowhere",
                "up": Path(".."),
                "self": Path("."),
                "elsewhere": outside,
                "file": outside / "0.png",
                "again": Path("0.png"),
            }[kind]
        )
    elif kind == "moving":
        first, second = (Image.new("L", (8, 8), colour) for colour in (0, 200))
        first.save(path, save_all=True, append_images=[second])
    else:
        image(kind).save(path)


def made(layout: Layout, tmp_path: Path) -> Path:
    """The folder of a layout."""
    root, outside = tmp_path / "data", tmp_path / "outside"
    for i in range(2):
        put(outside / f"{i}.png", "", outside)
    for file in layout.files.split():
        path, _, kind = file.partition("=")
        assert not kind or kind in KINDS
        # names are UTF-8 whatever the locale takes for the encoding of names
        put(root / os.fsdecode(path.encode()), kind, outside)
    return root


def said(root: Path, layout: Layout) -> tuple[str, str]:
    """What the data is taken for, and all that is said of it."""
    options = DataOptions(**dict(layout.options))  # type: ignore[arg-type]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = open_data(f"{root}{layout.data}", task=TASKS[layout.task], options=options)
        assert isinstance(data, Data)
        data.batch(0, 2)
    except DataError as error:
        return f"refused: {error}".replace(str(root), "DATA"), ""
    return summary(data), " | ".join(data.notes).replace(str(root), "DATA")


def summary(data: Data) -> str:
    """What batches hold, in the words of the table."""
    spec, test = data.spec, data.splits().get("test", 0)
    shapes = " and ".join("x".join(map(str, s)) for s in (spec.shape, spec.target) if s)
    if spec.task is Unpaired:
        counts = next(note for note in data.notes if note.startswith("data: "))
        a, b = re.findall(r"(\d+) of [ab]", counts)
        text = f"{a} and {b} images of {shapes}"
    else:
        text = f"{counted(spec.count, 'pair' if spec.task is Paired else 'image')} of {shapes}"
    for key, maps in (("a", spec.label_map), ("b", spec.target_map)):
        if maps is not None:
            ignored = "" if maps.ignore is None else f" ({maps.ignore} is no class)"
            text += f", {key} label maps of {maps.named()}{ignored}"
    text += f", classes {', '.join(spec.classes)}" if spec.classes else ""
    return text + (f", {test} for testing" if test else "")


@pytest.mark.parametrize("layout", ROWS, ids=NAMES)
def test_a_layout_is_taken_for_what_the_documentation_says(layout: Layout, tmp_path: Path) -> None:
    text, notes = said(made(layout, tmp_path), layout)
    if layout.says.startswith("refused: "):
        assert text.startswith(layout.says)
        assert "\n" not in text
    else:
        assert text == layout.says
    assert layout.note in notes
    if "?splits=" in layout.data:
        assert "?splits=" not in notes


def zippable(layout: Layout) -> bool:
    """Whether its files can stand in an archive."""
    return not any(file.partition("=")[2] in PLACED for file in layout.files.split())


@pytest.mark.parametrize("style", ["folder/", "folder\\"])
def test_archives_are_taken_for_what_folders_are(style: str, tmp_path: Path) -> None:
    for number, layout in enumerate(filter(zippable, ROWS)):
        root = made(layout, tmp_path / str(number))
        archive = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(p for p in root.rglob("*") if p.is_file()):
                info = zipfile.ZipInfo("x")
                name = os.fsencode(path.relative_to(root)).decode()
                info.filename = style[:-1] + style[-1] + name.replace("/", style[-1])
                info.flag_bits = 0x800
                file.writestr(info, path.read_bytes())
        text, _ = said(archive, layout)
        if "refused" not in layout.says:
            assert text == layout.says, layout


def test_no_layout_stands_twice() -> None:
    assert len(set(ROWS)) == len(ROWS) >= 60
