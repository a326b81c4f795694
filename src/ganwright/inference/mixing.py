"""Style mixing: the coarse styles of some samples with the fine styles of others.

Karras et al. (2019), arXiv:1812.04948, section 3.1 and figure 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ganwright.errors import SettingsError
from ganwright.inference.chunks import CHUNK
from ganwright.inference.labels import one_class, rows_of
from ganwright.inference.model import Model


@torch.no_grad()
def mix(
    model: Model,
    rows: Sequence[int],
    columns: Sequence[int],
    *,
    layer: int | None = None,
    labels: Any = None,
) -> Tensor:
    """A grid of samples: each row has the coarse styles of a seed, each column the fine ones.

    Args:
        model: a family with styles.
        rows: seeds, each for its first sample.
        columns: the same.
        layer: the first with the column's style; half of the layers when not given.
        labels: the class of all samples, by number or name; by default the first.

    Returns:
        float32 [1 + rows, 1 + columns, C, H, W] in [-1, 1], on the CPU. The first column shows the
        rows' own samples, the first row the columns'; the corner is white.

    Raises:
        SettingsError: the family has no styles, a side has no seed, there is no such layer, or
            labels name several classes.
    """
    one_class(labels)
    model.ability("sample")
    mixed: Callable[..., Tensor] | None = getattr(model.game, "mixed", None)
    if mixed is None:
        raise SettingsError(f"{model.family} has no styles to mix; stylegan2 and stylegan3 have")
    count: int = model.game.G.synthesis.count  # type: ignore[union-attr, assignment]
    layer = count // 2 if layer is None else layer
    if not 0 < layer < count:
        raise SettingsError(
            f"layer is {layer}; this {model.family} has {count} layers, give 1 to {count - 1}"
        )
    if not rows or not columns:
        raise SettingsError("style mixing takes one seed or more for rows, and for columns")
    z_rows, z_columns = (
        torch.cat([model.latents(1, seed=seed) for seed in seeds]) for seeds in (rows, columns)
    )
    coarse = torch.cat([z_columns, *(z[None].expand(1 + len(columns), -1) for z in z_rows)])
    fine = torch.cat([z_columns, *(torch.cat([z[None], z_columns]) for z in z_rows)])
    y = rows_of(model.game, labels, len(coarse))
    images = []
    for part in torch.arange(len(coarse)).split(CHUNK):
        pair = (z[part].to(model.game.device) for z in (coarse, fine))
        images.append(mixed(*pair, layer, None if y is None else y[part]).float().cpu())
    made = torch.cat(images)
    grid = torch.cat([torch.ones_like(made[:1]), made])
    return grid.view(1 + len(rows), 1 + len(columns), *made.shape[1:])
