"""`sample --out FOLDER` writes as it draws, in memory that does not grow, and goes on."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tiny
from PIL import Image
from test_cli import QUICK, error_of
from test_config import TOY

import ganwright
from ganwright.cli import main
from ganwright.commands.places import outputs
from ganwright.errors import RunError, SettingsError
from ganwright.inference import sample_files
from ganwright.inference.chunks import CHUNK
from ganwright.inference.model import Model
from ganwright.inference.sample_files import UNFINISHED, write_samples
from ganwright.pixels import to_bytes
from ganwright.run.load import load


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run that draws by label."""
    out = tmp_path_factory.mktemp("runs") / "toy"
    assert main(["train", TOY, *QUICK, "--out", str(out)]) == 0
    return out


@pytest.fixture
def model(run: Path) -> Model:
    return load(run, device="cpu")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_samples_come_in_chunks_and_are_those_of_sample(model: Model) -> None:
    whole = model.sample(150, seed=3)
    chunks = list(model.samples(150, seed=3))
    assert [len(chunk) for chunk in chunks] == [64, 64, 22]
    assert torch.equal(torch.cat(chunks), whole)
    assert torch.equal(torch.cat(list(model.samples(150, seed=3, start=70))), whole[70:])
    assert list(model.samples(64, start=64)) == list(model.samples(60, start=62)) == []
    with torch.enable_grad():
        assert not next(model.samples(1)).requires_grad


def test_wrong_arguments_are_refused_at_once(model: Model) -> None:
    with pytest.raises(SettingsError, match="n is 0"):
        model.samples(0)
    with pytest.raises(SettingsError, match="start is -1"):
        model.samples(1, start=-1)
    with pytest.raises(SettingsError, match="unknown label"):
        model.samples(1, labels="frog")


def test_files_are_the_samples_and_come_as_they_are_drawn(model: Model, tmp_path: Path) -> None:
    out = tmp_path / "many"
    counts = write_samples(model, out, 100)
    assert next(counts) == CHUNK
    assert len(list(out.glob("*.png"))) == CHUNK
    assert list(counts) == [100]
    assert sorted(contents(out)) == [f"{i:05}.png" for i in range(100)]
    pixels = to_bytes(model.sample(100))
    with Image.open(out / "00099.png") as image:
        assert np.array_equal(np.asarray(image), pixels[99, 0].numpy())


@pytest.mark.parametrize("chunks", [1, 2])
def test_what_was_interrupted_goes_on(model: Model, tmp_path: Path, chunks: int) -> None:
    whole, out = tmp_path / "whole", tmp_path / "parts"
    list(write_samples(model, whole, 200, seed=5))
    begun = write_samples(model, out, 200, seed=5)
    list(islice(begun, chunks))
    begun.close()  # type: ignore[attr-defined]
    (out / "00003.png").unlink()
    drawn = list(write_samples(model, out, 200, seed=5))
    assert drawn[-1] == 200
    assert contents(out) == contents(whole)


def test_fewer_than_are_there_already(model: Model, tmp_path: Path) -> None:
    list(islice(write_samples(model, tmp_path, 200), 3))
    assert list(write_samples(model, tmp_path, 100)) == []
    assert not (tmp_path / UNFINISHED).exists()


