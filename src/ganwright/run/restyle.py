"""A trained generator restyled: after an example, or adapted to a few images of a domain."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ganwright import atomic
from ganwright.config.changes import keywords
from ganwright.config.sizes import size_of
from ganwright.config.spelling import convert
from ganwright.data.types import Images, Spec
from ganwright.errors import RunError, SettingsError
from ganwright.families.jojogan import JoJoGAN
from ganwright.families.styled import Styled
from ganwright.families.stylegan2 import StyleGAN2
from ganwright.inference.model import Model
from ganwright.inference.projection import Search, project
from ganwright.inference.sample_files import name_of, write_image
from ganwright.inference.tiling import check
from ganwright.memory import shortage_named
from ganwright.networks.examples import Examples
from ganwright.pixels import as_floats
from ganwright.run.assembly import resolved, with_game
from ganwright.run.load import load
from ganwright.run.run_folder import check_free, read_config
from ganwright.run.train import train
from ganwright.training.engine import Engine

PICTURES, EXAMPLES = "pictures", "examples.npz"
"""What lies in the folder of examples next to a run."""


@shortage_named()
def restyle(
    run: str | Path | Model,
    examples: Tensor,
    out: str | Path,
    *,
    search: Search | None = None,
    **changes: Any,
) -> Model:
    """Train a run's generator to draw in the style of examples, in a new run folder.

    Args:
        run: a run of stylegan2 or stylegan3 without classes.
        examples: [k, C, H, W] in [-1, 1], or uint8, of the size of the run's images.
        out: the new run folder. The folder OUT-examples keeps the examples, which `resume` needs.
        search: how the styles of the examples are searched for; 1,000 steps when not given.
        **changes: settings of `jojogan` and of training, as for `train`; 300 steps when not given.

    Returns:
        The restyled generator.

    Raises:
        SettingsError: the run has no styles, or classes, or the examples do not fit.
        RunError: `out` or the folder of examples is taken.
    """
    model = run if isinstance(run, Model) else load(run)
    game, folder = model.game, convert(out, Path, "out")
    if not isinstance(game, Styled):
        raise SettingsError(f"{model.family} has no styles; restyle a run of stylegan2, stylegan3")
    shape = refuse_misfits(model, examples)
    check_free(folder)
    kept = folder.with_name(f"{folder.name}-examples")
    if kept.exists():
        raise RunError(f"{kept} exists, where the examples go; name another --out, or remove it")
    cfg = game.cfg
    same = {name: getattr(cfg, name) for name in ("latent", "prior", "networks", "truncation")}
    more: dict[str, Any] = {"steps": 300, "sample_every": 100}
    more |= {"batch_size": min(len(examples), 8), "channels": shape[0]}
    more |= {"image_size": size_of(shape[1], shape[2])}
    wanted = {**same, **more, "examples": kept / EXAMPLES, **model.init, **changes}
    _check_settings(wanted, shape, len(examples))
    found = project(model, examples, search=search)
    try:
        write_examples(kept, Examples(as_floats(examples).cpu(), found.latents["w"]))
        return train("jojogan", data=kept / PICTURES, out=folder, **wanted)
    finally:
        if not folder.exists():
            shutil.rmtree(kept, ignore_errors=True)


@shortage_named()
def adapt(run: str | Path | Model, data: Any, out: str | Path, **changes: Any) -> Model:
    """Train a run's generator on a few images, by cross-domain correspondence, in a new run folder.

    Args:
        run: a run of stylegan2.
        data: ten images or so, as for `train`; their size and channels become those of the run,
            whose range, depth and alpha hold for files.
        out: the new run folder.
        **changes: settings of `cdc` and of training, as for `train`; 1,000 steps when not given.

    Returns:
        The adapted generator.

    Raises:
        SettingsError: the run is of another kind.
        GanwrightError: as for `train`.
    """
    model = run if isinstance(run, Model) else load(run)
    if not isinstance(model.game, StyleGAN2):
        raise SettingsError(
            f"{model.family} cannot be adapted by cross-domain correspondence; take a run of "
            "stylegan2"
        )
    cfg, shape = model.game.cfg, model.spec.shape
    kept = ("latent", "prior", "networks", "truncation", "conditional", "loss", "mixing")
    same = {name: getattr(cfg, name) for name in kept}
    more: dict[str, Any] = {"steps": 1000, "sample_every": 100, **model.init}
    size = {"image_size": size_of(shape[1], shape[2]), "channels": shape[0]}
    if isinstance(data, str | Path):  # what Python passes need not have the numbers of files
        own = read_config(model.run, type(model.game))[1]
        more |= {"range": own.range, "depth": own.depth, "alpha": own.alpha}
    return train("cdc", data=data, out=out, **{**same, **more, **size, **changes})


def _check_settings(wanted: Mapping[str, Any], shape: tuple[int, ...], count: int) -> None:
    """See that `jojogan` can be trained with these settings, before the long search begins.

    Raises:
        SettingsError: it cannot.
    """
    known = inspect.signature(train).parameters
    values = {name: value for name, value in wanted.items() if name not in known}
    chosen = resolved(JoJoGAN, keywords(with_game(None, JoJoGAN), values), "")
    Engine.of(chosen)
    JoJoGAN(chosen.game, Spec(Images, shape, count=count))


def refuse_misfits(model: Model, examples: Tensor) -> tuple[int, ...]:
    """The shape of the run's images, if examples can be of its kind.

    Raises:
        SettingsError: they cannot.
    """
    shape = model.spec.shape
    if getattr(model.game, "classes", 0):
        raise SettingsError(
            f"{model.run} draws by class, and an example has none; restyle a run without "
            "--game.conditional"
        )
    if len(shape) != 3 or shape[0] not in (1, 3) or model.levels() is not None:
        raise SettingsError(
            f"this run's samples have the shape {list(shape)}; restyle takes images of 8 bits and "
            "1 or 3 channels"
        )
    check("restyle", examples, shape)
    if not len(examples):
        raise SettingsError("restyle takes one example or more, got none")
    return shape


def write_examples(folder: Path, examples: Examples) -> None:
    """The examples as training reads them, and with their styles.

    Raises:
        RunError: they cannot be written.
    """
    try:
        (folder / PICTURES).mkdir(parents=True)
        for i, image in enumerate(examples.images):
            write_image(image, name_of(folder / PICTURES, i, ".png"), None, replace=False)
        examples.write(folder / EXAMPLES)
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {atomic.reason(error)}") from error
