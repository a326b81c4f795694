"""What wrong inputs are tried on: tiny runs, and the files of `wrong_files`, made when needed."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import wrong_files
import yaml
from helpers import TINY

import ganwright
from ganwright.cli import main
from ganwright.families import FAMILIES

ROWS_FILE = Path(__file__).parents[2] / "docs" / "wrong_inputs.yaml"
MARK = "unpickled"
"""The folder that a pickle makes when it is read."""
QUICK: dict[str, Any] = {
    **{"image_size": 8, "batch_size": 4, "steps": 1},
    **{"device": "cpu", "workers": 0},
}
RUNS = {"run": "dcgan", "translator": "cyclegan", "classifier": "sgan", "labelled": "cgan"}
_ENDINGS = {
    **{"npy": ".npy", "npz": ".npz", "csv": ".csv", "zip": ".zip"},
    **{"dict": ".pt", "latents": ".npy", "nan_weights": ".safetensors", "zip_bomb": ".zip"},
}


@dataclass(frozen=True)
class Row:
    """What is given, how (command, config or python), and the words that its sentence holds."""

    how: str
    given: str
    says: str


@dataclass
class Answer:
    """What came of it: the exit status, what was said and printed, and files made or changed."""

    status: int
    said: str
    printed: str = ""
    left: set[str] = field(default_factory=set)


def rows() -> dict[str, list[Row]]:
    """The rows of the documentation's file by their kind."""
    kinds = yaml.safe_load(ROWS_FILE.read_text(encoding="utf-8"))
    return {
        kind["title"]: [Row(kind["how"], given, says) for given, says in kind["rows"].items()]
        for kind in kinds
    }


class World:
    """A folder with runs; what is tried in it must leave it as it was."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, family in RUNS.items():
            ganwright.train(family, out=root / name, **QUICK, **TINY[family], quiet=True)

    def answer(self, row: Row) -> Answer:
        """Try a row; what it leaves behind is named and removed."""
        text = re.sub(r"\{(\w+)\}", lambda m: self._made(m[1], row.how), row.given)
        before = self._files()
        with contextlib.chdir(self.root), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = (_python if row.how == "python" else _command)(text, row.how)
        found.said = found.said.replace(f"{self.root}{os.sep}", "")
        found.left = {name for name, _ in self._files() ^ before}
        for name in found.left:
            _remove(self.root / name)
        return found

    def _made(self, name: str, how: str) -> str:
        """A run, or what `wrong_files` makes, each time from scratch."""
        ending = _ENDINGS.get(name, _ENDINGS.get(name.rpartition("_")[2], ""))
        path = self.root / f"{name}{ending}"
        if name not in RUNS:
            _remove(path)
            _remove(path.with_suffix(".folder"))
            getattr(wrong_files, name)(path, self.root)
        return repr(path.name) if how == "python" else path.name

    def _files(self) -> set[tuple[str, int]]:
        """Every file and folder, with its size."""
        return {
            (os.path.relpath(path, self.root), os.lstat(path).st_size * (path in found))
            for folder, folders, files in os.walk(self.root)
            for found in [[os.path.join(folder, name) for name in files]]
            for path in [*found, *(os.path.join(folder, name) for name in folders)]
        }


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _command(text: str, how: str) -> Answer:
    """A command line, or the text of a configuration file."""
    argv = shlex.split(text) if how == "command" else ["train", "--config", "config.yaml"]
    if how == "config":
        Path("config.yaml").write_text(text, encoding="utf-8")
        argv += ["--out", "out"]
    elif argv[:1] == ["train"] and argv[1:2] and argv[1] in FAMILIES:
        argv[2:2] = _quick(argv)
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(argv)
    except BaseException as error:
        status = 1
        err.write(f"RAISED {type(error).__name__}: {error}")
    finally:
        if how == "config":
            Path("config.yaml").unlink()
    return Answer(status, err.getvalue(), out.getvalue())


def _quick(argv: list[str]) -> list[str]:
    """Flags of a tiny training that are not given."""
    own = {word.partition("=")[0] for word in argv}
    flags = {f"--{name.replace('_', '-')}": str(value) for name, value in QUICK.items()}
    flags["--out"] = "out"
    return [w for flag, value in flags.items() if flag not in own for w in (flag, value)]


def _python(text: str, how: str) -> Answer:
    """An expression; the error of the library is what the command line would print."""
    known = {"gw": ganwright, "np": np, "torch": torch, "train": _train, "load": _load}
    known |= {"run": "run", "R1": ganwright.penalties.R1}
    try:
        value = eval(text, known)
    except ganwright.GanwrightError as error:
        return Answer(2, f"ganwright: {' '.join(str(error).split())}\n")
    except BaseException as error:
        return Answer(1, f"RAISED {type(error).__name__}: {error}")
    return Answer(0, f"gave {value!r}"[:200])


def _train(game: Any, **given: Any) -> Any:
    """As `ganwright.train`, tiny and silent."""
    return ganwright.train(game, **{"out": "out", "quiet": True} | QUICK | given)


def _load(run: Any, **given: Any) -> Any:
    """As `ganwright.load`, on the CPU."""
    return ganwright.load(run, **{"device": "cpu"} | given)
