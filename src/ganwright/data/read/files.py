"""The images below a folder or inside a zip file, known by their paths."""

from __future__ import annotations

import io
import os
import warnings
import weakref
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from ganwright.data.image import UNREADABLE, Head
from ganwright.data.levels import Reading
from ganwright.data.limit import allow, check_unpacked
from ganwright.data.messages import UnreadableError, counted, reason, some, unreadable
from ganwright.data.progress import watched
from ganwright.data.read.deep import ARRAYS, DICOM, head_in
from ganwright.data.read.torchvision_sets import by_name
from ganwright.data.read.walk import shown, walk_folder, walk_zip
from ganwright.errors import DataError

EXTENSIONS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".webp", ".tif", ".tiff", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".tga", ".avif"),
    *ARRAYS,
    *DICOM,
)

_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")


class Opener(Protocol):
    """Opens a file by its path below the tree's root."""

    def __call__(self, file: str) -> BinaryIO:
        """The opened file."""

    def size(self, file: str) -> int:
        """Its length in bytes."""


@dataclass(frozen=True)
class FolderOpener:
    """Opens files below a folder."""

    root: str

    def __call__(self, file: str) -> BinaryIO:
        """The opened file."""
        return open(f"{self.root}/{file}", "rb")

    def size(self, file: str) -> int:
        """Its length in bytes."""
        return os.path.getsize(f"{self.root}/{file}")


class ZipOpener:
    """Opens members of a zip file, with a handle of its own in every process."""

    def __init__(self, file: Path, members: Mapping[str, str] | None = None) -> None:
        self.file = file
        self.members = {path: name for path, name in (members or {}).items() if path != name}
        self._process = -1

    def __call__(self, file: str) -> BinaryIO:
        """The member's content."""
        check_unpacked(self.size(file))
        try:
            return io.BytesIO(self._open().read(self.members.get(file, file)))
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
            raise OSError(str(error)) from error

    def size(self, file: str) -> int:
        """Its length in bytes once it is unpacked."""
        return self._open().getinfo(self.members.get(file, file)).file_size

    def _open(self) -> zipfile.ZipFile:
        # Processes that share one handle would move each other's place in the file.
        if self._process != os.getpid():
            self._zip, self._process = zipfile.ZipFile(self.file), os.getpid()
            weakref.finalize(self, self._zip.close)
        return self._zip

    def __getstate__(self) -> dict[str, object]:
        return {"file": self.file, "members": self.members, "_process": -1}


