"""The documentation says what the code does: tables are up to date, links and versions agree."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny
from packaging.requirements import Requirement

import names
import tables
from ganwright.config.registry import table as registered
from ganwright.families import FAMILIES
from ganwright.run.train import train as train_run

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_tables_are_up_to_date() -> None:
    stale = [
        p.name
        for p in tables.pages()
        if (page := p.read_text(encoding="utf-8")) != tables.render(page)
    ]
    assert not stale, f"run `make docs-tables`: {stale}"


def test_every_table_stands_in_a_page() -> None:
    placed = set(
        re.findall(
            r"<!-- table: ([\w-]+) -->", "".join(p.read_text(encoding="utf-8") for p in PAGES)
        )
    )
    assert placed == set(tables.tables())


def test_everything_has_its_paper_and_its_names_elsewhere() -> None:
    for topic, table in (
        ("losses", names.LOSSES),
        ("penalties", names.PENALTIES),
        ("regularisers", names.REGULARISERS),
    ):
        assert {n for n in table if "(" not in n} == set(registered(topic))
    assert {n: k.paper for n, k in names.FAMILIES.items()} == {
        n: entry.paper for n, entry in FAMILIES.items()
    }


def test_the_callback_and_the_metric_of_the_docs_work(tmp_path: Path) -> None:
    page = (ROOT / "docs/callbacks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    callback, train, metric, measure = blocks
    typed = [x for x in callback.splitlines() if x and not x.startswith("from ")]
    assert len(typed) <= 10
    assert "ganwright.train(" in train
    assert "ganwright.train(" in measure
    names: dict[str, Any] = {}
    exec(callback + metric, names)
    cls, settings = tiny("gan", steps=9, log_every=1, sample_every=3)
    patient = names["Patience"]("step", rows=2)  # it only grows
    around = {"callbacks": [patient], "metrics": [names["Spread"]()], "quiet": True}
    model = train_run(cls, settings, tmp_path / "run", **around)
    assert model.step == 3
    rows = (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(rows[-1])["Spread/deviation"] > 0


def test_a_table_that_drifted_is_rewritten() -> None:
    page = "before\n<!-- table: schedules -->\n\nstale\n\n<!-- end -->\nafter\n"
    new = tables.render(page)
    assert "stale" not in new
    assert "| `LinearDecay(hold, horizon)` | Constant up to step `hold`" in new
    assert new.startswith("before\n")
    assert new.endswith("<!-- end -->\nafter\n")
    assert tables.render(new) == new


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [t for t in targets if "://" not in t]
    assert [t for t in local if not (page.parent / t).exists()] == []


def test_pre_commit_checks_with_the_ruff_of_the_constraints() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert f"rev: v{_pinned('ruff')}\n" in hooks


def test_constraints_pin_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [Requirement(r) for r in project["dependencies"] + extras["dev"] + extras["docs"]]
    assert len(asked) > 15
    assert [str(r) for r in asked if _pinned(r.name) not in r.specifier] == []


def _pinned(name: str) -> str:
    pattern = re.sub("[-_]", "[-_]", name)
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pin = re.search(rf"^{pattern}==(\S+)$", pins, re.MULTILINE | re.IGNORECASE)
    assert pin, f"{name} is not pinned"
    return pin[1]


@pytest.mark.parametrize("topic", tables.WITH_FORMULAS)
def test_everything_measured_or_minimised_has_its_formula(topic: str) -> None:
    assert [n for n, cls in registered(topic).items() if not tables.formula(cls)] == []


def test_a_formula_is_the_indented_paragraph() -> None:
    class Some:
        """Words.

            D  a + b
            G  b

        Args:
            a: a number.
        """

    class Plain:
        """Words.

        Args:
            a: a number.
        """

    assert tables.formula(Some) == "D  a + b\nG  b"
    assert tables.formula(Plain) == ""


def test_the_readme_counts_the_families() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    papers = {entry.paper for entry in FAMILIES.values()}
    assert f"It has {len(FAMILIES)} families of models from {len(papers)} papers" in text
    assert f"| {len(FAMILIES)}: generation" in text
