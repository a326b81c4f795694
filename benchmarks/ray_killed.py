"""Kills one of two processes that Ray runs, and compares the run with one that torchrun started.

Ray must start both again, from the last checkpoint, and all tensors, metrics and samples at the end
must be those of the uninterrupted run, bit for bit. The exit status says whether they are.

    python benchmarks/ray_killed.py --out killed
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from threading import Thread
from time import sleep

from unbroken import differences, newest, tensors, words

from ganwright.callbacks.callback import Callback, Run
from ganwright.config.settings import Settings
from ganwright.families.dcgan import DCGAN
from ganwright.networks import ConvNet
from ganwright.run.on_ray import on_ray
from ganwright.run.train import resume, train

SETTINGS = Settings(
    game=DCGAN.Config(networks=ConvNet(width=4)),
    data="digits",
    image_size=8,
    batch_size=8,
    seed=7,
    sync_batch_norm=True,
    device="cpu",
    precision="fp32",
    steps=400,
    log_every=20,
    save_every=20,
    sample_every=200,
)


class Sign(Callback):
    """Each process leaves its number in a folder when it begins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def started(self, run: Run) -> None:
        with (self.folder / str(run.trainer.engine.rank)).open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {run.step}\n")


def signed(folder: Path) -> list[tuple[int, int]]:
    """The processes that were the second one, each with the step at which it began."""
    path = folder / "1"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [(int(number), int(step)) for number, step in map(str.split, lines)]


def uninterrupted(run: Path) -> None:
    """Two processes that torchrun starts with this very file; they come back to `main`."""
    command = (
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        __file__,
        "--out",
        run.parent,
    )
    subprocess.run([sys.executable, *command], check=True)


def interrupted(run: Path, signs: Path) -> None:
    """Two processes under Ray, of which the second is killed."""
    signs.mkdir(parents=True)
    killer = Thread(target=kill, args=(run, signs), daemon=True)
    killer.start()
    begin = partial(train, DCGAN, SETTINGS, run, callbacks=[Sign(signs)], quiet=True)
    again = partial(resume, run, callbacks=[Sign(signs)], quiet=True)
    on_ray(begin, again, run, processes=2, settings=SETTINGS)
    killer.join()


def kill(run: Path, signs: Path) -> None:
    """Kill the second process in the middle of the run, between two checkpoints or in one."""
    while newest(run) < 40:
        sleep(0.01)
    number, _ = signed(signs)[-1]
    os.kill(number, signal.SIGKILL)


def main() -> int:
    """Train both runs and print where they differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="a new folder for both runs")
    out = parser.parse_args().out.absolute()
    whole, broken, signs = out / "whole", out / "broken", out / "signs"
    if "RANK" in os.environ:
        train(DCGAN, SETTINGS, whole, quiet=True)
        return 0
    if newest(whole) < SETTINGS.steps:
        uninterrupted(whole)
    interrupted(broken, signs)
    one, two = ({**tensors(run, SETTINGS.steps), **words(run)} for run in (broken, whole))
    apart = list(differences(one, two))
    print(f"the second process began at steps {[step for _, step in signed(signs)]}")
    print(f"{len(apart)} differences", *apart[:5], sep="\n")
    return 1 if apart or len(signed(signs)) != 2 else 0


if __name__ == "__main__":
    sys.exit(main())
