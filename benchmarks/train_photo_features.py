"""Trains the classifier behind `PhotoFeatures` and writes its weights into the package.

    python benchmarks/train_photo_features.py CIFAR-FOLDER [--epochs 6] [--out FILE]
    python benchmarks/train_photo_features.py CIFAR-FOLDER --check [--others FOLDER ...]

CIFAR-FOLDER holds CIFAR-10 (Krizhevsky, 2009) as images, in `train/CLASS` and `test/CLASS`. The net
learns its ten classes from the training images: mirrored, shifted, enlarged or reduced, one in ten
in grey, but never of other colours, so that its features see these. Only the weights are kept.

`--check` trains nothing. It prints the net's accuracy on the test images, and the FID by its
features between the two halves of a folder's images, as they are and with the second half spoilt:
blurred, noisy, of other colours, or mirrored upside down. More damage must be a larger FID.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from few_images import paths_of
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import affine_grid, cross_entropy, grid_sample
from torchvision.transforms.v2.functional import adjust_hue, gaussian_blur, pil_to_tensor, resize

from ganwright.metrics.distances import FID
from ganwright.metrics.image_set import of_tensor
from ganwright.metrics.photo_features import PhotoFeatures
from ganwright.metrics.photo_net import CLASSES, SHIPPED, SIDE, PhotoNet, trained
from ganwright.seeds import seed_torch

BATCH = 128
RATE = 6e-3
Labelled = tuple[Tensor, Tensor]
"""Images, uint8 [n, 3, 32, 32], and the numbers of their classes."""


def labelled(folder: Path) -> Labelled:
    """The images of a folder with a subfolder for each class."""
    images, labels = [], []
    for number, name in enumerate(CLASSES):
        files = sorted((folder / name).iterdir())
        images += [pil_to_tensor(Image.open(file).convert("RGB")) for file in files]
        labels += [number] * len(files)
    return torch.stack(images), torch.tensor(labels)


def varied(pictures: Tensor) -> Tensor:
    """Bytes as images in [-1, 1], each placed and mirrored in its own way, a tenth in grey."""
    n = len(pictures)
    x = pictures.float() / 127.5 - 1
    zoom = 0.8 + 0.3 * torch.rand(n)
    flip = torch.randint(2, (n,)) * 2 - 1
    right, down = 0.25 * (torch.rand(2, n) * 2 - 1)
    none = torch.zeros(n)
    maps = torch.stack([zoom * flip, none, right, none, zoom, down], 1).view(n, 2, 3)
    grid = affine_grid(maps, list(x.shape), False)
    x = grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    grey = torch.rand(n, 1, 1, 1) < 0.1
    return torch.where(grey, x.mean(1, keepdim=True), x)


def fitted(data: Labelled, epochs: int) -> PhotoNet:
    """Train, the learning rate falling to zero at the last step."""
    seed_torch(0, "photo features")
    images, labels = data
    net = PhotoNet().train().to(memory_format=torch.channels_last)
    steps = epochs * (len(images) // BATCH)
    adam = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, steps, pct_start=0.2)
    step = 0
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(BATCH)[: len(images) // BATCH]:
            x = varied(images[rows]).contiguous(memory_format=torch.channels_last)
            loss = cross_entropy(net(x)[1], labels[rows], label_smoothing=0.1)
            adam.zero_grad()
            loss.backward()
            adam.step()
            rate.step()
            if step % 100 == 0:
                print(f"step {step} of {steps}, loss {float(loss.detach()):.3f}", flush=True)
            step += 1
    return net.eval()


@torch.no_grad()
def accuracy(net: PhotoNet, data: Labelled) -> float:
    """The share of images whose class it names."""
    images, labels = data
    named = [net(part.float() / 127.5 - 1)[1].argmax(1) for part in images.split(500)]
    return float((torch.cat(named) == labels).float().mean())


def _noisy(amount: float) -> Callable[[Tensor], Tensor]:
    return lambda x: (x + amount * torch.randn_like(x)).clamp(-1, 1)


SPOILT: dict[str, Callable[[Tensor], Tensor]] = {
    "as they are": lambda x: x,
    "blurred, sigma .5": lambda x: gaussian_blur(x, [5, 5], [0.5, 0.5]),
    "blurred, sigma 1": lambda x: gaussian_blur(x, [7, 7], [1.0, 1.0]),
    "noise of .05": _noisy(0.05),
    "noise of .1": _noisy(0.1),
    "hues turned by 18 degrees": lambda x: adjust_hue(x / 2 + 0.5, 0.05) * 2 - 1,
    "hues turned by 72 degrees": lambda x: adjust_hue(x / 2 + 0.5, 0.2) * 2 - 1,
    "grey": lambda x: x.mean(1, keepdim=True).expand_as(x).contiguous(),
    "upside down": lambda x: x.flip(2),
}


def checked(folder: Path, size: int, most: int) -> dict[str, float]:
    """The FID between halves of a folder's images, the second spoilt in each way."""
    files = paths_of(folder, most)
    read = [resize(pil_to_tensor(Image.open(f).convert("RGB")), [size, size]) for f in files]
    images = torch.stack(read).float() / 127.5 - 1
    half = len(images) // 2
    features = PhotoFeatures()
    real, found = of_tensor(images[:half]).statistics(features), {}
    for name, spoil in SPOILT.items():
        seed_torch(0, "spoilt")
        fake = of_tensor(spoil(images[half:])).statistics(features)
        found[name] = FID(features).compare(real, fake)["FID"]
    return found


def main() -> None:
    """Train and write the weights, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="CIFAR-FOLDER")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--check", action="store_true", help="train nothing")
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="folders of 64 pixels")
    parser.add_argument("-n", type=int, default=10_000, help="images of a folder, at most")
    args = parser.parse_args()
    if not args.check:
        state = fitted(labelled(args.data / "train"), args.epochs).state_dict()
        weights = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
        save_file({k: v.contiguous() for k, v in weights.items()}, args.out)
        args.out.chmod(0o644)
        print(f"wrote {args.out}: {args.out.stat().st_size:,} bytes")
    if args.check or args.out == SHIPPED:
        right = accuracy(trained(), labelled(args.data / "test"))
        print(f"{right:.2%} of the test images are named rightly")
        folders = [(args.data / "test", SIDE), *((folder, 2 * SIDE) for folder in args.others)]
        for folder, size in folders:
            for name, value in checked(folder, size, args.n).items():
                print(f"{folder.name} at {size} pixels, {name}: {value:.2f}", flush=True)


if __name__ == "__main__":
    main()
