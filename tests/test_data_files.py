"""Files: every kind of picture, every layout of folders, and one sentence for every mistake."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.data import Data, DataOptions, Images, Paired, Unpaired, open_data
from ganwright.data.read.files import ZipOpener
from ganwright.errors import DataError


def opened(source: Any, task: type = Images, size: int | None = None, **options: Any) -> Data:
    return open_data(str(source), task=task, options=DataOptions(image_size=size, **options))


def only(source: Any, size: int | None = None, **settings: Any) -> torch.Tensor:
    """The one picture of a folder, [C, H, W] in 0 to 255."""
    images = opened(source, size=size, **settings).batch(0, 1).images
    return ((images[0] + 1) * 127.5).round().int()


def save(image: Image.Image, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def flat(value: Any, mode: str = "RGB", size: tuple[int, int] = (4, 4)) -> Image.Image:
    return Image.new(mode, size, value)


RED, GREY = (200, 10, 30), 90
MODES: list[tuple[str, Image.Image, str, list[int]]] = [
    ("grey", flat(GREY, "L"), "png", [GREY]),
    ("colour", flat(RED), "png", list(RED)),
    ("bilevel", flat(1, "1"), "png", [255]),
    ("palette", flat(RED).convert("P", palette=Image.Palette.ADAPTIVE), "png", list(RED)),
    ("opaque", flat((*RED, 255), "RGBA"), "png", list(RED)),
    ("transparent shows white", flat((*RED, 0), "RGBA"), "png", [255, 255, 255]),
    ("half transparent", flat((*RED, 128), "RGBA"), "png", [227, 132, 142]),
    ("grey and transparent", flat((GREY, 0), "LA"), "png", [255]),
    ("16 bits", Image.fromarray(np.full((4, 4), GREY * 257, np.uint16)), "png", [GREY]),
    ("16 bits, TIFF", Image.fromarray(np.full((4, 4), GREY * 257, np.uint16)), "tiff", [GREY]),
    ("CMYK", flat((0, 255, 255, 0), "CMYK"), "tiff", [255, 0, 0]),
    ("one frame of GIF", flat(RED).convert("P", palette=Image.Palette.ADAPTIVE), "gif", list(RED)),
    ("WebP", flat(RED), "webp", list(RED)),
]


@pytest.mark.parametrize(("name", "image", "suffix", "expected"), MODES, ids=[m[0] for m in MODES])
def test_every_kind_of_picture(
    name: str, image: Image.Image, suffix: str, expected: list[int], tmp_path: Path
) -> None:
    save(image, tmp_path / f"x.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    assert only(tmp_path)[:, 1, 2].tolist() == expected


def test_exif_rotation_is_heeded(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, 0] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6  # seen after a quarter turn to the right: the left column becomes the top row
    save(image, tmp_path / "x.png", exif=exif)
    shown = only(tmp_path)
    assert shown.shape == (3, 6, 4)
    assert shown[0, 0].tolist() == [255] * 4
    assert int(shown[:, 1:].max()) == 0


def chunks_behind(file: Path, kind: bytes) -> None:
    """Move a PNG's chunks of a kind behind its pixels, where the format allows them too."""
    data, at, parts = file.read_bytes(), 8, []
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        parts.append(data[at:end])
        at = end
    moved = [part for part in parts if part[4:8] == kind]
    rest = [part for part in parts if part[4:8] != kind]
    assert moved
    file.write_bytes(data[:8] + b"".join([*rest[:-1], *moved, rest[-1]]))