@dataclass(frozen=True)
class Tree:
    """Images by path, in order.

    Args:
        name: what messages call it.
        paths: relative to `prefix`.
        opener: opens what `file` says.
        skip: files that cannot be read are left out, with a warning.
        prefix: where the paths start.
        divided: whether folders called train and test are splits; None where names decide.
        passed: what lies there and is not in `paths`, a phrase each.
        megapixels: of the largest image that is decoded, see `limit.allow`.
        reading: what is said of the numbers in the files.
        unread: the files that were skipped with a warning, of this tree and those around it.
    """

    name: str
    paths: tuple[PurePosixPath, ...]
    opener: Opener
    skip: bool = False
    prefix: PurePosixPath = PurePosixPath()
    divided: bool | None = None
    passed: tuple[str, ...] = ()
    megapixels: float | None = None
    reading: Reading = Reading()
    unread: set[str] = field(default_factory=set, compare=False)

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """First-level subfolders that hold images; numbers in the order of numbers."""
        names = {path.parts[0] for path in self.paths if len(path.parts) > 1}
        if all(name.isdecimal() for name in names):
            return tuple(sorted(names, key=int))
        return tuple(sorted(names))

    @property
    def loose(self) -> bool:
        """Whether images lie outside of subfolders."""
        return any(len(path.parts) == 1 for path in self.paths)

    def below(self, folder: str) -> Tree:
        """What lies in a first-level subfolder."""
        inside = (path for path in self.paths if len(path.parts) > 1 and path.parts[0] == folder)
        return replace(
            self,
            name=f"{self.name}/{folder}",
            paths=tuple(path.relative_to(folder) for path in inside),
            prefix=self.prefix / folder,
        )

    def splits(self) -> tuple[Tree, Tree | None]:
        """The training images and, where there are such subfolders, the test images.

        `test` goes before `val`; a folder without `train` is all for training. Next to folders of
        other names `train` is one of them, unless there is a test split as well.

        Raises:
            DataError: they were asked for, and there are none.
        """
        train, test = self.folder_named(_TRAIN), self.folder_named(_TEST)
        if self.divided and train is None:
            raise DataError(f"{self.name} has no subfolder train, so leave ?splits=yes out")
        alone = self.divided is None and test is None and self._other_folders()
        if train is None or alone or self.divided is False:
            return self, None
        return self.below(train), None if test is None else self.below(test)

    def doubts(self) -> tuple[str, ...]:
        """What the names of folders leave open, with the switch that decides it."""
        train, others = self.folder_named(_TRAIN), self._other_folders()
        if self.divided is None and train is None:
            return self._without_train()
        if train is None or not others or self.divided is not None:
            return ()
        beside = some([shown(other) for other in others])
        if self.splits()[0] is self:
            return (
                f"the folder {train} is taken for one next to {beside}; ?splits=yes takes it for "
                "the training split",
            )
        return (
            f"{train} is the training split, and {beside} next to it is not read; ?splits=no takes "
            "all of them for classes",
        )

    def _without_train(self) -> tuple[str, ...]:
        """That folders called test or val are for training, as there is no other split."""
        held = [shown(name) for name in self.folders if name.lower() in _TEST]
        if not held:
            return ()
        return (
            f"{some(held)} {'is' if len(held) == 1 else 'are'} read for training, since there is "
            "no folder train; put the training images into one, or keep it so with ?splits=no",
        )

    def _other_folders(self) -> list[str]:
        """The subfolders whose names are none of splits."""
        return [name for name in self.folders if name.lower() not in (*_TRAIN, *_TEST)]

    def folder_named(self, names: Sequence[str]) -> str | None:
        """The subfolder with the first of these names, whatever its capitals."""
        found = {folder.lower(): folder for folder in self.folders}
        return next((found[name] for name in names if name in found), None)

    def title(self, path: PurePosixPath) -> str:
        """What messages call a file."""
        return shown(f"{self.name}/{path}")

    def file(self, path: PurePosixPath) -> str:
        """What the opener calls a file."""
        return str(self.prefix / path)

    def scan(self) -> dict[PurePosixPath, Head]:
        """The head of every image that can be read.

        Raises:
            DataError: some cannot, and may not be skipped; or none is left.
        """
        allow(self.megapixels)
        heads: dict[PurePosixPath, Head] = {}
        bad = []
        for path in watched(self.paths, "opening"):
            try:
                with self.opener(self.file(path)) as file:
                    heads[path] = head_in(file, path.name, self.reading)
            except UNREADABLE as error:
                bad.append(f"{self.title(path)} ({reason(error)})")
                self.unread.add(self.file(path))
        if bad and not self.skip:
            raise unreadable(bad)
        if bad:
            warnings.warn(f"skipped {counted(len(bad), 'image')}: {some(bad)}", stacklevel=6)
        if not heads:
            raise DataError(f"no image in {self.name} can be read; look at the files named above")
        return heads


def open_files(
    path: Path,
    skip: bool = False,
    reading: Reading | None = None,
    divided: bool | None = None,
    megapixels: float | None = None,
) -> Tree:
    """The tree of a folder or a zip file; of one that holds but one folder, that folder's.

    Raises:
        DataError: it is neither, or it holds no images.
    """
    if path.is_dir():
        found = walk_folder(path, is_picture)
        opener: Opener = FolderOpener(str(path))
    elif path.is_file() and zipfile.is_zipfile(path):
        found = walk_zip(path, is_picture)
        members = {**found.texts, **found.files}
        opener = ZipOpener(path, {str(inside): name for inside, name in members.items()})
    else:
        raise DataError(f"{path} is neither a folder nor a zip file; give one of images")
    passed = found.passed()
    if not found.files:
        raise DataError(
            f"{path} holds no images; looked in it and below for {', '.join(EXTENSIONS)}"
            + (f", and skipped {' and '.join(passed)}" if passed else "")
            + by_name(path)
        )
    paths, known = tuple(sorted(found.files)), reading or Reading()
    tree = Tree(
        *(str(path), paths, opener, skip, PurePosixPath()), divided, passed, megapixels, known
    )
    # Sets often lie in one folder of their name.
    while len(tree.folders) == 1 and not tree.loose and not tree.folder_named(_TRAIN):
        tree = tree.below(tree.folders[0])
    return tree


def is_picture(name: str) -> bool:
    """Whether a file's name is that of an image."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def scanned(trees: Sequence[Tree]) -> list[dict[PurePosixPath, Head]]:
    """The heads of the images of several trees.

    Raises:
        DataError: some cannot be read; it speaks of those of all trees.
    """
    heads: list[dict[PurePosixPath, Head]] = []
    bad: list[str] = []
    for tree in trees:
        try:
            heads.append(tree.scan())
        except UnreadableError as error:
            bad += error.names
    if bad:
        raise unreadable(bad)
    return heads
