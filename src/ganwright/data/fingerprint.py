"""What tells the data of a run from other data, so that resuming on other data is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from ganwright.data.messages import counted
from ganwright.data.query import Query
from ganwright.data.read.folders import Reader
from ganwright.data.read.items import Items
from ganwright.data.read.pairs import Half
from ganwright.data.read.parts import Part
from ganwright.data.sides import Side, Source, Stack
from ganwright.data.types import Spec

MOST_FILES = 20_000
"""Of more files than this a hash is kept, not every name: then a difference names no file."""
HASHED = 64 << 20
"""Of larger tensors so many bytes are hashed, in images spread evenly."""


def fingerprint(source: Source, kind: str) -> dict[str, Any]:
    """A source as JSON holds it: names, sizes, classes and counts, before sizes are settled.

    Args:
        source: what was opened.
        kind: `embedded`, whose images are the library's; `named` for a public set; `files`,
            which may lie anywhere; `given` for what a Python caller passes.
    """
    sides = {"train": source.train, "test": source.test or ()}
    return {
        "kind": kind,
        "name": None if kind in ("files", "given") else source.name,
        "options": {k: v for k, v in asdict(source.query).items() if v is not None},
        **{name: [_side(side, kind) for side in split] for name, split in sides.items()},
    }


def fingerprint_of_object(given: Any, spec: Spec, **more: Any) -> dict[str, Any]:
    """What tells an object whose images cannot be asked for: its type, and what it says of them.

    Args:
        given: what the caller passed.
        spec: what it looks like.
        **more: further marks of its training images, as JSON holds them.
    """
    marks = {"count": spec.count, "classes": list(spec.classes), "shape": list(spec.shape)}
    marks |= {"type": type(given).__qualname__, **more}
    return {"kind": "given", "name": None, "options": {}, "train": [marks], "test": []}


def _side(side: Side, kind: str) -> dict[str, Any]:
    marks: dict[str, Any] = {"count": len(side), "classes": list(side.classes)}
    if side.labels is not None:
        marks["labels"] = digest_of(side.labels)
    if isinstance(side, Stack):
        marks["shape"] = list(side.pictures.shape[1:])
        marks["type"] = str(side.pictures.dtype).removeprefix("torch.")
        # What has a name is known by it; embedded pictures are drawn, and processors round.
        if kind in ("given", "files"):
            marks["content"] = _content(side.pictures)
        return marks
    read = side.read.read if isinstance(side.read, Half) else side.read
    if isinstance(read, Reader):
        sizes = {file: read.opener.size(file) for file in read.files}
        if len(sizes) <= MOST_FILES:
            marks["files"] = sizes
        else:
            marks["content"] = _digest(repr(sorted(sizes.items())).encode())
    if isinstance(read, Items):
        items = read.items.items if isinstance(read.items, Part) else read.items
        marks["type"] = type(items).__qualname__
    return marks


def begins_otherwise(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether an iterable gives other first items than those that a run began with."""
    firsts = [[side.get("first") for side in marks["train"]] for marks in (old, new)]
    return firsts[0] != firsts[1]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """How the data of one fingerprint differs from that of another, a phrase each."""
    if (old["kind"], old["name"]) != (new["kind"], new["name"]):
        return [f"it is {_title(new)} and was {_title(old)}"]
    # an older version did not know all options of today: a run of its time has their defaults
    unasked = asdict(Query())
    was, now = unasked | old["options"], unasked | new["options"]
    found = [
        f"its option {key} is {_given(now.get(key))} and was {_given(was.get(key))}"
        for key in sorted(was.keys() | now.keys())
        if was.get(key) != now.get(key)
    ]
    for split in ("train", "test"):
        where = "" if split == "train" else " in the test split"
        before, after = old[split], new[split]
        if len(before) != len(after):
            gone = "gone" if len(after) < len(before) else "new"
            found.append(f"the test split is {gone}" if where else "the number of domains differs")
            continue
        pairs = zip(before, after, strict=True)
        found += [f"{text}{where}" for one, other in pairs for text in _of_sides(one, other)]
    return list(dict.fromkeys(found))


def _given(value: Any) -> Any:
    return "not given" if value is None else value


def _of_sides(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["classes"] != new["classes"]:
        yield _of_classes(old["classes"], new["classes"])
        return
    for key, noun in (("type", "type"), ("shape", "shape of an image")):
        if old.get(key) != new.get(key):
            yield f"the {noun} is {new.get(key)} and was {old.get(key)}"
            return
    if "files" in old and "files" in new:
        if old["files"] != new["files"]:
            yield from _of_files(old["files"], new["files"])
    elif old["count"] != new["count"]:
        yield f"there are {counted(new['count'], 'image')} and there were {old['count']}"
    elif old.get("content") != new.get("content"):
        yield "the images are other ones"
    elif old.get("labels") != new.get("labels"):
        yield "the labels are other ones"


def _of_classes(old: Sequence[str], new: Sequence[str]) -> str:
    gone, come = ([c for c in one if c not in other] for one, other in ((old, new), (new, old)))
    if not gone and not come:
        return "the classes are in another order"
    if len(gone) == len(come) == 1:
        return f"class {gone[0]} is now {come[0]}"
    parts = [(gone, "gone"), (come, "new")]
    return " and ".join(
        f"{counted(len(names), 'class', 'classes')} {'is' if len(names) == 1 else 'are'} {what} "
        f"({_few(names)})"
        for names, what in parts
        if names
    )


def _of_files(old: Mapping[str, int], new: Mapping[str, int]) -> Iterator[str]:
    for what, names in (
        ("added", [name for name in new if name not in old]),
        ("removed", [name for name in old if name not in new]),
        ("changed", [name for name in new if name in old and new[name] != old[name]]),
    ):
        if names:
            were = "was" if len(names) == 1 else "were"
            yield f"{counted(len(names), 'file')} {were} {what}, for example {names[0]}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _title(marks: Mapping[str, Any]) -> str:
    if marks["kind"] == "given":
        return "data given in Python"
    return str(marks["name"] or "a folder or zip file")


def _content(pictures: Tensor) -> str:
    each = max(1, pictures[0].numel() * pictures.element_size())
    many = min(len(pictures), max(1, HASHED // each))
    rows = torch.linspace(0, len(pictures) - 1, many, dtype=torch.float64).round().long()
    chosen = pictures if many == len(pictures) else pictures[rows.to(pictures.device)]
    return digest_of(chosen)


def digest_of(tensor: Tensor) -> str:
    """A hash of all its bytes."""
    return _digest(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
