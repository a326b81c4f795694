"""A run folder's newest weights, ready to use."""

from __future__ import annotations

import warnings
from pathlib import Path

from ganwright.callbacks.best import BEST, best_of
from ganwright.config.ranges import Whole
from ganwright.config.spelling import convert, quoted
from ganwright.config.trust import trusting
from ganwright.errors import RunError
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.inference.model import Model
from ganwright.memory import shortage_named
from ganwright.run.assembly import class_of
from ganwright.run.resuming import check_game
from ganwright.run.run_folder import read_config, read_spec
from ganwright.shared_model import refuse_shared
from ganwright.training import checkpoint
from ganwright.training.engine import Engine
from ganwright.training.state import load_into


@shortage_named()
def load(
    run: str | Path,
    *,
    game: type[Game] | None = None,
    device: str = "auto",
    step: int | None = None,
    raw: bool = False,
    best: bool = False,
    trust: bool = False,
) -> Model:
    """A trained model from its run folder; the data is not needed.

    Args:
        run: the run folder.
        game: the family's class, where its name in the run cannot be imported, since it was
            defined in a script or a notebook.
        device: cpu, cuda, mps or auto.
        step: that checkpoint instead of the newest.
        raw: the raw weights instead of their average.
        best: the checkpoint that `keep_best` kept instead of the newest.
        trust: import the modules that its settings name; ask for it only if you trust whoever
            trained it. Modules of runs that were trained here need no asking.

    Raises:
        RunError: it is no run folder, or holds no usable checkpoint.
        SettingsError: its settings name code that they may not.
    """
    folder: Path = convert(run, Path, "run")
    refuse_shared(folder)
    step = convert(step, Whole | None, "step")
    game = None if game is None else class_of(game)
    with trusting(trust):
        cls, settings = read_config(folder, game)
    spec = read_spec(folder, cls)
    engine = Engine.pick(str(device), "fp32")
    problems: list[str] = []
    place = folder / (BEST if best else "checkpoints")
    step = _best(folder) if best and step is None else step
    found = checkpoint.load_weights(place, step=step, warn=problems.append)
    if found is None and best:
        raise RunError(f"{folder} kept no best checkpoint; train it with --keep-best METRIC")
    if found is None:
        why = f" ({'; '.join(problems)})" if problems else ""
        raise RunError(
            f"{folder} has no usable checkpoint yet{why}; `ganwright resume {quoted(folder)}` "
            "continues training"
        )
    if found.config is not None:
        with trusting(trust):
            check_game(folder, cls, settings, found.config, game=game)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    trained = cls(settings.game, spec)
    what = f"the checkpoint in {folder}"
    load_into(trained, found.game, what)
    if not raw:
        tensors = {k.partition(".")[0] for k in found.average}
        for name in tensors:
            prefix = f"{name}."
            own = {k[len(prefix) :]: v for k, v in found.average.items() if k.startswith(prefix)}
            load_into(getattr(trained, name), own, what)
    engine.prepare(trained)
    trained.requires_grad_(False).eval()
    taken = {
        "init": str(place / f"step-{found.step:06d}"),
        "init_weights": "raw" if raw else "average",
    }
    return Model(name_of(cls), trained, spec, found.step, folder, init=taken)


def _best(folder: Path) -> int | None:
    """Which of several checkpoints is the best: a process that was killed may leave another one."""
    kept = {checkpoint.step_of(path) for path in checkpoint.steps(folder / BEST)}
    step = (best_of(folder) or {}).get("step")
    return int(step) if step in kept and len(kept) > 1 else None
