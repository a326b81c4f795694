"""The contract that every family keeps, as checks that any package can run on its own.

    from ganwright.testing import parametrize
    from mine import Duel

    @parametrize(Duel, batch_size=4)
    def test_duel_keeps_the_contract(check):
        check()

The library holds its own families to the same checks. Each trains a step or a few, so settings
should be as small as they can be. pytest is imported by `parametrize` alone.
"""

from __future__ import annotations

from ganwright.testing.contract import Check, contract, parametrize
from ganwright.testing.subject import Subject

__all__ = ["Check", "Subject", "contract", "parametrize"]
