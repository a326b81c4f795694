"""Formats the measurements recorded in `results/` for the pages.

`python benchmarks/gallery.py --docs docs` writes `gallery.json` and the grids beside it;
`python benchmarks/mnist.py NAME >> docs/results/mnist.jsonl` adds a line; `sagan-anime.jsonl` is
the metrics.jsonl of that recipe's run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ganwright.recipes import find
from ganwright.run.config_file import from_yaml

RESULTS = Path(__file__).parent / "results"

_SAID = {
    "sure": "confident about {:.0%} of samples",
    "classes": "{} of 10 digits found",
    "agreement": "{:.1%} match the requested label",
    "error": "{:.2%} of test images misclassified",
    "named": "{:.1%} of test images classified correctly by their cluster",
    "matched": "the code identifies {:.1%} of test digits under the best assignment",
}


def gallery() -> list[dict[str, Any]]:
    """A record for each recipe of the gallery."""
    rows: list[dict[str, Any]] = json.loads((RESULTS / "gallery.json").read_text(encoding="utf-8"))
    return rows


def mnist() -> list[dict[str, Any]]:
    """A record for each run on MNIST, with the family that its recipe names."""
    rows = [
        json.loads(line)
        for line in (RESULTS / "mnist.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [row | {"family": _family(row["name"])} for row in rows]


def gallery_rows() -> Iterable[list[str]]:
    """Recipe, minutes, verdict."""
    for r in gallery():
        link = f"[{r['name']}]({_picture(r)})"
        shares = ("" if r[key] is None else f"{r[key]:.0%}" for key in ("sure", "real"))
        yield [link, f"`{r['family']}`", f"{r['minutes']:.1f}", *shares, r["classes"] or ""]


def mnist_rows() -> Iterable[list[str]]:
    """Recipe, seed, steps, minutes, verdict."""
    for r in mnist():
        yield [
            f"`mnist-{r['name']}`",
            str(r["seed"]),
            f"{r['steps']:,}",
            f"{r['cpu_minutes']:.1f}",
            _verdict(r),
        ]


def curve_rows(recipe: str, terms: Iterable[str], every: int) -> Iterable[list[str]]:
    """Step and terms, from the metrics of a run."""
    for line in (RESULTS / f"{recipe}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["step"] % every == 0:
            yield [f"{row['step']:,}", *(f"{row[term]:.2f}" for term in terms)]


def of_family(name: str) -> str:
    """The family's sample grids from the gallery and its results on MNIST."""
    parts = []
    for r in (r for r in gallery() if r["family"] == name and not r["name"].startswith("part-")):
        parts.append(
            f"`ganwright train {name} --config gallery/{r['name']}`, {r['minutes']:.1f} minutes on "
            f"one core{_judged(r)}:\n\n![{r['name']}](../{_picture(r)})"
        )
    runs = [r for r in mnist() if r["family"] == name]
    lines = [
        f"- `mnist-{r['name']}`, seed {r['seed']}, {r['steps']:,} steps, {r['cpu_minutes']:.1f} "
        f"minutes on one core: {_verdict(r)}."
        for r in runs
    ]
    if lines:
        parts.append("On MNIST:\n\n" + "\n".join(lines))
    parts.append("[Results](../results.md) describes the measurements.")
    return "\n\n".join(parts)


def _picture(record: dict[str, Any]) -> str:
    return f"images/gallery/{record['name']}.png"


def _judged(record: dict[str, Any]) -> str:
    if not record["classes"]:
        return ""
    return (
        f"; the judge is confident about {record['sure']:.0%} of samples and finds "
        f"{record['classes']} classes"
    )


def _verdict(record: dict[str, Any]) -> str:
    return ", ".join(say.format(record[key]) for key, say in _SAID.items() if key in record)


def _family(recipe: str) -> str:
    family, _ = from_yaml(find(Path(f"mnist-{recipe}")).read_text(encoding="utf-8"))
    return family
