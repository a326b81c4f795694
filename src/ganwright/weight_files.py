"""Why a file of weights cannot be read, by what it begins with."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

from ganwright import atomic

_AGAIN = "download the file again"


def unreadable(path: Path, error: Exception) -> str:
    """Why torch or safetensors could not read a file, in words that follow "cannot be read:"."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return atomic.reason(error)
    zipped = head.startswith(b"PK")
    if not head:
        return f"it is empty; {_AGAIN}"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page; download the file that the page is about"
    if head.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS; get the file itself with git lfs pull"
    if (zipped and not zipfile.is_zipfile(path)) or isinstance(error, EOFError | IndexError):
        return f"it is cut off; {_AGAIN}"
    if isinstance(error, pickle.UnpicklingError) and not (zipped or head.startswith(b"\x80")):
        return "it is no file that torch saved; save a module's state_dict()"
    return atomic.reason(error)
