"""Settings drawn at random: a run is trained, saved and loaded, or refused before it is begun."""

from __future__ import annotations

import tempfile
import types
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from helpers import SIZES, TINY

import ganwright
from ganwright.config.hints import hints_of, ranges
from ganwright.config.registry import choices
from ganwright.errors import GanwrightError, NonFiniteError
from ganwright.families import family

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

QUICK: dict[str, Any] = {"batch_size": 4, "steps": 1, "device": "cpu", "workers": 0, "quiet": True}
LARGEST = 8
"""Of whole numbers, so that every network that is drawn is small."""
TRIES = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type: of its range, at its ends, and now and then outside."""
    kind = get_origin(hint)
    if kind is Annotated:
        (limits, *_), number = ranges(hint), get_args(hint)[0]
        low, high = max(limits.low, -LARGEST), min(limits.high, LARGEST)
        ends = [low, high, low - 1, *([float("nan")] if number is float else [])]
        inside = st.floats(low, high) if number is float else st.integers(int(low), int(high))
        return st.one_of(inside, inside, st.sampled_from([number(end) for end in ends]))
    if kind in (Union, types.UnionType):
        return st.one_of(*map(values, get_args(hint)))
    if kind is Literal:
        return st.sampled_from([*get_args(hint), "nonsense"])
    if kind is tuple:
        first, *rest = get_args(hint)
        if rest == [...]:
            return st.lists(values(first), max_size=2).map(tuple)
        return st.tuples(*map(values, get_args(hint)))
    if hint is bool:
        return st.booleans()
    if hint in (types.NoneType, int, float, str):
        return st.sampled_from([None, 1, "x"])
    return st.sampled_from([*choices(hint), "Nonsense"]) if isinstance(hint, type) else st.none()


def given_to(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """One to three settings of a family."""
    hints = {k: v for k, v in hints_of(family(name).Config).items() if k not in TINY.get(name, {})}
    names = st.lists(st.sampled_from(sorted(hints)), min_size=1, max_size=3, unique=True)
    return names.flatmap(lambda some: st.fixed_dictionaries({n: values(hints[n]) for n in some}))


def plays_or_says_why(name: str, given: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = Path(folder) / "run"
        tiny = QUICK | {"image_size": SIZES.get(name, 8)} | TINY.get(name, {})
        try:
            ganwright.train(name, out=out, **tiny, **given)
        except NonFiniteError:
            return
        except GanwrightError:
            assert not out.exists()
            return
        assert ganwright.load(out, device="cpu").step == 1


def tried(name: str, times: int) -> None:
    test = hypothesis.given(given_to(name))(lambda given: plays_or_says_why(name, given))
    settings(TRIES, max_examples=times)(test)()


@pytest.mark.parametrize("name", TINY)
def test_any_settings_of_a_family(name: str) -> None:
    tried(name, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_many_settings_of_a_family(name: str) -> None:
    tried(name, 40)
