"""Layouts of files and what each is taken for: `tests/test_data_layouts.py` makes and reads them.

Files are separated by spaces and hold 8x8 coloured images unless their kind stands behind `=`.
"""

from __future__ import annotations

from typing import NamedTuple


class Layout(NamedTuple):
    """A row: the files below DATA, what is asked for, and what comes of it.

    Args:
        files: their paths, some with a kind.
        says: what the data is taken for; or the beginning of the sentence that refuses it.
        data: what stands behind the folder's name in `--data`.
        task: what the family takes.
        note: what is said when a run begins.
        options: further settings.
    """

    files: str
    says: str
    data: str = ""
    task: str = "images"
    note: str = ""
    options: tuple[tuple[str, object], ...] = ()


KINDS = {
    "grey": "grey",
    "dim": "grey, all values between 20 and 60",
    "classes": "grey, class numbers 0 to 4",
    "ignored": "grey, class numbers 0 to 4, and 255",
    "ids": "grey, 16 bits, ids of instances of the classes 0 to 4",
    "numbers": "palette, class numbers 0 to 4",
    "high": "grey, the values 0, 80 and 160",
    "trimap": "grey, the values 0, 128 and 255",
    "ink": "grey, 0 and 255 alone",
    "bilevel": "black and white, 1 bit",
    "see-through": "colour and transparent",
    "16bit": "grey, 16 bits",
    "inks": "CMYK",
    "wide": "16x8",
    "large": "12x10",
    "moving": "two frames",
    "broken": "no image at all",
    "empty": "0 bytes",
    "text": "text",
    "pipe": "a pipe",
    "gone": "a link to nothing",
    "up": "a link to the folder above",
    "self": "a link to its own folder",
    "elsewhere": "a link to a folder with two images outside",
    "file": "a link to an image outside",
    "again": "a link to 0.png next to it",
}
"""What kinds are, in words."""

