"""Photographs of 1,600x1,200 streamed at 64 pixels, against a plain DataLoader of torchvision's.

    python benchmarks/decoding.py [--count 64] [--passes 16] [--rounds 2] [--quality 75]

All read the same JPEGs in batches of 16 with as many workers, one after the other in each round;
`packed` is the library with --cache, once it has written its file. Of each the best round counts.
Time is that of the clock and, because other programs may want the processor too, that which all
processes computed, what is read ahead and thrown away at the end included. `difference` is the
mean over all pixels between pictures decoded as the library does it and pictures decoded whole, of
255 levels.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from ganwright.data import DataOptions, Images, open_data
from ganwright.data.image import Fit
from ganwright.data.serve import load

WIDTH, HEIGHT, SIZE, BATCH = 1600, 1200, 64, 16


def photograph(seed: int) -> Image.Image:
    """Noise of all scales, each as strong as in photographs: about 1/f."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, HEIGHT, WIDTH)
    for level in range(8):
        noise = torch.randn(1, 3, 6 << level, 8 << level, generator=generator)
        total += interpolate(noise, (HEIGHT, WIDTH), mode="bilinear") / 2 ** (level / 2)
    pixels = total[0].mul(40).add(128).clamp(0, 255).to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


class Plain(Dataset[Tensor]):
    """What one writes with torchvision."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        self.change = transforms.Compose(
            [
                transforms.Resize(SIZE, antialias=True),
                transforms.CenterCrop(SIZE),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * 3, [0.5] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.files[index]) as image:
            changed: Tensor = self.change(image.convert("RGB"))
            return changed


def ours(folder: Path, workers: int, batches: int, cache: bool = False) -> Iterator[Tensor]:
    """Batches of the library, which streams what is too large for memory."""
    load.RESIDENT_BYTES = 1
    options = DataOptions(image_size=SIZE, workers=workers, cache=cache)
    data = open_data(folder, task=Images, options=options)
    for draw in range(batches):
        yield data.batch(draw, BATCH).images
    data.close()


def packed(folder: Path, workers: int, batches: int) -> Iterator[Tensor]:
    """The same out of the cache."""
    return ours(folder, workers, batches, cache=True)


def theirs(folder: Path, workers: int, batches: int) -> Iterator[Tensor]:
    """Batches of a DataLoader, over again when they end."""
    loader = DataLoader(
        Plain(sorted(folder.glob("*.jpg"))),
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
        prefetch_factor=4,
    )
    given = 0
    while given < batches:
        for batch in loader:
            yield batch
            given += 1
            if given == batches:
                return


def measured(batches: Callable[[], Iterator[Tensor]]) -> tuple[float, float]:
    """Seconds by the clock, and computed by all processes, per image: first batch to last."""
    clock, computed = time.perf_counter(), _computed()
    images = sum(len(batch) for batch in batches())
    return (time.perf_counter() - clock) / images, (_computed() - computed) / images


def _computed() -> float:
    """Of this process and of the workers that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def difference(files: list[Path]) -> tuple[float, float]:
    """Mean and greatest difference from decoding whole, of 255 levels."""
    fit, found = Fit((SIZE, SIZE), 3), []
    for file in files:
        with Image.open(file) as whole, Image.open(file) as small:
            found.append((fit.picture(whole).float() - fit.file(small).float()).abs())
    return float(torch.stack(found).mean()), float(torch.stack(found).max())


def main() -> None:
    """Make the pictures, read them both ways in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=64, help="how many photographs are made")
    parser.add_argument("--passes", type=int, default=16, help="how often each is read a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quality", type=int, default=75, help="of the JPEGs; 75 is Pillow's own")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for seed in range(asked.count):
            photograph(seed).save(folder / f"{seed:04}.jpg", quality=asked.quality)
        files, batches = sorted(folder.glob("*.jpg")), asked.passes * asked.count // BATCH
        size = sum(file.stat().st_size for file in files) / len(files) / 2**10
        print(f"{len(files)} JPEGs of {WIDTH}x{HEIGHT}, {size:.0f} KiB each")
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        readers = {"torchvision": theirs, "ganwright": ours, "packed": packed}
        next(packed(folder, 0, 1))
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
        for name, read in [*readers.items()] * asked.rounds:
            found[name].append(row := measured(partial(read, folder, asked.workers, batches)))
            print(f"{name}: {1 / row[0]:.1f} images/s, {1000 * row[1]:.2f} ms computed each")
        best = {
            name: [min(column) for column in zip(*rows, strict=True)]
            for name, rows in found.items()
        }
        for name in ("ganwright", "packed"):
            clock, computed = (a / b for a, b in zip(best["torchvision"], best[name], strict=True))
            print(f"{name}: {clock:.1f} times as fast by the clock, {computed:.1f} by computation")
        mean, most = difference(files[:16])
    print(f"difference: {mean:.2f} of 255 levels, at most {most:.0f}")


if __name__ == "__main__":
    main()