@pytest.mark.parametrize("behind", [False, True])
def test_rotation_of_sixteen_bits_of_colour_is_heeded(behind: bool, tmp_path: Path) -> None:
    rows = np.zeros((4, 6, 3), ">u2")
    rows[:, 0] = 60_001
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    exif = Image.Exif()
    exif[0x0112] = 6
    chunks = [
        (b"IHDR", struct.pack(">2I5B", 6, 4, 16, 2, 0, 0, 0)),
        (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        content += struct.pack(">I", len(body)) + kind + body
        content += struct.pack(">I", zlib.crc32(kind + body))
    (tmp_path / "x.png").write_bytes(content)
    if behind:
        chunks_behind(tmp_path / "x.png", b"eXIf")
    data = opened(tmp_path)
    assert data.spec.shape == (3, 6, 4)
    assert data.spec.levels is not None
    numbers = data.spec.levels.numbers(data.batch(0, 1).images[0])
    assert (numbers[:, 0] == 60_001).all()
    assert not numbers[:, 1:].any()


@pytest.mark.parametrize("bits", [8, 16])
def test_rotation_behind_the_pixels_is_heeded(bits: int, tmp_path: Path) -> None:
    pixels = np.zeros((4, 6), np.uint8 if bits == 8 else np.uint16)
    pixels[:, 0] = 2**bits - 1
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    save(image, tmp_path / "x.png", exif=exif)
    chunks_behind(tmp_path / "x.png", b"eXIf")
    for given in (tmp_path, [Image.open(tmp_path / "x.png")]):
        shown = open_data(given, task=Images).batch(0, 1).images[0]
        assert shown.shape == (1, 6, 4)
        assert shown[0, 0].tolist() == [1] * 4
        assert float(shown[0, 1:].max()) == -1


def test_one_colour_picture_makes_all_coloured(tmp_path: Path) -> None:
    save(flat(GREY, "L"), tmp_path / "a.png")
    save(flat(RED), tmp_path / "b.png")
    assert opened(tmp_path).spec.shape == (3, 4, 4)
    assert opened(tmp_path, channels=1).spec.shape == (1, 4, 4)


def test_channels_turn_grey_and_back(tmp_path: Path) -> None:
    save(flat(RED), tmp_path / "b.png")
    light = round(0.299 * RED[0] + 0.587 * RED[1] + 0.114 * RED[2])
    assert only(tmp_path, channels=1)[:, 0, 0].tolist() == [light]
    assert only(tmp_path).shape == (3, 4, 4)


def test_the_shorter_side_is_scaled_and_the_middle_cut_out(tmp_path: Path) -> None:
    pixels = np.zeros((8, 24), np.uint8)
    pixels[:, 8:16] = 200
    save(Image.fromarray(pixels), tmp_path / "x.png")
    shown = only(tmp_path, 4)
    assert shown.shape == (1, 4, 4)
    # What was cut off was black: bicubic lets it into the outer columns a little.
    assert (shown[0, :, 1:3] - 200).abs().max() <= 3
    assert int(shown.min()) > 150


def test_scaling_down_is_antialiased(tmp_path: Path) -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    save(Image.fromarray(board), tmp_path / "x.png")
    assert (only(tmp_path, 8) - 127.5).abs().max() < 8


def test_pictures_need_not_be_square(tmp_path: Path) -> None:
    save(flat(RED, size=(6, 4)), tmp_path / "x.png")
    assert opened(tmp_path).spec.shape == (3, 4, 6)


def test_class_folders_are_labels_in_the_order_of_numbers(tmp_path: Path) -> None:
    for value in (2, 10, 1):
        save(flat(value * 10, "L"), tmp_path / f"{value}" / "deep" / "x.png")
    data = opened(tmp_path)
    assert data.spec.classes == ("1", "2", "10")
    batch = data.batch(0, 3)
    assert batch.labels is not None
    levels = ((batch.images[:, 0, 0, 0] + 1) * 127.5).round()
    assert dict(zip(batch.labels.tolist(), levels.tolist(), strict=True)) == {0: 10, 1: 20, 2: 100}


def test_a_loose_picture_or_a_single_folder_means_no_labels(tmp_path: Path) -> None:
    save(flat(RED), tmp_path / "a" / "x.png")
    assert opened(tmp_path).spec.classes == ()
    save(flat(RED), tmp_path / "b" / "x.png")
    assert opened(tmp_path).spec.classes == ("a", "b")
    save(flat(RED), tmp_path / "x.png")
    assert opened(tmp_path).spec.classes == ()
    assert opened(tmp_path).spec.count == 3


def test_splits_and_hidden_files(tmp_path: Path) -> None:
    for split, value in (("Train", 10), ("val", 20), ("test", 30)):
        for label in "ab":
            save(flat(value, "L"), tmp_path / split / label / "x.png")
    save(flat(99, "L"), tmp_path / "Train" / "a" / "._x.png")
    save(flat(99, "L"), tmp_path / "__MACOSX" / "x.png")
    (tmp_path / "names.txt").write_text("a b", encoding="utf-8")
    data = opened(tmp_path)
    assert (data.spec.count, data.spec.classes) == (2, ("a", "b"))
    held = data.held_out(10)
    assert held is not None
    assert sorted(held.labels.tolist()) == [0, 1]
    assert ((held.images + 1) * 127.5).round().unique().tolist() == [30]


def test_a_zip_is_read_as_the_folder_inside(tmp_path: Path) -> None:
    for label, value in (("a", 10), ("b", 20)):
        save(flat(value, "L"), tmp_path / "in" / label / "x.png")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted((tmp_path / "in").rglob("*.png")):
            archive.write(path, Path("wrapped") / path.relative_to(tmp_path / "in"))
    folder, zipped = opened(tmp_path / "in"), opened(tmp_path / "all.zip")
    assert zipped.spec == folder.spec
    assert torch.equal(zipped.batch(3, 4).images, folder.batch(3, 4).images)


def test_the_zip_is_closed_with_its_data(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        save(flat(10, "L"), tmp_path / "x.png")
        archive.write(tmp_path / "x.png", "x.png")
    opener = ZipOpener(tmp_path / "one.zip")
    opener("x.png").close()
    held = opener._zip
    assert held.fp is not None
    del opener
    assert held.fp is None


def pairs(root: Path, count: int, a: str = "label", b: str = "photo") -> None:
    for i in range(count):
        save(flat(20 * i + 10, "L"), root / a / f"{i}.png")
        save(flat((20 * i + 10,) * 3), root / b / f"{i}.bmp")


def test_pairs_by_name_in_splits_with_a_choice_of_sides(tmp_path: Path) -> None:
    pairs(tmp_path / "train", 5)
    pairs(tmp_path / "test", 2)
    forward = opened(tmp_path, Paired)
    assert (forward.spec.shape, forward.spec.target) == ((1, 4, 4), (3, 4, 4))
    assert forward.spec.count == 5
    batch = forward.batch(0, 5)
    assert torch.equal(batch.a.expand_as(batch.b), batch.b)
    held = forward.held_out(9)
    assert held is not None
    assert len(held.a) == len(held.b) == 2
    back = opened(f"{tmp_path}?a=photo", Paired)
    assert (back.spec.shape, back.spec.target) == ((3, 4, 4), (1, 4, 4))


def test_pairs_serve_unpaired_families(tmp_path: Path) -> None:
    pairs(tmp_path, 5)
    batch = opened(tmp_path, Unpaired).batch(0, 5)
    assert batch.a.shape == batch.b.shape == (5, 3, 4, 4)
    assert not torch.equal(batch.a, batch.b)


def test_pictures_side_by_side(tmp_path: Path) -> None:
    for i in range(3):
        both = flat((i, 0, 0), size=(8, 4))
        both.paste(flat((i, 200, 0)), (4, 0))
        save(both, tmp_path / f"{i}.png")
    batch = opened(tmp_path, Paired).batch(0, 3)
    assert batch.a.shape == batch.b.shape == (3, 3, 4, 4)
    assert torch.equal(batch.a[:, 0], batch.b[:, 0])
    assert float(batch.a[:, 1].max()) == -1
    assert float(batch.b[:, 1].min()) > 0.5
    back = opened(f"{tmp_path}?a=right", Paired).batch(0, 3)
    assert torch.equal(back.a, batch.b)
    assert torch.equal(back.b, batch.a)


def test_pictures_side_by_side_of_any_even_width(tmp_path: Path) -> None:
    whole = flat((0, 0, 0), size=(12, 9))
    whole.paste(flat((255, 0, 0), size=(6, 9)), (6, 0))
    save(whole, tmp_path / "0.png")
    with pytest.raises(DataError, match=r"0\.png \(12x9\) is not; add \?a=left for halves of any"):
        opened(tmp_path, Paired)
    batch = opened(f"{tmp_path}?a=left", Paired).batch(0, 1)
    assert batch.a.shape == batch.b.shape == (1, 3, 9, 6)
    assert (batch.a.max(), batch.b[:, 0].min()) == (-1, 1)
    save(flat(RED, size=(7, 3)), tmp_path / "1.png")
    with pytest.raises(DataError, match=r"1\.png \(7x3\) is not"):
        opened(f"{tmp_path}?a=left", Paired)


def label_maps(root: Path) -> None:
    for i in range(3):
        numbers = np.full((4, 4), 1, np.uint8)
        numbers[:, 2:] = i + 2
        image = Image.fromarray(numbers)
        if i:
            image = image.convert("L")
        save(image, root / "label" / f"{i}.png")
        save(flat(RED), root / "photo" / f"{i}.jpg")


def test_label_maps_get_one_colour_a_class(tmp_path: Path) -> None:
    label_maps(tmp_path)
    batch = opened(tmp_path, Paired, 8).batch(0, 3)
    colours = batch.a.permute(0, 2, 3, 1).reshape(-1, 3).unique(dim=0)
    # Classes 1 to 4, enlarged without a blend of two.
    assert len(colours) == 4
    assert torch.cdist(colours, colours).fill_diagonal_(9).min() > 0.5


def test_label_maps_one_hot(tmp_path: Path) -> None:
    label_maps(tmp_path)
    data = opened(f"{tmp_path}?onehot=a", Paired, 8, flip=True)
    assert data.spec.shape == (4, 8, 8)
    a = data.batch(0, 9).a
    assert a.unique().tolist() == [-1, 1]
    assert torch.equal(a.sum(1), torch.full((9, 8, 8), -2.0))


def test_unpaired_domains_may_differ_in_number_and_size(tmp_path: Path) -> None:
    for name, count, size in (("trainA", 5, (6, 4)), ("trainB", 3, (8, 8)), ("testA", 2, (4, 4))):
        for i in range(count):
            save(flat((i, 0, 0), size=size), tmp_path / name / f"{i}.png")
    save(flat(RED), tmp_path / "testB" / "0.png")
    data = opened(tmp_path, Unpaired, 4)
    assert (data.spec.shape, data.spec.target, data.spec.count) == ((3, 4, 4), (3, 4, 4), 5)
    held = data.held_out(9)
    assert held is not None
    assert (len(held.a), len(held.b)) == (2, 1)
    assert len(data.preview(9).a) == 1


def test_skipping_leaves_out_bad_files_and_their_partners(tmp_path: Path) -> None:
    pairs(tmp_path, 5)
    (tmp_path / "label" / "1.png").write_bytes(b"no picture")
    photo = tmp_path / "photo" / "3.bmp"
    photo.write_bytes(photo.read_bytes()[:-20])
    with pytest.warns(match=r"1\.png"), pytest.warns(match=r"3\.bmp"):
        data = opened(tmp_path, Paired, on_bad_file="skip")
    assert data.spec.count == 3
    batch = data.batch(0, 6)
    assert torch.equal(batch.a.expand_as(batch.b), batch.b)
    preview = data.preview(9)
    assert torch.equal(preview.a.expand_as(preview.b), preview.b)


def broken(root: Path) -> None:
    for i in range(5):
        save(flat(RED), root / f"{i}.png")
        if i < 4:
            (root / f"{i}.png").write_bytes(b"no picture")


def animated(root: Path) -> None:
    frames = [flat(RED).quantize(), flat((0, 0, 200)).quantize()]
    save(frames[0], root / "x.gif", save_all=True, append_images=frames[1:])


def of_floats(root: Path) -> None:
    save(Image.fromarray(np.float32([[0, 300]] * 2)), root / "x.tiff")


def mixed(root: Path) -> None:
    save(flat(RED), root / "a.png")
    save(flat(RED, size=(6, 8)), root / "b.png")


def lonely(root: Path) -> None:
    pairs(root, 3)
    (root / "photo" / "1.bmp").unlink()


def lopsided(root: Path) -> None:
    pairs(root, 3)
    save(flat(RED, size=(5, 4)), root / "photo" / "2.bmp")


def twins(root: Path) -> None:
    pairs(root, 3)
    save(flat(RED), root / "photo" / "2.png")


def three(root: Path) -> None:
    for name in "xyz":
        save(flat(RED), root / name / "0.png")


def plain(root: Path) -> None:
    save(flat(RED), root / "0.png")


def strange_class(root: Path) -> None:
    for path in ("train/a", "train/b", "test/a", "test/c"):
        save(flat(RED), root / path / "0.png")


MISTAKES: list[tuple[Any, str, type, int | None, str]] = [
    (
        broken,
        "",
        Images,
        None,
        r"4 images cannot be used: .*0\.png \(not an image\).* and 1 more",
    ),
    (animated, "", Images, None, r"x\.gif \(has several frames\); fix or remove it"),
    (
        of_floats,
        "",
        Images,
        None,
        r"numbers from 0 to 300 in float32, .* give the two numbers, --r",
    ),
    (mixed, "", Images, None, r"a\.png is 4x4, .*b\.png is 6x8\); give --image-size"),
    (
        mixed,
        "?low=2",
        Paired,
        6,
        r"1 image is not of 6x6 or more: .*a\.png is 4x4; give a smaller",
    ),
    (lonely, "", Paired, None, r"1 image has no partner .*label/1\.png, which .*photo lacks"),
    (
        lopsided,
        "",
        Paired,
        None,
        r"2\.png \(4x4\) and .*photo/2\.bmp \(5x4\) differs in size",
    ),
    (twins, "", Paired, None, r"photo/2\.bmp and .*photo/2\.png have one name"),
    (three, "", Paired, None, r"must hold two domains, .* it has x, y, z; name two with \?a="),
    (three, "?a=q", Unpaired, None, r"has no subfolder q; it has x, y, z"),
    (plain, "", Paired, None, r"twice as wide as high, which .*0\.png \(4x4\) is not; .*\?low=4"),
    (plain, "", Unpaired, None, r"as trainA and trainB or as two subfolders; it has no subfolders"),
    (strange_class, "", Images, None, r"the class folders of the training split, a, b; it has c"),
    (pairs, "?a=photo&onehot=a", Paired, None, r"a cannot be one-hot: .*0\.bmp is no label map"),
    (pairs, "?onehot=c", Paired, None, "onehot=c must be a or b, a side of label maps"),
    (pairs, "?onehot=b", Paired, None, r"b cannot be one-hot: .*0\.bmp is no label map"),
    (plain, "?low=2", Images, None, "data option low is for pairs"),
    (plain, "?a=x", Images, None, "data options a and b are for two domains"),
    (plain, "?jiter=2", Images, None, r"unknown data option jiter; did you mean jitter\?"),
    (plain, "?jitter=0", Images, None, r"data option jitter=0 must be a number from 1 to 100"),
    (plain, "?jitter=inf", Images, 4, r"data option jitter=inf must be a number from 1 to 100"),
    (plain, "?jitter=1e300", Images, 4, r"data option jitter=1e300 must be a number from 1 to"),
    (plain, "?low=2&onehot=b", Paired, 4, r"side b of .* has none; leave it out"),
    (plain, "?low=2&onehot=a", Paired, 4, r"side a of .* has none; leave it out"),
    (plain, "?jitter=2&crop=random", Images, 4, "exclude each other"),
    (plain, "?jitter", Images, None, r"must read like \?a=label&b=photo"),
    (plain, "?low=2&low=4", Paired, 4, "more than once, as low=2 and low=4; give it once"),
    (pairs, "?a:mask&a:image", Paired, None, "more than once, as a:mask and a:image; give it once"),
    (plain, "/nothing", Images, None, "there is no folder or zip file .*nothing; check the path"),
    (plain, "/0.png", Images, None, r"0\.png is neither a folder nor a zip file"),
]


@pytest.mark.parametrize(
    ("make", "query", "task", "size", "sentence"),
    MISTAKES,
    ids=[f"{m[0].__name__}{m[1]}-{m[2].__name__}" for m in MISTAKES],
)
def test_each_mistake_is_one_sentence(
    make: Any, query: str, task: type, size: int | None, sentence: str, tmp_path: Path
) -> None:
    make(tmp_path, 3) if make is pairs else make(tmp_path)
    with pytest.raises(DataError, match=sentence) as caught:
        opened(f"{tmp_path}{query}", task, size)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_named_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"holds no images; looked in it and below for \.png, "):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("folder", "given", "name"),
    [
        ("MNIST/raw", "MNIST", "mnist"),
        ("MNIST/raw", "MNIST/raw", "mnist"),
        ("EMNIST/raw", "EMNIST", "emnist"),
        ("cifar-10-batches-py", "cifar-10-batches-py", "cifar10"),
    ],
)
def test_the_folder_of_a_set_with_a_name_is_refused_with_its_name(
    folder: str, given: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    with pytest.raises(DataError, match=rf"--data {name} --data-root {re.escape(str(tmp_path))}$"):
        opened(tmp_path / given)


def test_a_file_that_breaks_off_is_found_before_training(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("a.png", "b.png"):
        save(Image.fromarray(noise), tmp_path / name)
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:1500])
    with pytest.raises(DataError, match=r"1 image cannot be used: .*b\.png \(.*truncated"):
        opened(tmp_path)
    with pytest.warns(UserWarning, match=r"skipped 1 image: .*b\.png"):
        assert opened(tmp_path, on_bad_file="skip").spec.count == 1
