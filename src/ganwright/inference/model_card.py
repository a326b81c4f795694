"""The card of a model: what it is, how to use it, and what is known of it, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ganwright.data.types import Spec
from ganwright.families import FAMILIES
from ganwright.game import Game
from ganwright.report.records import finite, read_rows
from ganwright.version import __version__

_CARD = """---
library_name: ganwright
pipeline_tag: {task}
tags:
{tags}
# license: choose one of https://huggingface.co/docs/hub/repositories-licenses
---

# {title}

{about}

## Use

```python
import ganwright

model = ganwright.from_pretrained("{place}")
{use}
```

## Data

{data}

## Settings

```yaml
{settings}```

## Results

{results}

## Licence and limits

The author has not said yet under which licence the weights may be used, nor for what purpose.
What the model makes is like its training data, with the gaps and the biases of that data.
"""

_USES = {
    "sample": (
        "unconditional-image-generation",
        "images = model.sample(16, seed=0)  # {shape} in [-1, 1]",
    ),
    "translate": (
        "image-to-image",
        "translated = model.translate(image)  # a Pillow image, of any size the network takes",
    ),
}
"""What a model can do -> the hub's name of the task, and how it is called."""


class Described:
    """What a card tells of a model: its family, networks, data, steps and run folder."""

    family: str
    game: Game
    spec: Spec
    step: int
    run: Path


def card(model: Described, config: Mapping[str, Any], place: str) -> str:
    """The text of README.md.

    Args:
        model: what it is about; its run folder may hold what `evaluate` found.
        config: the configuration as it is published.
        place: the folder or the repository that the example loads.
    """
    family = type(model.game)
    task, use = _use(model)
    tags = dict.fromkeys(("gan", model.family, "safetensors"))
    data = str(config.get("data") or model.game.data)
    return _CARD.format(
        task=task,
        use=use,
        tags="\n".join(f"- {tag}" for tag in tags),
        title=f"{family.title or model.family} trained on {data}",
        about=_about(model),
        place=place,
        data=_data(model, data),
        settings=yaml.safe_dump(_told(config), sort_keys=False, allow_unicode=True, width=90),
        results=_results(model),
    )


def _use(model: Described) -> tuple[str, str]:
    """The hub's name of the task, and the line that does it."""
    spec = model.spec
    task, use = next(
        (use for name, use in _USES.items() if hasattr(model.game, name)), ("other", "")
    )
    if hasattr(model.game, "sample") and len(spec.shape) != 3:
        made = "model.sample(16, seed=0)"
        task, use = "other", f"points = {made}  # {{shape}}"
        if spec.table:
            use = f"rows = model.spec.table.numbers({made})  # {{shape}}, as in the data"
        elif spec.signal:
            use = f"signals = model.spec.signal.numbers({made})  # {{shape}}, as in the data"
    return task, use.format(shape=[16, *spec.shape])


def _about(model: Described) -> str:
    family = type(model.game)
    entry = FAMILIES.get(model.family)
    what = f"{entry.title}, " if entry else ""
    link = f"[arXiv:{family.paper}](https://arxiv.org/abs/{family.paper})"
    paper = f" ({link})" if family.paper else ""
    return (
        f"{what}`{model.family}`{paper}, trained for {model.step:,} steps with Ganwright "
        f"{__version__}. The weights are safe tensors, and no code comes with them."
    )


def _data(model: Described, name: str) -> str:
    spec = model.spec
    count = f"{spec.count:,} " if spec.count else ""
    lines = [f"- `{name}`, {count}training items of shape {_by(spec.shape)}"]
    if spec.target:
        lines.append(f"- translated to shape {_by(spec.target)}")
    if spec.classes:
        some = ", ".join(spec.classes[:20]) + (" ..." if len(spec.classes) > 20 else "")
        lines.append(f"- {len(spec.classes)} classes: {some}")
    return "\n".join(lines)


def _told(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that shape the model; the others are in config.yaml."""
    names = ("image_size", "batch_size", "seed", "precision", "ema_half_life", "augment", "flip")
    return {name: config[name] for name in names if name in config} | {"game": config.get("game")}


def _results(model: Described) -> str:
    """The newest of each number that was measured with these weights."""
    rows = read_rows(Path(model.run) / "evaluation.jsonl")
    newest = {row["name"]: row for row in rows if "name" in row and row["step"] == model.step}
    if not newest:
        return "Nothing was measured."
    lines = ["| Metric | Value | Reference |", "| --- | --- | --- |"]
    for name, row in newest.items():
        value = f"{row['value']:.4g}" if finite(row.get("value")) else "not finite"
        lines.append(f"| {name} | {value} | {row.get('reference', '')} |")
    return "\n".join(lines)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
