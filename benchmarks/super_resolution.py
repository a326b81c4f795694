"""PSNR and SSIM of a trained srgan on a folder of pictures, beside bicubic's.

    ganwright train srgan --data "photos?low=4" --image-size 96 --out runs/photos ...
    python benchmarks/super_resolution.py runs/photos set5 [--camera] [--crops crops.png]

Protocol: each picture is cut to a multiple of the scale, reduced by antialiased bicubic to 8 bits,
enlarged whole, rounded to 8 bits and compared on Y of BT.601 without a border as wide as the scale.
With --camera, the reduced picture is first made as a camera would: with Gaussian noise whose
deviation rises from 2 levels in black to 12 in white, and by Pillow's JPEG of quality 70.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image
from torchvision.utils import save_image

from ganwright import load
from ganwright.data.batches import lowered
from ganwright.families.srgan import bicubic
from ganwright.metrics.restoration import restored
from ganwright.pixels import from_bytes


def pictures(folder: Path, scale: int) -> dict[str, Tensor]:
    """Name -> [1, 3, H, W] in [-1, 1], sides cut to multiples of `scale`."""
    found = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as file:
            x = from_bytes(pil_to_tensor(file.convert("RGB"))[None])
        h, w = (side - side % scale for side in x.shape[-2:])
        found[path.stem] = x[..., :h, :w]
    return found


def photographed(x: Tensor, seed: int) -> Tensor:
    """A picture [1, 3, h, w] in [-1, 1], with the noise of a sensor and as a JPEG."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    light = x / 2 + 0.5
    noisy = light + noise * ((2 / 255) ** 2 + light * (12 / 255) ** 2).sqrt()
    file = io.BytesIO()
    to_pil_image(noisy[0].clamp(0, 1)).save(file, "JPEG", quality=70)
    return from_bytes(pil_to_tensor(Image.open(file))[None])


def crop(x: Tensor, size: int) -> Tensor:
    """The middle `size` x `size` of a picture, [C, size, size], for looking at."""
    h, w = x.shape[-2:]
    top, left = (h - size) // 2, (w - size) // 2
    return x[0, :, top : top + size, left : left + size]


def main() -> None:
    """Print a row a picture and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--raw", action="store_true", help="the weights, not their average")
    parser.add_argument("--camera", action="store_true", help="add noise and JPEG before enlarging")
    parser.add_argument("--crops", type=Path, help="write crops: bicubic, enlarged, true")
    parser.add_argument("--crop", type=int, default=96, help="side of the crops")
    args = parser.parse_args()
    model = load(args.run, device="cpu", raw=args.raw)
    assert model.spec.target is not None
    scale = model.spec.target[1] // model.spec.shape[1]
    rows, crops = [], []
    print(f"step {model.step}\n{'':12} {'bicubic':>15} {'srgan':>15}")
    for number, (name, truth) in enumerate(pictures(args.pictures, scale).items()):
        low = lowered(truth, scale)
        low = photographed(low, number) if args.camera else low
        plain, made = bicubic(low, truth), model.translate(low)
        scores = [restored(x, truth, border=scale) for x in (plain, made)]
        rows.append(torch.tensor([[float(s.psnr), float(s.ssim)] for s in scores]))
        print(_row(name, rows[-1]))
        crops += [crop(x, args.crop) for x in (plain, made, truth)]
    print(_row("mean", torch.stack(rows).mean(0)))
    if args.crops:
        save_image(torch.stack(crops) / 2 + 0.5, args.crops, nrow=3, padding=2)


def _row(name: str, scores: Tensor) -> str:
    return f"{name:12} " + " ".join(f"{p:8.2f} {s:.4f}" for p, s in scores.tolist())


if __name__ == "__main__":
    main()
