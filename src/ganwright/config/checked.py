"""The base of settings: their fields hold what their types say, from the start."""

from __future__ import annotations

import sys

from ganwright.config.hints import hints_of, is_spelled
from ganwright.config.spelling import convert
from ganwright.errors import SettingsError


class Checked:
    """Base of every settings dataclass: a field becomes what its type says, or is refused.

    So `Adam(lr="1e-3")` and `GAN.Config(loss="Hinge", penalties=R1())` mean what they say, and
    `Adam(lr=-1)` cannot be made. A subclass with a `__post_init__` of its own calls this one first.
    What an objective makes is not checked while torch compiles it.

    Raises:
        SettingsError: a value does not fit its field's type or range.
    """

    def __post_init__(self) -> None:
        if _traced():
            return
        try:
            hints = hints_of(type(self))
        except SettingsError:  # said when a run that has it as a setting is about to begin
            return
        for name, hint in hints.items():
            value = getattr(self, name)
            if is_spelled(hint):
                found = convert(value, hint, self.called(name))
                if found is not value:
                    object.__setattr__(self, name, found)

    @classmethod
    def called(cls, name: str) -> str:
        """What errors call a field."""
        return f"{name} of {cls.__name__}"


def _traced() -> bool:
    """Whether torch's compiler, which cannot read types, is at work."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.compiler.is_compiling()


class Named(Checked):
    """A group of settings that is identified by the names of its fields."""

    @classmethod
    def called(cls, name: str) -> str:
        return name
