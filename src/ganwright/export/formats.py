"""The formats of exported programs: how each is written, and how it is run again."""

from __future__ import annotations

import io
import runpy
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, TypeAlias

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from ganwright.errors import missing_extra
from ganwright.export.plain import tensors, text
from ganwright.export.program import Program

Runner: TypeAlias = Callable[..., Tensor]
_ONNX = ("onnx", "onnxscript", "onnxruntime")


class Format(NamedTuple):
    """A row of the table.

    Args:
        help: what it is, in a sentence.
        endings: of its files; the first is the one that is loaded.
        write: writes a program's files, in the order of the endings.
        run: the function that the written files compute.
        packages: what must be installed.
    """

    help: str
    endings: tuple[str, ...]
    write: Callable[[Program, tuple[Path, ...]], None]
    run: Callable[[Program, tuple[Path, ...]], Runner]
    packages: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [package for package in self.packages if find_spec(package) is None]

    def check(self, name: str) -> None:
        """See that its packages are installed.

        Raises:
            MissingExtraError: some are not.
        """
        if missing := self.missing():
            raise missing_extra(f"the format {name}", *missing)


def _write_onnx(program: Program, files: tuple[Path, ...]) -> None:
    axes = tuple(dict(axes) for axes in program.axes.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inputs that share an axis share its name
        made = torch.onnx.export(
            program.exported,
            dynamo=True,
            verbose=False,
            input_names=list(program.axes),
            output_names=["output"],
            dynamic_shapes=axes,
        )
    assert made is not None
    made.save(files[0])


def _run_onnx(program: Program, files: tuple[Path, ...]) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(files[0], providers=["CPUExecutionProvider"])

    def run(*inputs: Tensor) -> Tensor:
        given = {name: x.numpy() for name, x in zip(program.axes, inputs, strict=True)}
        return torch.from_numpy(session.run(None, given)[0])

    return run


def _write_pt2(program: Program, files: tuple[Path, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensors that are views; `run` sees that all are there
        buffer = io.BytesIO()  # torch's own files give no system's error where a disk is full
        torch.export.save(program.exported, buffer)
    files[0].write_bytes(buffer.getbuffer())


def _run_pt2(program: Program, files: tuple[Path, ...]) -> Runner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch 2.11 finds its own buffers not writable
        return torch.export.load(files[0]).module()


def _write_state(program: Program, files: tuple[Path, ...]) -> None:
    weights, code = files
    weights.write_bytes(save(tensors(program)))
    code.write_text(text(program, weights), encoding="utf-8")


def _run_state(program: Program, files: tuple[Path, ...]) -> Runner:
    weights, code = files
    held, names = load_file(weights), runpy.run_path(str(code))
    function = names[code.stem.replace("-", "_")]
    return lambda *inputs: function(held, *inputs)


FORMATS: dict[str, Format] = {
    "onnx": Format(
        "ONNX, for onnxruntime and others", (".onnx",), _write_onnx, _run_onnx, packages=_ONNX
    ),
    "pt2": Format("a program of torch.export", (".pt2",), _write_pt2, _run_pt2),
    "state-dict": Format(
        "a state dict, and a file of Python that uses it",
        (".safetensors", ".py"),
        _write_state,
        _run_state,
    ),
}
