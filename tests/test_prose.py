"""The prose linter: it finds what its list names, where it is, and nothing in code."""

from __future__ import annotations

import prose

AVOID = {"can not": "cannot", "pictures": "images", "in place of": "instead of"}


def found(text: str) -> list[str]:
    return [str(f) for f in prose.check(text, "page.md:1", AVOID)]


def test_the_project_keeps_its_word_list() -> None:
    assert [str(f) for f in prose.findings()] == []


def test_a_phrase_is_found_with_its_line_and_what_to_write() -> None:
    assert found("One.\nIt can not be.") == ["page.md:2: 'can not'; write cannot"]
    assert found("Pictures of G") == ["page.md:1: 'Pictures'; write images"]


def test_a_phrase_is_found_across_lines() -> None:
    assert found("a\nb in\n  place of c") == ["page.md:2: 'in place of'; write instead of"]


def test_code_and_parts_of_words_are_no_prose() -> None:
    assert found("`pictures` and picturesque\n```python\npictures = 1\n```\nend") == []
    assert found("```\npictures\n```\npictures") == ["page.md:4: 'pictures'; write images"]
    assert found("{pictures} [x](pictures.md) <!-- pictures -->") == []


def test_sentences_of_a_module_are_its_strings_with_spaces() -> None:
    source = '"""A word."""\nx = "key"\n\n\ndef f(): return f"{x} can not"\n'
    assert list(prose.sentences(source)) == [(1, '"""A word."""'), (5, 'f"{x} can not"')]


def test_the_list_of_contributing_is_read() -> None:
    words = prose.words()
    assert words["can not"] == "cannot"
    assert words["goes on"] == "continue, or resume"
    assert len(words) > 50
