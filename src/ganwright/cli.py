"""The command line. A command's module is imported only when it is called."""

from __future__ import annotations

import io
import os
import pkgutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ganwright.commands import COMMANDS
from ganwright.config.trust import FLAG, trusting
from ganwright.errors import GanwrightError, SettingsError, nearest
from ganwright.memory import shortage_named
from ganwright.version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    0: done. 2: the user's mistake, told in one sentence on standard error. 130: interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may lack a letter
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say
            return _run(words) or _written(words)
    except GanwrightError as error:
        print(f"ganwright: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _written(words)
        return 0
    except OSError:
        if status := _written(words):
            return status
        raise


def _written(words: Sequence[str]) -> int:
    """The exit status once all output is written; what cannot be is named, and dropped.

    Python would end with a traceback of its own. A run's folder holds all that training prints.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if isinstance(error, BrokenPipeError):  # whoever read it has what it wanted
            return 0
        print(f"ganwright: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 0 if words and words[0] in _TRAINING else 2
    return 0


def _run(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if argv[0] == "--version":
        print(__version__)
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        raise SettingsError(f"unknown command {name}; {nearest(name, COMMANDS)}")
    try:
        with trusting(FLAG in rest), shortage_named():
            words = [word for word in rest if word != FLAG]
            status: int = pkgutil.resolve_name(COMMANDS[name].path)(words)
    except SystemExit as finished:  # argparse, after it printed the help
        return int(finished.code or 0)
    return status


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as a sentence, without the line of code that gave it."""
    print(f"ganwright: warning: {message}", file=sys.stderr)


def overview() -> str:
    """The help of the whole: how to begin, and each command in a line."""
    first = {f"ganwright {call}": what for call, what in _FIRST if call.split()[0] in COMMANDS}
    every = {f"{name} {c.usage}": c.help for name, c in COMMANDS.items()}
    return "\n".join(
        [
            "usage: ganwright COMMAND ...",
            "",
            "Train GANs, look at their samples, measure and share them.",
            "",
            "From a folder of images to a trained model:",
            *_aligned(first),
            "",
            "Without --data, a family trains on images that ship with the package.",
            "",
            "Commands:",
            *_aligned(every),
            "",
            "ganwright COMMAND --help explains a command, ganwright train FAMILY --help lists",
            "every setting of a family, and ganwright list names the families.",
        ]
    )


_TRAINING = ("train", "resume", "fork", "restyle")
_FIRST = (
    ("data photos/", "see what the folder is taken for"),
    ("train dcgan --data photos/ --out runs/photos", "train; Ctrl-C saves and stops"),
    ("resume runs/photos", "continue where it stopped"),
    ("sample runs/photos -n 64 --out samples.png", "generate images"),
    ("evaluate runs/photos", "measure samples against real images"),
    ("report runs/photos", "write report.html, with curves and samples"),
    ("app runs/photos", "open the demo in a browser"),
)
"""The first commands that one needs, and what each is for."""


def _aligned(rows: Mapping[str, str]) -> list[str]:
    """Two columns."""
    width = max(map(len, rows))
    return [f"  {first:{width}}  {second}" for first, second in rows.items()]


if __name__ == "__main__":
    sys.exit(main())
