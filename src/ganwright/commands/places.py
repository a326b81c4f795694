"""Which images a command reads, and where what becomes of them goes."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ganwright.commands.sample import names_file, refuse_existing
from ganwright.errors import DataError, RunError, SettingsError

if TYPE_CHECKING:
    from ganwright.data.levels import Levels
    from ganwright.inference.model import Model


class Outputs(NamedTuple):
    """What files of outputs hold; `masks` hold class numbers, which no format may round."""

    levels: Levels | None = None
    channels: int = 3
    masks: bool = False


def outputs(
    source: str, target: Path, overwrite: bool, kind: Outputs | None = None
) -> list[tuple[Path, Path]]:
    """Each input with its output; nothing is read or written yet.

    Raises:
        DataError: if there is no input.
        RunError: if two inputs share an output, outputs exist and may not be replaced, or they
            would land among the inputs.
    """
    from ganwright.inference.array_files import check_ending
    from ganwright.inference.image_files import output_of, written

    path, (levels, channels, masks) = Path(source), kind or Outputs()
    known = written(None, channels, masks=masks)
    known += (".npy",) if levels and not masks else ()
    if path.is_file() and target.suffix.lower() in known and not target.is_dir():
        if levels:
            check_ending(target.suffix, levels, channels)
        pairs = [(path, target)]
    else:
        root, found = inputs(source)
        if path.is_file() and names_file(target):
            raise RunError(
                f"the output is {target}; an image is written as one of {', '.join(known)}, or "
                "into a folder, whose name has no such ending"
            )
        if not path.is_file():
            refuse_inside(root, target)
        pairs = [
            (file, target / output_of(file.relative_to(root), levels, channels, masks=masks))
            for file in found
        ]
    owner: dict[Path, Path] = {}
    for file, out in pairs:
        if file.resolve() == out.resolve():
            raise RunError(f"{out} would replace its own input; choose another output")
        if owner.setdefault(out, file) != file:
            raise RunError(f"{owner[out]} and {file} would both become {out}; rename one of them")
    refuse_inputs([file for file, _ in pairs], owner)
    refuse_existing(list(owner), overwrite)
    return pairs


def check_filed(model: Model, verb: str) -> None:
    """Refuse runs whose images files do not hold.

    Raises:
        SettingsError: it has no images, or not of 1 or 3 channels.
    """
    shape = model.spec.shape
    if len(shape) != 3 or (shape[0] not in (1, 3) and model.levels() is None):
        raise SettingsError(
            f"this run's samples have the shape {list(shape)}, and files hold 1 or 3 channels; "
            f"{verb} tensors from Python instead"
        )


def refuse_inside(root: Path, target: Path) -> None:
    """Refuse outputs among the inputs, where they would be read next time.

    Raises:
        RunError: they would lie there.
    """
    if target.resolve().is_relative_to(root.resolve()):
        raise RunError(
            f"the output {target} is inside the input {root}, and would be read as input "
            "next time; choose a folder outside it"
        )


def refuse_inputs(files: Iterable[Path], outs: Iterable[Path]) -> None:
    """Refuse outputs that are inputs, which nothing may replace.

    Raises:
        RunError: there is one.
    """
    known = {file.resolve() for file in files}
    for out in outs:
        if out.resolve() in known:
            raise RunError(f"{out} would replace an input; choose another output")


def inputs(source: str) -> tuple[Path, list[Path]]:
    """The images that INPUT names, and the folder that their outputs' names start from.

    Raises:
        DataError: if there are none.
    """
    from ganwright.data.read.files import EXTENSIONS, is_picture
    from ganwright.data.read.walk import hidden, walk_folder

    path = Path(source)
    if path.is_file():
        return path.parent, [path]
    if path.is_dir():
        root, found = path, [path / inside for inside in walk_folder(path, is_picture).files]
    else:
        root = _fixed(path)
        matches = [Path(p) for p in glob.glob(source, recursive=True) if is_picture(p)]
        seen = [p for p in matches if not any(map(hidden, p.relative_to(root).parts))]
        found = [p for p in seen if p.is_file()]
    if not found:
        what = (
            "has no images" if path.is_dir() else "is not an image or a folder, and matches no file"
        )
        raise DataError(f"{source} {what}; looked for {', '.join(EXTENSIONS)}")
    return root, sorted(found)


def _fixed(pattern: Path) -> Path:
    """The part of a glob before its first wildcard."""
    fixed = Path(pattern.anchor)
    for part in pattern.parent.parts[bool(pattern.anchor) :]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed
