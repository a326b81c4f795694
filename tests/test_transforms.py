"""Random changes of training pictures, against numbers worked out by hand, and served."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tensors, tiny
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

import ganwright
from ganwright.config.changes import change
from ganwright.config.settings import Settings
from ganwright.config.transform import Transform
from ganwright.data.transforms import TRANSFORMS, Colour, Crop, Flip, Rotate
from ganwright.errors import SettingsError
from ganwright.run.assembly import assemble, resolved
from ganwright.run.train import resume, train
from ganwright.training.engine import Engine

ALL = "Flip(), Rotate(30), Colour(0.2), Crop(2)"


def source(name: str, data: Any = None, **changes: Any) -> Any:
    """The data of a tiny run."""
    cls, settings = tiny(name)
    settings = resolved(cls, change(settings, changes), data)
    return assemble(cls, settings, Engine.pick("cpu", "fp32"), data)[1]


def by(transform: Transform, x: Tensor, *u: float, exact: bool = False) -> Tensor:
    """The first picture after the change that these numbers draw."""
    return transform.changed(x, torch.tensor([u]), exact=exact)


def test_flips_by_hand() -> None:
    x = torch.randn(1, 3, 2, 3)
    assert by(Flip(), x, 0.49).equal(x.flip(-1))
    assert by(Flip(), x, 0.51).equal(x)
    assert by(Flip(vertical=True), x, 0.1).equal(x.flip(-2))


def test_crops_by_hand() -> None:
    """Of Crop(1) the numbers below 1/3 move up or left, those above 2/3 down or right."""
    x = torch.arange(1.0, 10).reshape(1, 1, 3, 3)
    assert by(Crop(1), x, 0.5, 0.5).equal(x)
    assert by(Crop(1), x, 0.1, 0.9)[0, 0].tolist() == [[4, 4, 5], [7, 7, 8], [7, 7, 8]]
    assert by(Crop(0), x, 0.1, 0.9).equal(x)


@pytest.mark.parametrize("size", [(4, 4), (5, 5)])
def test_a_turn_by_90_degrees_is_against_the_clock(size: tuple[int, int]) -> None:
    x = torch.randn(1, 3, *size)
    for exact in (False, True):
        torch.testing.assert_close(by(Rotate(90), x, 1.0, exact=exact), x.rot90(1, (2, 3)))
        torch.testing.assert_close(by(Rotate(90), x, 0.0, exact=exact), x.rot90(-1, (2, 3)))
        torch.testing.assert_close(by(Rotate(90), x, 0.5, exact=exact), x)


def test_a_turned_plane_stays_a_plane() -> None:
    rows, columns = torch.meshgrid(*[torch.arange(21.0)] * 2, indexing="ij")
    out = by(Rotate(45), (rows / 10 - 1)[None, None], 1.0)[0, 0]
    v, u = rows - 10, columns - 10
    wanted = (math.cos(math.pi / 4) * v + math.sin(math.pi / 4) * u) / 10
    torch.testing.assert_close(out[4:17, 4:17], wanted[4:17, 4:17], atol=1e-5, rtol=0)


def test_colours_by_hand() -> None:
    """Of (.6, 0, -.3): brightness +.1, contrast x 1.1 about .2, saturation x .9 about .2."""
    x = torch.tensor([0.6, 0.0, -0.3]).view(1, 3, 1, 1)
    out = by(Colour(0.1), x, 1.0, 1.0, 0.0).flatten()
    assert out.tolist() == pytest.approx([0.2 + 0.5 * 0.99, 0.2 - 0.1 * 0.99, 0.2 - 0.4 * 0.99])
    assert by(Colour(1), x, 1.0, 0.5, 0.5).max() == 1
    assert by(Colour(1), x, 0.0, 0.0, 0.0, exact=True).equal(x)


@pytest.mark.parametrize("transform", [*TRANSFORMS.values()])
@pytest.mark.parametrize("shape", [(3, 1, 7, 7), (2, 3, 6, 9), (2, 5, 1, 4)], ids=str)
def test_shapes_ranges_and_exact_values_are_kept(
    transform: type[Transform], shape: tuple[int, ...]
) -> None:
    x = 2 * torch.rand(shape) - 1
    u = torch.rand(len(x), transform.numbers)
    out = transform().changed(x, u, exact=False)
    assert out.shape == x.shape
    assert out.abs().max() <= 1 + 1e-6
    hard = torch.randint(3, shape) - 1.0
    assert set(transform().changed(hard, u, exact=True).unique().tolist()) <= {-1, 0, 1}


def test_a_batch_is_a_function_of_its_number_and_ranks_share_it() -> None:
    one, other = (source("dcgan", augment=ALL, channels=1) for _ in range(2))
    other.batch(3, 8)
    whole = one.batch(5, 8).images
    assert whole.equal(other.batch(5, 8).images)
    halves = [one.batch(5, 8, rank, 2).images for rank in range(2)]
    assert whole.equal(torch.cat(halves))
    plain = source("dcgan", channels=1).batch(5, 8)
    assert not whole.equal(plain.images)
    assert whole.shape == plain.images.shape


def test_previews_stay_as_they_are() -> None:
    plain, changed = source("dcgan"), source("dcgan", augment=ALL)
    assert plain.preview(8).images.equal(changed.preview(8).images)


def test_streamed_pictures_are_changed_as_those_in_memory() -> None:
    pictures = torch.randint(0, 256, (12, 1, 8, 8), dtype=torch.uint8)

    class Items(Dataset[Tensor]):
        def __len__(self) -> int:
            return len(pictures)

        def __getitem__(self, index: int) -> Tensor:
            return pictures[index]

    held = source("dcgan", pictures, augment=ALL)
    read = source("dcgan", Items(), augment=ALL, workers=0)
    torch.testing.assert_close(held.batch(2, 4).images, read.batch(2, 4).images)


def test_both_sides_of_a_pair_move_alike() -> None:
    pictures = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    data = source("pix2pix", (pictures, pictures), augment=ALL, image_size=8)
    batch = data.batch(1, 6)
    assert batch.a.equal(batch.b)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """Label maps of three classes, and pictures that are 0 where the map is."""
    numbers = np.random.default_rng(0)
    for side in ("map", "photo"):
        (tmp_path / side).mkdir()
    for k in range(5):
        classes = numbers.integers(0, 3, (8, 8)).astype(np.uint8)
        Image.fromarray(classes).save(tmp_path / f"map/{k}.png")
        Image.fromarray(classes * 100).convert("RGB").save(tmp_path / f"photo/{k}.png")
    return tmp_path


def test_label_maps_move_and_keep_their_classes(maps: Path) -> None:
    """One channel a class: each pixel of a moved and turned map is still of one class."""
    cls, settings = tiny("pix2pix", data=f"{maps}?a=map&b=photo&onehot=a")
    moved = change(settings, {"augment": ALL})
    batches = [
        assemble(cls, resolved(cls, s), Engine.pick("cpu", "fp32"))[1].batch(0, 4)
        for s in (settings, moved)
    ]
    plain, changed = (batch.a for batch in batches)  # type: ignore[union-attr]
    assert set(changed.unique().tolist()) == set(plain.unique().tolist()) == {-1.0, 1.0}
    assert (changed == 1).sum(1).eq(1).all()
    assert not changed.equal(plain)


def test_texts_and_objects_mean_the_same() -> None:
    wanted = (Flip(), Rotate(30), Colour(0.2), Crop(2))
    for given in (ALL, [ALL], ["Flip", "Rotate(30)", "Colour(0.2), Crop(2)"], wanted):
        assert change(Settings(), {"augment": given}).augment == wanted
    assert Settings(augment="Flip").augment == (Flip(),)  # type: ignore[arg-type]


def test_what_cannot_be_spelled_is_refused_with_advice() -> None:
    from torchvision.transforms import v2

    with pytest.raises(SettingsError, match="Flip, Rotate; torchvision's transforms belong in"):
        replace(Settings(), augment=v2.Compose([v2.RandomHorizontalFlip()]))
    with pytest.raises(SettingsError, match="unknown Transform Flop"):
        change(Settings(), {"augment": "Flop(), Crop(4)"})


def test_points_are_refused() -> None:
    with pytest.raises(SettingsError, match="augment changes images, and this data has none"):
        source("gan", "ring", augment="Flip()")


@dataclass(frozen=True)
class Darker(Transform):
    """A change of one's own."""

    by: float = 0.5

    def changed(self, x: Tensor, u: Tensor, *, exact: bool) -> Tensor:
        return x - self.by * u[:, 0, None, None, None]


