"""Trained models as files that run without this library.

from ganwright.export import export
files = export(ganwright.load("runs/digits"), "exported", formats=["onnx"])
"""

from __future__ import annotations

from ganwright.export.files import TOLERANCE, Written, available, export, places
from ganwright.export.formats import FORMATS, Format
from ganwright.export.program import Program, program

__all__ = [
    "FORMATS",
    "TOLERANCE",
    "Format",
    "Program",
    "Written",
    "available",
    "export",
    "places",
    "program",
]
