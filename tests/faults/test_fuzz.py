"""Bytes of valid files are changed at random: they are read, or refused in a sentence.

Nothing hangs, and nothing but a `GanwrightError` is raised.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from world import World

from ganwright.callbacks import metrics_log
from ganwright.data import DataOptions, Images, open_data
from ganwright.errors import GanwrightError
from ganwright.report import write_report
from ganwright.run.run_folder import read_config, read_data, read_spec
from ganwright.training import checkpoint
from ganwright.training.manifest import hash_of

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

Change = tuple[str, float, bytes]
CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "insert", "cut"]), st.floats(0, 1), st.binary(max_size=8)),
    min_size=1,
    max_size=4,
)
TRIES = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def changed(content: bytes, changes: list[Change]) -> bytes:
    for kind, share, new in changes:
        place = int(share * len(content))
        if kind == "cut":
            content = content[:place]
        else:
            content = content[:place] + new + content[place + (len(new) if kind == "put" else 0) :]
    return content


def survives(read: Callable[[], Any]) -> None:
    with warnings.catch_warnings(), contextlib.suppress(GanwrightError):
        warnings.simplefilter("ignore")
        read()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder outside of the paths that hypothesis keeps between tries."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _trimmed(run: Path) -> None:
    metrics_log.last(run / "metrics.jsonl")
    metrics_log.trim(run / "metrics.jsonl", 5, warn=lambda _: None)


READERS: dict[str, Callable[[Path], Any]] = {
    "config.yaml": read_config,
    "spec.json": lambda run: read_spec(run, read_config(run)[0]),
    "data.json": read_data,
    "metrics.jsonl": lambda run: (write_report(run), _trimmed(run)),
}


@pytest.mark.parametrize("name", READERS)
def test_files_of_a_run(name: str, world: World, place: Path) -> None:
    whole = (world.root / "run" / name).read_bytes()
    shutil.copytree(world.root / "run", place / "run")

    @TRIES
    @given(CHANGES)
    def tried(changes: list[Change]) -> None:
        (place / "run" / name).write_bytes(changed(whole, changes))
        survives(lambda: READERS[name](place / "run"))

    tried()


@pytest.mark.parametrize("name", ["manifest.json", "training.pt", "game.safetensors"])
def test_files_of_a_checkpoint(name: str, world: World, place: Path) -> None:
    (source,) = (world.root / "run" / "checkpoints").iterdir()
    path = place / source.name
    shutil.copytree(source, path)
    whole = (path / name).read_bytes()
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))

    @TRIES
    @given(CHANGES)
    def tried(changes: list[Change]) -> None:
        (path / name).write_bytes(changed(whole, changes))
        if name != "manifest.json":  # as somebody who means harm would do it
            manifest["sha256"][name] = hash_of(path / name)
            (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        survives(lambda: checkpoint.load_weights(place))
        survives(lambda: checkpoint.load_newest(place))

    tried()


def _image(kind: str, shape: tuple[int, ...] = (8, 8, 3)) -> bytes:
    pixels, buffer = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8), io.BytesIO()
    if kind == "npy":
        np.save(buffer, pixels)
    elif kind == "npz":
        np.savez_compressed(buffer, pixels)
    else:
        Image.fromarray(pixels).save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind))
    return buffer.getvalue()


def _zip(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for i in range(3):
            archive.writestr(f"{'ab'[i % 2]}/{i}.png", _image("png"))
    return buffer.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    **{
        f"folder/z.{kind}": (lambda kind=kind: _image(kind))
        for kind in ("png", "jpg", "tif", "gif", "bmp", "webp", "ppm", "npy", "npz")
    },
    "stored.zip": lambda: _zip(zipfile.ZIP_STORED),
    "deflated.zip": lambda: _zip(zipfile.ZIP_DEFLATED),
    "stack.npy": lambda: _image("npy", (4, 8, 8)),
    "stack.npz": lambda: _image("npz", (4, 8, 8)),
    "table.csv": lambda: b"a,b,c\n" + b"".join(b"%d,%d,x\n" % (i, i * i) for i in range(6)),
}


@pytest.mark.parametrize("name", FILES)
def test_data_files(name: str, place: Path) -> None:
    whole, file = FILES[name](), place / name
    file.parent.mkdir(exist_ok=True)
    source = file if file.parent == place else file.parent
    if source != file:
        (source / "a.png").write_bytes(_image("png"))
    options = DataOptions(image_size=None if name.endswith("csv") else 8)

    @TRIES
    @given(CHANGES)
    def tried(changes: list[Change]) -> None:
        file.write_bytes(changed(whole, changes))
        survives(lambda: open_data(str(source), task=Images, options=options).batch(0, 2))

    tried()


def test_packs(place: Path) -> None:
    from ganwright.data.cached import pack

    (place / "photos").mkdir()
    for i in range(3):
        (place / "photos" / f"{i}.png").write_bytes(_image("png"))
    options = DataOptions(image_size=8)
    pack(str(place / "photos"), place / "whole.pack", task=Images, options=options)
    whole = (place / "whole.pack").read_bytes()

    @TRIES
    @given(CHANGES)
    def tried(changes: list[Change]) -> None:
        (place / "other.pack").write_bytes(whole[:17] + changed(whole[17:], changes))
        survives(
            lambda: open_data(str(place / "other.pack"), task=Images, options=options).batch(0, 2)
        )

    tried()