def test_only_what_is_missing_is_drawn(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(islice(write_samples(model, tmp_path, 200), 2))
    starts: list[int] = []
    samples = Model.samples

    def watched(self: Model, n: int, *, start: int = 0, **how: Any) -> Iterator[torch.Tensor]:
        starts.append(start)
        return samples(self, n, start=start, **how)

    monkeypatch.setattr(Model, "samples", watched)
    assert list(write_samples(model, tmp_path, 200)) == [128, 192, 200]
    # The note of a chunk is written when the next one begins.
    assert starts == [CHUNK]


def test_a_stop_in_the_middle_of_a_chunk(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(write_samples(model, tmp_path / "whole", 70))
    written = sample_files.write_image

    def stopped(image: Any, path: Path, *how: Any) -> None:
        if path.name == "00010.png":
            raise KeyboardInterrupt
        written(image, path, *how)

    monkeypatch.setattr(sample_files, "write_image", stopped)
    with pytest.raises(KeyboardInterrupt):
        list(write_samples(model, tmp_path / "parts", 70))
    monkeypatch.undo()
    list(write_samples(model, tmp_path / "parts", 70))
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_file_in_the_way_is_not_replaced(model: Model, tmp_path: Path) -> None:
    list(islice(write_samples(model, tmp_path, 200), 1))
    (tmp_path / "00100.png").write_bytes(b"mine")
    with pytest.raises(RunError, match=r"00100\.png is another image"):
        list(write_samples(model, tmp_path, 200))
    assert (tmp_path / "00100.png").read_bytes() == b"mine"
    list(write_samples(model, tmp_path, 200, replace=True))
    assert (tmp_path / "00100.png").read_bytes() != b"mine"


@pytest.mark.parametrize(("key", "how"), [("seed", {"seed": 1}), ("labels", {"labels": [1, 2]})])
def test_other_samples_that_were_begun_are_refused(
    model: Model, tmp_path: Path, key: str, how: dict[str, Any]
) -> None:
    list(islice(write_samples(model, tmp_path / "a", 200), 1))
    with pytest.raises(RunError, match=f"unfinished samples of other {key}; name another"):
        next(write_samples(model, tmp_path / "a", 200, **how))
    list(write_samples(model, tmp_path / "a", 100, replace=True, **how))
    list(write_samples(model, tmp_path / "b", 100, **how))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_samples_that_were_kept_are_others(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", steps=1)
    model = ganwright.train(cls, settings, tmp_path / "run")
    kept, out = model.rejecting(0.5), tmp_path / "out"
    next(write_samples(kept, out, 70))
    with pytest.raises(RunError, match="unfinished samples of other keep; name another"):
        next(write_samples(model, out, 70))
    assert list(write_samples(kept, out, 70))[-1] == 70
    assert len(list(out.iterdir())) == 70


def test_other_weights_are_noticed(model: Model, tmp_path: Path) -> None:
    list(islice(write_samples(model, tmp_path, 200), 1))
    with torch.no_grad():
        next(model.game.parameters()).add_(1)
    with pytest.raises(RunError, match="other weights"):
        next(write_samples(model, tmp_path, 200))


def test_a_broken_note_is_no_permission(model: Model, tmp_path: Path) -> None:
    list(islice(write_samples(model, tmp_path, 200), 1))
    (tmp_path / UNFINISHED).write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="add --overwrite"):
        next(write_samples(model, tmp_path, 200))


def test_the_command_says_how_far_it_came(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = ["sample", str(run), "-n", "150", "--out", str(tmp_path / "many")]
    samples = Model.samples

    def stopped(self: Model, n: int, **how: Any) -> Iterator[torch.Tensor]:
        yield from islice(samples(self, n, **how), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "samples", stopped)
    assert main(argv) == 130
    assert "128 of 150 are in" in capsys.readouterr().err
    monkeypatch.undo()
    note = json.loads((tmp_path / "many" / UNFINISHED).read_text(encoding="utf-8"))
    assert note["whole"] == CHUNK
    assert main(argv) == 0
    capsys.readouterr()
    assert len(contents(tmp_path / "many")) == 150
    assert "150 of the outputs exist" in error_of(argv, capsys)


def test_memory_does_not_grow_with_their_number(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,048 of 64x64 in colour are 471 MB as floats; peaks only rise: a warm-up comes first."""
    chunk = torch.zeros(CHUNK, 3, 64, 64)

    def samples(self: Model, n: int, **how: Any) -> Iterator[torch.Tensor]:
        return (chunk.clone() for _ in range(n // CHUNK))

    monkeypatch.setattr(Model, "samples", samples)
    monkeypatch.setattr(sample_files, "write_image", lambda *given: None)
    list(write_samples(model, tmp_path / "a", 10 * CHUNK))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert list(write_samples(model, tmp_path / "b", 10_048))[-1] == 10_048
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 << 10


@pytest.mark.parametrize("name", ["psi-0.7", "toy.v2", "grid.png"])
def test_a_folder_may_have_a_point_in_its_name(name: str, run: Path, tmp_path: Path) -> None:
    out, image = tmp_path / name, tmp_path / "x.png"
    if name != "psi-0.7":
        out.mkdir()
    assert main(["sample", str(run), "-n", "2", "--out", str(out)]) == 0
    assert list(contents(out)) == ["00000.png", "00001.png"]
    Image.new("L", (4, 4)).save(image)
    assert outputs(str(image), out, overwrite=False) == [(image, out / "x.png")]


def test_no_file_that_samples_would_not_replace_is_left_among_them_or_lost(
    run: Path, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may be samples of before, or images of the user's, whose names are often the same."""
    out, command = tmp_path / "many", ["sample", str(run), "--out", str(tmp_path / "many")]
    assert main([*command, "-n", "8"]) == 0
    (out / "00001.npy").write_bytes(b"a sample of a run of other numbers")
    others = {"7.png": b"of someone", "notes.txt": b"too", "²³.png": b"and this"}
    for name, data in others.items():
        (out / name).write_bytes(data)
    before, again = contents(out), [*command, "-n", "4", "--seed", "5", "--overwrite"]
    assert main(again) == 2
    said = "holds 5 files named as samples, such as 00001.npy, that these would not replace"
    assert said in capsys.readouterr().err
    assert contents(out) == before
    for name in ("00001.npy", *(f"{i:05}.png" for i in range(4, 8))):
        (out / name).unlink()
    assert main(again) == 0
    list(write_samples(model, tmp_path / "four", 4, seed=5))
    assert contents(out) == contents(tmp_path / "four") | others
