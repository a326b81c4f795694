"""The contract that is shipped: each check catches what it is there for, in a sentence."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import broken
import pytest
from broken import Whole
from processes import checked, processes

from ganwright.errors import SettingsError
from ganwright.game import Game
from ganwright.testing import contract
from ganwright.testing.contract import EVERY, PENALISED

ROOT = Path(__file__).parents[1]


def held_to(game: type[Game], name: str) -> None:
    dict(contract(game))[name]()


@pytest.mark.parametrize("name", [*EVERY, *PENALISED])
def test_a_family_that_keeps_it_passes(name: str) -> None:
    held_to(Whole, name)


CAUGHT = {
    "Nameless": ("says_what_it_is", "Nameless has no title of its own; give it one"),
    "Silent": ("says_what_it_is", "Silent has no docstring; say in a sentence"),
    "Listed": ("keeps_its_settings", "Listed.Config cannot be hashed .*; use tuples instead of"),
    "Lossy": ("keeps_its_settings", "game.function is .*, which cannot be restored"),
    "DeafToLoss": ("hears_its_settings", r"setting loss, and NonSaturating\(.*changes nothing"),
    "OwnObjective": ("hears_its_settings", "setting regularisers, .* changes nothing; derive"),
    "OwnAndRegularised": ("hears_its_settings", "setting unroll, and 1 changes nothing; derive"),
    "Unpacked": ("hears_its_settings", r"setting pack and refuses 2 \(no packs here\); derive"),
    "Vector": ("gives_named_scalars", r"G's term 'adv' is a tensor of shape \(4,\); .*mean"),
    "BadLazy": ("gives_named_scalars", "D's term 'vector' is a tensor of shape"),
    "Infinite": ("gives_named_scalars", "G's adv is (-?inf|nan) on the first batch; keep"),
    "Differentiates": ("gives_named_scalars", "G's objective leaves gradients on G.*; give the"),
    "Dead": (
        "has_no_dead_weights",
        "D.forgotten.weight, D.forgotten.bias of D does not enter its objective, so it is never",
    ),
    "Meddler": ("moves_its_own_weights_only", r"D\.\S+ changes while G is updated; list it"),
    "Unowned": ("moves_its_own_weights_only", "no player trains shift.weight, shift.bias; give it"),
    "Asleep": ("moves_its_own_weights_only", "G makes no update in 12 steps from step 0 on"),
    "Mode": ("leaves_modes_as_they_were", "D, D.* and . more is in another mode after a step;"),
    "Freezer": ("leaves_modes_as_they_were", r"G\.\S+ requires gradients otherwise after a step"),
    "Bright": ("gives_what_it_promises", r"preview runs from -\S+ to \S+; images that differ"),
    "Flat": ("gives_what_it_promises", r"sample gives the shape \(3, 64\); it must give \(3, 1, 8"),
    "Logits": ("gives_what_it_promises", "classify gives rows that sum to .*10.*; give probab"),
    "Counts": (
        "resumes_bitwise",
        "Counts does not resume bit for bit: .* keep state in registered",
    ),
    "Foreign": ("resumes_bitwise", "does not resume bit for bit: .* torch's global generator"),
    "Unregistered": ("resumes_bitwise", "draws other samples each time that it is loaded; what"),
    "Uncharged": ("charges_penalties", r"charged R1\(1.0, every=1\); its D's needs charge\("),
    "NeverLazy": ("charges_penalties", r"charged R1\(1.0, every=2\); its D's needs lazies\("),
    "Unclipped": ("charges_penalties", "D of Unclipped does not clip its weights; call penalty"),
    "Taking": ("takes_nothing_in_lazily", "past.calls of Taking changes in the pass of a lazy"),
}


@pytest.mark.parametrize("family", CAUGHT)
def test_a_broken_family_is_caught(family: str) -> None:
    check, sentence = CAUGHT[family]
    with pytest.raises(AssertionError, match=sentence) as caught:
        held_to(getattr(broken, family), check)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(";") >= 1, "it says how to fix it"


def test_every_check_can_fail() -> None:
    assert {check for check, _ in CAUGHT.values()} == {*EVERY, *PENALISED}


def test_a_pool_that_is_held_passes() -> None:
    held_to(broken.Holding, "takes_nothing_in_lazily")


def test_penalties_are_asked_of_those_that_have_them() -> None:
    assert {name for name, _ in contract(Whole)} == {*EVERY, *PENALISED}
    assert {name for name, _ in contract("discogan")} == {*EVERY}


def test_checks_say_why_they_are() -> None:
    assert all((check.__doc__ or "").strip() for check in (EVERY | PENALISED).values())


def test_settings_that_do_not_fit_are_one_sentence() -> None:
    with pytest.raises(SettingsError, match="unknown setting image_siz; did you mean image_size"):
        list(contract(Whole, image_siz=8))


def test_pytest_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, ganwright.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_package_tests_its_family_in_six_lines(tmp_path: Path) -> None:
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (test,) = (b for b in blocks if "ganwright.testing" in b)
    assert len([line for line in test.splitlines() if line]) <= 7
    mine = "\n".join(b for b in blocks if b.startswith("# mine.py\n"))
    (tmp_path / "mine.py").write_text(mine, encoding="utf-8")
    (tmp_path / "test_mine.py").write_text(test, encoding="utf-8")
    check = partial(checked, folder=tmp_path)
    with processes(check, "-q", tmp_path, folder=tmp_path / "said") as one:
        one.wait()
        assert f"{len(EVERY)} passed" in one.said(), one.said()
