"""The images below a folder or inside a zip file, known by their paths."""

from __future__ import annotations

import io
import os
import warnings
import weakref
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from PIL import Image

from ganwright.data.messages import counted, reason, some, unreadable
from ganwright.data.picture import UNREADABLE, Head, head_of
from ganwright.errors import DataError

EXTENSIONS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".webp", ".tif", ".tiff", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".tga", ".avif"),
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

    def __init__(self, file: Path) -> None:
        self.file = file
        self._process = -1

    def __call__(self, file: str) -> BinaryIO:
        """The member's content."""
        try:
            return io.BytesIO(self._open().read(file))
        except (zipfile.BadZipFile, RuntimeError) as error:
            raise OSError(str(error)) from error

    def size(self, file: str) -> int:
        """Its length in bytes once it is unpacked."""
        return self._open().getinfo(file).file_size

    def _open(self) -> zipfile.ZipFile:
        # Processes that share one handle would move each other's place in the file.
        if self._process != os.getpid():
            self._zip, self._process = zipfile.ZipFile(self.file), os.getpid()
            weakref.finalize(self, self._zip.close)
        return self._zip

    def __getstate__(self) -> dict[str, object]:
        return {"file": self.file, "_process": -1}


@dataclass(frozen=True)
class Tree:
    """Images by path, in order.

    Args:
        name: what messages call it.
        paths: relative to `prefix`.
        opener: opens what `file` says.
        skip: files that cannot be read are left out, with a warning.
        prefix: where the paths start.
    """

    name: str
    paths: tuple[PurePosixPath, ...]
    opener: Opener
    skip: bool = False
    prefix: PurePosixPath = PurePosixPath()

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

    def keep(self, paths: Iterable[PurePosixPath]) -> Tree:
        """Only these."""
        return replace(self, paths=tuple(paths))

    def splits(self) -> tuple[Tree, Tree | None]:
        """The training images and, where there are such subfolders, the test images.

        `test` goes before `val`; a folder without `train` is all for training.
        """
        train = self.folder_named(_TRAIN)
        if train is None:
            return self, None
        test = self.folder_named(_TEST)
        return self.below(train), None if test is None else self.below(test)

    def folder_named(self, names: Sequence[str]) -> str | None:
        """The subfolder with the first of these names, whatever its capitals."""
        found = {folder.lower(): folder for folder in self.folders}
        return next((found[name] for name in names if name in found), None)

    def title(self, path: PurePosixPath) -> str:
        """What messages call a file."""
        return f"{self.name}/{path}"

    def file(self, path: PurePosixPath) -> str:
        """What the opener calls a file."""
        return str(self.prefix / path)

    def scan(self) -> dict[PurePosixPath, Head]:
        """The head of every image that can be read.

        Raises:
            DataError: some cannot, and may not be skipped; or none is left.
        """
        heads: dict[PurePosixPath, Head] = {}
        bad = []
        for path in self.paths:
            try:
                with self.opener(self.file(path)) as file, Image.open(file) as image:
                    heads[path] = head_of(image)
            except UNREADABLE as error:
                bad.append(f"{self.title(path)} ({reason(error)})")
        if bad and not self.skip:
            raise unreadable(bad)
        if bad:
            warnings.warn(f"skipped {counted(len(bad), 'image')}: {some(bad)}", stacklevel=6)
        if not heads:
            raise DataError(f"no image in {self.name} can be read; look at the files named above")
        return heads


def open_files(path: Path, *, skip: bool) -> Tree:
    """The tree of a folder or a zip file.

    Raises:
        DataError: it is neither, or it holds no images.
    """
    if path.is_dir():
        tree = Tree(str(path), _sorted(_walk(path)), FolderOpener(str(path)), skip)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [PurePosixPath(name) for name in archive.namelist() if name[-1] != "/"]
        tree = Tree(str(path), _sorted(names), ZipOpener(path), skip)
        # Archives often wrap all in one folder.
        while len(tree.folders) == 1 and not tree.loose and not tree.folder_named(_TRAIN):
            tree = tree.below(tree.folders[0])
    else:
        raise DataError(f"{path} is neither a folder nor a zip file; give one of images")
    if not tree.paths:
        raise DataError(
            f"{path} holds no images; looked in it and below for {', '.join(EXTENSIONS)}"
        )
    return tree


def _walk(root: Path) -> Iterable[PurePosixPath]:
    for folder, _, files in os.walk(root, followlinks=True):
        inside = PurePosixPath(Path(folder).relative_to(root).as_posix())
        yield from (inside / file for file in files)


def _sorted(paths: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """The images among the paths, in order; hidden files are left out."""
    return tuple(
        sorted(
            path
            for path in paths
            if path.suffix.lower() in EXTENSIONS
            and not any(part.startswith((".", "__MACOSX")) for part in path.parts)
        )
    )
