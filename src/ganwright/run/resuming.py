"""What a run may continue from: its newest whole checkpoint, under the settings sealed in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ganwright.config.changes import differences
from ganwright.config.settings import Settings
from ganwright.config.spelling import quoted
from ganwright.errors import RunError
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.layers.minibatch import across_rows
from ganwright.run.config_file import from_yaml
from ganwright.training import checkpoint, manifest


class Start(NamedTuple):
    """Where a run continues.

    Args:
        path: the checkpoint; None to begin at step 0.
        whole: whether it has its training state.
        broken: newer checkpoints that are not whole, each with what is wrong.
        world: how many processes trained it; None where an older version did not note it.
    """

    path: Path | None
    whole: bool = True
    broken: tuple[tuple[Path, str], ...] = ()
    world: int | None = None


def choose(run: Path, *, from_weights: bool) -> Start:
    """The newest checkpoint that is whole; nothing is changed yet.

    Args:
        from_weights: a newer one that has lost its training state is taken.

    Raises:
        RunError: there are checkpoints, and none is whole.
    """
    broken: list[tuple[Path, str]] = []
    usable: Path | None = None
    for path in reversed(checkpoint.steps(run / "checkpoints")):
        problem = manifest.problem_of(path)
        if problem is None:
            return Start(path, broken=tuple(broken))
        if usable is None and _readable(path):
            usable = path
            if from_weights:
                return Start(path, whole=False, broken=tuple(broken))
        broken.append((path, problem))
    if usable is not None:
        raise RunError(
            f"no checkpoint of {run} is intact ({_named(broken)}), but the weights of "
            f"{usable.name} can be read: add --from-weights to continue from them; the optimizers' "
            "state is lost, so the result differs from an uninterrupted run"
        )
    if broken:
        raise RunError(
            f"no checkpoint of {run} can be read ({_named(broken)}), and nothing was changed; to "
            f"start over, move {run / 'checkpoints'} away"
        )
    return Start(None)


def set_aside(start: Start, warn: Callable[[str], None]) -> None:
    """Rename the broken checkpoints that were skipped, and name them."""
    for path, problem in start.broken:
        place = checkpoint.set_aside(path)
        warn(f"checkpoint {path} is broken ({problem}) and skipped; it is kept as {place}")


def check_seal(
    run: Path,
    cls: type[Game],
    settings: Settings,
    sealed: str,
    free: Sequence[str],
    *,
    game: type[Game] | None = None,
) -> None:
    """See that a run's configuration is the one that its checkpoint was trained with.

    Args:
        run: its folder.
        cls: the family that config.yaml names.
        settings: those in config.yaml.
        sealed: the configuration in the checkpoint.
        free: settings that may differ.
        game: the family's class, where it was passed since its name cannot be imported.

    Raises:
        RunError: each setting that differs is named.
    """
    then = from_yaml(sealed, game=game)[1]
    now = dataclasses.replace(settings, **{field: getattr(then, field) for field in free})
    if changed := changed_since(cls, now, sealed, game=game):
        raise RunError(
            f"{run / 'config.yaml'} is not what this run was trained with: {'; '.join(changed)}; "
            "restore it (each checkpoint has a copy), or start a new run with "
            "`ganwright train --config`"
        )


def check_game(
    run: Path,
    cls: type[Game],
    settings: Settings,
    sealed: str,
    *,
    game: type[Game] | None = None,
) -> None:
    """See that weights are used by the family and the family's settings that made them.

    Args:
        run, cls, settings, sealed, game: as for `check_seal`.

    Raises:
        RunError: each setting that differs is named.
    """
    found = changed_since(cls, settings, sealed, game=game)
    if changed := [each for each in found if each.startswith(("family:", "game."))]:
        raise RunError(
            f"{run / 'config.yaml'} is not what this run was trained with: {'; '.join(changed)}; "
            "restore it (each checkpoint has a copy)"
        )


def changed_since(
    cls: type[Game], settings: Settings, sealed: str, *, game: type[Game] | None = None
) -> list[str]:
    """Each setting that differs from those in a checkpoint, as `seed: 0 -> 5`.

    Args:
        cls: the family now.
        settings: those that hold now.
        sealed: the configuration in the checkpoint.
        game: the family's class, where it was passed since its name cannot be imported.
    """
    name, then = from_yaml(sealed, game=game)
    if game is None and name != name_of(cls):
        # Two families' settings do not compare.
        now = dataclasses.replace(settings, game=then.game)
        return [f"family: {name} -> {name_of(cls)}", *differences(then, now)]
    return differences(then, settings)


def check_world(
    run: Path, then: int | None, now: int, game: Game, *, compiled: bool, synced: bool = False
) -> None:
    """See that the number of processes is the same where it changes what is computed.

    Args:
        run: its folder.
        then: how many trained it; None where an older version did not note it.
        now: how many there are.
        game: what is trained.
        compiled: whether its objectives are compiled, so that each process draws its own noise.
        synced: whether BatchNorm sees the rows of all processes.

    Raises:
        RunError: the numbers differ, and layers of the game look across a process's rows.
    """
    why = across_rows(game, synced=synced) + ["compiled objectives"] * compiled
    if then is None or then == now or not why:
        return
    how = f"torchrun --nproc-per-node {then} -m ganwright" if then > 1 else "ganwright"
    raise RunError(
        f"{run} was trained by {_processes(then)} and {now} would change its results, since it has "
        f"{' and '.join(why)}; continue with `{how} resume {run}`, or in a new folder with "
        f"`ganwright fork {quoted(run)}`"
    )


def _readable(path: Path) -> bool:
    return any(manifest.weights_problem(path, verified=v) is None for v in (True, False))


def _named(broken: Sequence[tuple[Path, str]]) -> str:
    return "; ".join(f"{path.name}: {problem}" for path, problem in broken)


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"
