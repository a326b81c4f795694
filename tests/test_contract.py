"""Every family of the table keeps the contract that `ganwright.testing` ships."""

from __future__ import annotations

import pytest
from helpers import TINY, tiny

from ganwright.families import FAMILIES, family
from ganwright.testing import Check, contract

NAMES = sorted(FAMILIES)


def test_every_family_has_tiny_settings() -> None:
    assert set(TINY) == set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_opens_with_its_citation(name: str) -> None:
    cls = family(name)
    assert cls.paper == FAMILIES[name].paper
    module = __import__(cls.__module__, fromlist=["x"])
    assert f"arXiv:{cls.paper}" in (module.__doc__ or "")


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{name}-{kept}")
        for name in NAMES
        for kept, check in contract(*tiny(name))
    ],
)
def test_the_contract_is_kept(check: Check) -> None:
    check()
