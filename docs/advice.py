"""The table of what to take for which data, from the rules of `ganwright suggest`."""

from __future__ import annotations

from ganwright.run.rules import RULES


def suggestions() -> str:
    """The rules in order: data, family, the images of a full run, and what to look for."""
    rows = [
        f"| {rule.suits} | [{rule.family}](families/{rule.family}.md) | {rule.why} | "
        f"{rule.images:,} | {rule.look} |"
        for rule in RULES
    ]
    head = "| Data | Family | Why | A full run, in images | What to look for after the trial |"
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *rows])
