"""What is said of images that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import UnidentifiedImageError

from ganwright.data.limit import too_large
from ganwright.errors import DataError


def reason(error: BaseException) -> str:
    """Why a file cannot be read, in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if (large := too_large(error)) is not None:
        return large
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


class UnreadableError(DataError):
    """Images cannot be read; the sentence names the first few."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"{counted(len(names), 'image')} cannot be used: {some(names)}; fix or remove "
            f"{'them' if len(names) > 1 else 'it'}, or pass --on-bad-file skip"
        )

    def __reduce__(self) -> tuple[type[UnreadableError], tuple[tuple[str, ...]]]:
        return UnreadableError, (self.names,)


def unreadable(bad: Sequence[str]) -> UnreadableError:
    """The error that names the first few of the images that cannot be read."""
    return UnreadableError(bad)


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def counted(n: int, noun: str, nouns: str | None = None) -> str:
    """`1 image`, `2 images`."""
    return f"{n} {noun if n == 1 else nouns or f'{noun}s'}"


class MixedSizesError(DataError):
    """Images differ in size, and no size was given to which they are brought."""


def mixed(one: str, size: Sequence[int], other: str, other_size: Sequence[int]) -> MixedSizesError:
    """The error for images of several sizes."""
    return MixedSizesError(
        f"images differ in size ({one} is {size[1]}x{size[0]}, {other} is "
        f"{other_size[1]}x{other_size[0]}); give --image-size to scale them"
    )
