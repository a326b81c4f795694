"""Inception features here and by torch-fidelity's own network, timed in turn on the same images.

    python benchmarks/feature_speed.py [--weights FILE] [--batch 16] [--rounds 7] [--device cpu]

Without a file the weights are drawn at random, which costs the same. Prints the median time of each
for a batch, and the median of their ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch_fidelity import feature_extractor_inceptionv3 as fidelity

from ganwright.metrics.inception import InceptionFeatures

NAMES = ["2048", "logits_unbiased"]


class Random(fidelity.FeatureExtractorInceptionV3):  # type: ignore[misc]
    """The network with the weights that its layers begin with."""

    def load_state_dict(self, *_: Any, **__: Any) -> None:
        """Keep them."""


def random_weights(folder: Path) -> Path:
    """A file of weights drawn at random."""
    path = folder / "random.pth"
    torch.save({}, path)
    net = Random("inception-v3-compat", NAMES, feature_extractor_weights_path=str(path))
    torch.save(net.state_dict(), path)
    return path


def timed(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.no_grad()
def main() -> None:
    """Time both and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    device = torch.device(args.device)
    with tempfile.TemporaryDirectory() as folder:
        path = args.weights or random_weights(Path(folder))
        ours = InceptionFeatures(weights=path).build(device)
        theirs = fidelity.FeatureExtractorInceptionV3(
            "inception-v3-compat", NAMES, feature_extractor_weights_path=str(path)
        ).to(device)
    pixels = torch.randint(0, 256, (args.batch, 3, 64, 64), dtype=torch.uint8, device=device)
    images = pixels.float() / 127.5 - 1
    pairs = [
        (timed(lambda: ours(images), device), timed(lambda: theirs(pixels), device))
        for _ in range(args.rounds + 1)
    ][1:]
    mine, other = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"here {mine:.3f} s, torch-fidelity {other:.3f} s, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