def test_ones_own_change_is_taken() -> None:
    plain = source("dcgan").batch(0, 4).images
    changed = source("dcgan", augment=[Darker(0.25)]).batch(0, 4).images
    lost = (plain - changed).flatten(1)
    assert lost.std(1).max() < 1e-6
    assert 0 <= lost.min() <= lost.max() <= 0.25


def test_the_change_and_the_dataset_of_the_docs_work(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parent.parent / "docs/augmentation.md"
    own, wrapped = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.M)
    module = ModuleType("mine")
    monkeypatch.setitem(sys.modules, "mine", module)
    exec(own, vars(module))
    bright = source("dcgan", torch.ones(4, 1, 8, 8), augment="mine.Dim(most=0.5)")
    images = bright.batch(0, 4).images
    assert 0 <= images.min() < images.max() <= 1
    names: dict[str, Any] = {}
    exec(wrapped.partition("ganwright.train(")[0], names)
    two = [source("dcgan", names["Changed"](), image_size=32, workers=0) for _ in range(2)]
    first, again = (data.batch(3, 4).images for data in two)
    assert first.equal(again)


def test_a_resumed_run_with_augmentation_is_the_unbroken_run(tmp_path: Path) -> None:
    """Of data, and of what D sees, with ADA's p on its way."""
    cls, settings = tiny("dcgan", steps=6, save_every=3, augment=(Flip(), Rotate(20), Crop(2)))
    own = replace(settings.game, augment_d="ADA(speed=100, every=1, p=0.3)")
    settings = replace(settings, game=own)
    train(cls, settings=settings, out=tmp_path / "whole", quiet=True)
    train(cls, settings=replace(settings, steps=3), out=tmp_path / "parts", quiet=True)
    resume(tmp_path / "parts", steps=6, quiet=True)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(whole[k].equal(parts[k]) for k in whole)
    assert whole["game.augment.p"] not in (0.0, 0.3)
    assert ganwright.load(tmp_path / "whole").sample(2).shape == (2, 1, 8, 8)
