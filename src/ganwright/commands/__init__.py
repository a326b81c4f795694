"""The commands: what each is called, where it stands and what it does in a line."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A row of the table; `path` is imported only when the command is called."""

    path: str
    usage: str
    help: str


COMMANDS: dict[str, Command] = {
    "train": Command(
        "ganwright.commands.train:train", "FAMILY [--data D] [settings]", "Train a family."
    ),
    "data": Command(
        "ganwright.commands.data:data",
        "DATA [--check] [--sheet FILE.png] [--pack FILE]",
        "Describe how data is read, check that all of it can be, draw a contact sheet, pack it.",
    ),
    "suggest": Command(
        "ganwright.commands.suggest:suggest",
        "DATA [--hours H] [--out FILE.yaml]",
        "Name a family and settings for data, what they cost, and a trial to begin with.",
    ),
    "resume": Command("ganwright.commands.train:resume", "RUN [--steps N]", "Resume a run."),
    "fork": Command(
        "ganwright.commands.fork:fork",
        "RUN [--out NEW] [settings]",
        "Continue from a checkpoint with other settings, in a new folder.",
    ),
    "sample": Command(
        "ganwright.commands.sample:sample",
        "RUN [-n N] [--out FILE]",
        "Generate images with a trained run.",
    ),
    "augment": Command(
        "ganwright.commands.augment:augment",
        "RUN [--per-class N] [--out FOLDER]",
        "Write labelled samples to add to a classifier's data, without wrong classes and copies.",
    ),
    "walk": Command(
        "ganwright.commands.walk:walk",
        "RUN [--seeds 1 2 3] [--out FILE.gif]",
        "Animate a walk through latent space.",
    ),
    "directions": Command(
        "ganwright.commands.walk:directions",
        "RUN [--count N] [--out FILE.png]",
        "Draw what the strongest latent directions change.",
    ),
    "mix": Command(
        "ganwright.commands.walk:mix",
        "RUN [--rows 1 2] [--columns 3 4]",
        "Draw the styles of some samples on others.",
    ),
    "project": Command(
        "ganwright.commands.project:project",
        "RUN INPUT [--out FOLDER]",
        "Find the latents of images.",
    ),
    "restyle": Command(
        "ganwright.commands.restyle:restyle",
        "RUN --example FILE [--out NEW]",
        "Train a generator to draw in the style of an example, or of ten images.",
    ),
    "translate": Command(
        "ganwright.commands.translate:translate",
        "RUN INPUT OUTPUT",
        "Translate images with a trained run.",
    ),
    "restore": Command(
        "ganwright.commands.restore:restore",
        "RUN INPUT [--out FOLDER]",
        "Restore old images, and show them before and after.",
    ),
    "classify": Command(
        "ganwright.commands.translate:classify",
        "RUN INPUT [--out FILE.csv]",
        "Classify images with a trained run.",
    ),
    "attack": Command(
        "ganwright.commands.attack:attack",
        "RUN|CLASSIFIER --data D [--cleaner RUN]",
        "Attack a classifier of your own, alone and behind a cleaner, and print how it does.",
    ),
    "app": Command(
        "ganwright.commands.app:app",
        "RUN [--port N]",
        "Show what a run can do on a page in the browser.",
    ),
    "watch": Command(
        "ganwright.commands.watch:watch",
        "RUN [--port N]",
        "Follow a run in the browser as it trains.",
    ),
    "export": Command(
        "ganwright.commands.export:export",
        "RUN [--formats onnx pt2 ...]",
        "Export a trained network to ONNX and others.",
    ),
    "evaluate": Command(
        "ganwright.commands.evaluate:evaluate",
        "RUN|DATA [--metrics M ...] [--against DATA]",
        "Measure samples against real images.",
    ),
    "compare": Command(
        "ganwright.commands.compare:compare",
        "RUN RUN ... [--csv|--latex]",
        "Compare the metrics of runs, with their spread over seeds.",
    ),
    "sweep": Command(
        "ganwright.commands.compare:sweep",
        "FAMILY --seeds 0 1 2 [settings]",
        "Train a grid of settings and seeds, and compare them.",
    ),
    "report": Command(
        "ganwright.commands.report:report",
        "RUN [RUN ...] [--out FILE.html]",
        "Write the HTML report of a run, or compare several in one.",
    ),
    "profile": Command(
        "ganwright.commands.profile:profile",
        "FAMILY|RUN [settings]",
        "Measure what a training costs, and where the time of a step goes.",
    ),
    "pack": Command(
        "ganwright.commands.pack:pack",
        "DATA FILE [--family F] [--image-size N]",
        "Decode and scale images once, into one file.",
    ),
    "list": Command(
        "ganwright.commands.show:listing",
        "[TOPIC]",
        "List families, recipes, losses, penalties, data ...",
    ),
    "info": Command(
        "ganwright.commands.show:info", "FAMILY", "Describe a family, its players and its settings."
    ),
}
