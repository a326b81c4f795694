"""The plot of codes: a colour a class, and a sentence for what is no plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.errors import SettingsError
from ganwright.report.latent import save_codes


def colours(path: Path) -> set[tuple[int, ...]]:
    """Saturated colours in a picture, roughly."""
    with Image.open(path) as file:
        pixels = np.asarray(file.convert("RGB")).reshape(-1, 3).astype(int) // 32
    found = {tuple(p) for p in np.unique(pixels, axis=0).tolist()}
    return {p for p in found if max(p) - min(p) >= 4}


def test_each_class_has_a_colour(tmp_path: Path) -> None:
    codes = torch.randn(300, 2)
    save_codes(codes, tmp_path / "new" / "one.png")
    labels = torch.arange(300) % 3
    save_codes(codes, tmp_path / "three.png", labels, ("a", "b", "c"))
    one, three = colours(tmp_path / "new" / "one.png"), colours(tmp_path / "three.png")
    assert one
    assert len(three) > len(one)
    blue, orange, green = (0, 3, 5), (7, 3, 0), (1, 5, 1)
    assert {blue, orange, green} <= three
    assert not {orange, green} & one


def test_what_is_no_plane_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="latent=2"):
        save_codes(torch.zeros(4, 3), tmp_path / "x.png")
    with pytest.raises(SettingsError, match="4 codes and 3 labels"):
        save_codes(torch.zeros(4, 2), tmp_path / "x.png", torch.zeros(3))
    assert not list(tmp_path.iterdir())