_PAIRS = "a/0.png a/1.png b/0.png b/1.png"
_MASKS = "mask/0.png={0} mask/1.png={0} photo/0.png photo/1.png"
_NO_TRAIN = (
    "{} read for training, since there is no folder train; put the training images into one, or "
    "keep it so with ?splits=no"
)
_NO_SIDES = (
    "{} read for training, since there are no folders trainA and trainB; put the training images "
    "into those, or keep it so with ?splits=no"
)
_SIDES = "?a=mask&b=photo"

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "Single images": (
        Layout("0.png 1.png", "2 images of 3x8x8"),
        Layout("0.png deep/er/1.png", "2 images of 3x8x8"),
        Layout("cats/0.png cats/1.png", "2 images of 3x8x8"),
        Layout("cat/0.png dog/1.png", "2 images of 3x8x8, classes cat, dog"),
        Layout("10/0.png 9/0.png", "2 images of 3x8x8, classes 9, 10"),
        Layout("cat/x/0.png dog/y/1.png", "2 images of 3x8x8, classes cat, dog"),
        Layout("pets/cat/0.png pets/dog/1.png", "2 images of 3x8x8, classes cat, dog"),
        Layout(
            "cat/0.png dog/1.png 2.png",
            "3 images of 3x8x8",
            note="no image has a label, since 1 image lies outside of the folders cat, dog, "
            "such as 2.png; move them into one for labels",
        ),
        Layout("cat/0.png dog/notes.txt=text", "1 image of 3x8x8"),
        Layout("a.JPG b.jpeg c.bmp d.webp e.tif f.gif", "6 images of 3x8x8"),
    ),
    "Splits": (
        Layout("train/0.png test/1.png", "1 image of 3x8x8, 1 for testing"),
        Layout("Train/0.png Val/1.png", "1 image of 3x8x8, 1 for testing"),
        Layout(
            "train/0.png val/1.png test/2.png",
            "1 image of 3x8x8, 1 for testing",
            note="skipped 1 image in val",
        ),
        Layout(
            "train/a/0.png train/b/0.png test/b/1.png",
            "2 images of 3x8x8, classes a, b, 1 for testing",
        ),
        Layout("set/train/a/0.png set/train/b/0.png", "2 images of 3x8x8, classes a, b"),
        Layout(
            "train/a/0.png train/b/0.png test/c/0.png",
            "refused: DATA/test must have the class folders of the training split, a, b; it has c",
        ),
        Layout(
            "bus/0.png car/0.png train/0.png",
            "3 images of 3x8x8, classes bus, car, train",
            note="the folder train is taken for one next to bus, car; ?splits=yes takes it for "
            "the training split",
        ),
        Layout("bus/0.png car/0.png train/0.png", "1 image of 3x8x8", data="?splits=yes"),
        Layout(
            "train/0.png test/0.png bus/0.png",
            "1 image of 3x8x8, 1 for testing",
            note="train is the training split, and bus next to it is not read; ?splits=no takes "
            "all of them for classes",
        ),
        Layout(
            "train/0.png test/0.png bus/0.png",
            "3 images of 3x8x8, classes bus, test, train",
            data="?splits=no",
        ),
        Layout(
            "val/a/0.png val/b/0.png test/a/0.png",
            "3 images of 3x8x8, classes test, val",
            note=_NO_TRAIN.format("test, val are"),
        ),
        Layout(
            "val/a/0.png val/b/0.png test/a/0.png",
            "3 images of 3x8x8, classes test, val",
            data="?splits=no",
        ),
        Layout(
            "bus/0.png Test/0.png",
            "2 images of 3x8x8, classes Test, bus",
            note=_NO_TRAIN.format("Test is"),
        ),
        Layout("0.png test/1.png", "2 images of 3x8x8", note=_NO_TRAIN.format("test is")),
        Layout(
            "cat/0.png dog/0.png",
            "refused: DATA has no subfolder train, so leave ?splits=yes out",
            data="?splits=yes",
        ),
        Layout(
            "train/0.png train/1.png extra.png",
            "2 images of 3x8x8",
            note="skipped 1 image in no folder",
        ),
    ),
    "Pairs": (
        Layout(_PAIRS, "2 pairs of 3x8x8 and 3x8x8", task="pairs"),
        Layout("a/0.png b/0.jpg", "1 pair of 3x8x8 and 3x8x8", task="pairs"),
        Layout("set/a/0.png set/b/0.png", "1 pair of 3x8x8 and 3x8x8", task="pairs"),
        Layout(
            "train/a/0.png train/b/0.png test/a/0.png test/b/0.png",
            "1 pair of 3x8x8 and 3x8x8, 1 for testing",
            task="pairs",
        ),
        Layout(
            "a/train/0.png b/train/0.png a/val/1.png b/val/1.png",
            "1 pair of 3x8x8 and 3x8x8, 1 for testing",
            task="pairs",
        ),
        Layout(
            "a/test/0.png b/test/0.png a/val/1.png b/val/1.png",
            "2 pairs of 3x8x8 and 3x8x8",
            task="pairs",
            note=_NO_TRAIN.format("test, val are"),
        ),
        Layout("trainA/0.png trainB/0.png", "1 pair of 3x8x8 and 3x8x8", task="pairs"),
        Layout("0.png=wide 1.png=wide", "2 pairs of 3x8x8 and 3x8x8", task="pairs"),
        Layout(
            "train/0.png=wide val/1.png=wide",
            "1 pair of 3x8x8 and 3x8x8, 1 for testing",
            task="pairs",
        ),
        Layout("0.png 1.png", "2 pairs of 3x4x4 and 3x8x8", data="?low=2", task="pairs"),
        Layout(
            "x/0.png y/0.png z/0.png",
            "refused: DATA must hold two domains, as trainA and trainB or as two subfolders; it "
            "has x, y, z; name two with ?a=...&b=...",
            task="pairs",
        ),
        Layout(
            "x/0.png y/0.png z/0.png",
            "1 pair of 3x8x8 and 3x8x8",
            data="?a=x&b=z",
            task="pairs",
            note="skipped 1 image in y",
        ),
        Layout(
            "a/0.png a/1.png b/0.png",
            "refused: 1 image has no partner of the same name, such as DATA/a/1.png",
            task="pairs",
        ),
        Layout(
            "a/0.png b/0.png=large",
            "refused: the pair DATA/a/0.png (8x8) and DATA/b/0.png (12x10) differs in size",
            task="pairs",
        ),
        Layout(
            "a/0.png a/0.jpg b/0.png",
            "refused: DATA/a/0.jpg and DATA/a/0.png have one name",
            task="pairs",
        ),
        Layout(
            "train/0.png=wide test/0.png=wide bus/0.png=wide",
            "1 pair of 3x8x8 and 3x8x8, 1 for testing",
            task="pairs",
            note="train is the training split, and bus next to it is not read; ?splits=no takes "
            "all of them for classes",
        ),
        Layout(
            "0.png 1.png",
            "refused: pairs are two subfolders with files of equal names, or images side by side",
            task="pairs",
        ),
    ),
    "Label maps": (
        Layout(
            _MASKS.format("classes"),
            "2 pairs of 3x8x8 and 3x8x8, a label maps of 0 to 4",
            data=_SIDES,
            task="pairs",
            note="side a is read as label maps of the classes 0 to 4; ?a:image reads it as images",
        ),
        Layout(
            _MASKS.format("numbers"),
            "2 pairs of 3x8x8 and 3x8x8, a label maps of 0 to 4",
            data=_SIDES,
            task="pairs",
        ),
        Layout(
            _MASKS.format("ignored"),
            "2 pairs of 3x8x8 and 3x8x8, a label maps of 0 to 4 (255 is no class)",
            data=_SIDES,
            task="pairs",
        ),
        Layout(
            _MASKS.format("classes"),
            "2 pairs of 5x8x8 and 3x8x8, a label maps of 0 to 4",
            data=f"{_SIDES}&onehot=a",
            task="pairs",
        ),
        Layout(
            _MASKS.format("ids"),
            "2 pairs of 6x8x8 and 3x8x8, a label maps of 0 to 4",
            data=f"{_SIDES}&onehot=a&instances=a",
            task="pairs",
        ),
        Layout(
            _MASKS.format("classes"),
            "2 pairs of 3x8x8 and 3x8x8, b label maps of 0 to 4",
            data="?a=photo&b=mask",
            task="pairs",
        ),
        Layout(
            _MASKS.format("classes"),
            "2 pairs of 1x8x8 and 3x8x8",
            data=f"{_SIDES}&a:image",
            task="pairs",
        ),
        Layout(
            _MASKS.format("classes"),
            "2 pairs of 1x8x8 and 1x8x8",
            data=_SIDES,
            task="pairs",
            options=(("channels", 1),),
        ),
        Layout(
            _MASKS.format("dim"),
            "2 pairs of 1x8x8 and 3x8x8",
            data=_SIDES,
            task="pairs",
            note="side a is read as grey images, though all its values are below 64; ?a:mask "
            "reads them as class numbers",
        ),
        Layout(
            _MASKS.format("ink"),
            "2 pairs of 1x8x8 and 3x8x8",
            data=_SIDES,
            task="pairs",
            note="side a has the values 0 and 255 alone and is read as grey images; ?a:mask "
            "reads them as two classes",
        ),
        Layout(
            _MASKS.format("ink"),
            "2 pairs of 3x8x8 and 3x8x8, a label maps of 0, 255",
            data=f"{_SIDES}&a:mask",
            task="pairs",
        ),
        Layout(
            _MASKS.format("bilevel"),
            "2 pairs of 3x8x8 and 3x8x8, a label maps of 0, 1",
            data=f"{_SIDES}&a:mask",
            task="pairs",
        ),
        Layout(
            _MASKS.format("high"),
            "2 pairs of 3x8x8 and 3x8x8, a label maps of 0, 80, 160",
            data=f"{_SIDES}&a:mask",
            task="pairs",
        ),
        Layout(
            _MASKS.format("trimap"),
            "2 pairs of 3x8x8 and 3x8x8, a label maps of 0, 128, 255",
            data=f"{_SIDES}&a:mask",
            task="pairs",
        ),
        Layout(
            _MASKS.format("see-through"),
            "refused: side a cannot be masks: DATA/mask/0.png is no label map",
            data=f"{_SIDES}&a:mask",
            task="pairs",
        ),
    ),
    "Two domains": (
        Layout(
            "trainA/0.png trainA/1.png trainB/0.png",
            "2 and 1 images of 3x8x8 and 3x8x8",
            task="domains",
        ),
        Layout(
            "trainA/0.png trainB/0.png testA/1.png testB/1.png",
            "1 and 1 images of 3x8x8 and 3x8x8, 1 for testing",
            task="domains",
        ),
        Layout(
            "testA/0.png testB/1.png",
            "1 and 1 images of 3x8x8 and 3x8x8",
            task="domains",
            note=_NO_SIDES.format("testA, testB are"),
        ),
        Layout(
            "testA/0.png testB/1.png",
            "1 and 1 images of 3x8x8 and 3x8x8",
            data="?splits=no",
            task="domains",
        ),
        Layout("horse/0.png zebra/5.png", "1 and 1 images of 3x8x8 and 3x8x8", task="domains"),
        Layout(
            "h2z/trainA/0.png h2z/trainB/1.png",
            "1 and 1 images of 3x8x8 and 3x8x8",
            task="domains",
        ),
        Layout("A/0.png=grey B/0.png", "1 and 1 images of 3x8x8 and 3x8x8", task="domains"),
        Layout(
            "0.png 1.png",
            "refused: DATA must hold two domains, as trainA and trainB or as two "
            "subfolders; it has no subfolders",
            task="domains",
        ),
    ),
    "Odd files": (
        Layout("0.png=grey", "1 image of 1x8x8"),
        Layout("0.png=16bit", "1 image of 1x8x8"),
        Layout("0.png=see-through", "1 image of 3x8x8"),
        Layout("0.tif=inks", "1 image of 3x8x8"),
        Layout("0.png=bilevel 1.png", "2 images of 3x8x8"),
        Layout(
            "0.png 1.gif=moving",
            "refused: 1 image cannot be used: DATA/1.gif (has several frames)",
        ),
        Layout(
            "0.png 1.png=broken 2.png=empty",
            "refused: 2 images cannot be used: DATA/1.png "
            "(not an image), DATA/2.png (not an image)",
        ),
        Layout("0.png 1.png=broken", "1 image of 3x8x8", options=(("on_bad_file", "skip"),)),
        Layout(
            "0.png 1.png=large",
            "refused: images differ in size (DATA/0.png is 8x8, "
            "DATA/1.png is 12x10); give --image-size",
        ),
        Layout("0.png 1.png=large", "2 images of 3x8x8", options=(("image_size", 8),)),
        Layout(
            "0.png labels.csv=text",
            "1 image of 3x8x8",
            note="skipped 1 file of another kind (.csv)",
        ),
        Layout("labels.csv=text", "refused: DATA holds no images; looked in it and below for"),
        Layout(
            "0.png ._0.png=broken .hidden/1.png __MACOSX/2.png",
            "1 image of 3x8x8",
            note="skipped 3 hidden files or folders",
        ),
        Layout(
            "0.png pipe.png=pipe gone.png=gone",
            "1 image of 3x8x8",
            note="skipped 1 broken link, 1 pipe, socket or device",
        ),
        Layout(
            "a/0.png b/1.png b/again=up b/self=self",
            "2 images of 3x8x8, classes a, b",
            note="skipped 2 links to folders that hold them",
        ),
        Layout("cat=elsewhere dog/0.png", "3 images of 3x8x8, classes cat, dog"),
        Layout("0.png=file 1.png", "2 images of 3x8x8"),
        Layout("0.png 1.png=again", "2 images of 3x8x8"),
        Layout("café/0.png naïve/1.png", "2 images of 3x8x8, classes café, naïve"),
    ),
}
"""What the pages show and a test reads, by what it is about."""
