"""Models from folders that `save_pretrained` wrote, or from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

from ganwright.config.spelling import path_of
from ganwright.config.trust import trusting
from ganwright.errors import RunError, missing_extra
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.inference.model import Model
from ganwright.inference.pretrained import FILES, is_repo
from ganwright.run.assembly import class_of
from ganwright.run.run_folder import read_config, read_spec
from ganwright.shared_model import WEIGHTS
from ganwright.training.engine import Engine
from ganwright.training.state import load_into

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def from_pretrained(
    place: str | Path,
    *,
    game: type[Game] | None = None,
    device: str = "auto",
    trust: bool = False,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
) -> Model:
    """A model that someone shared. Weights are read from safetensors alone, which hold no code.

    Args:
        place: a folder of `save_pretrained`, or a repository of the hub, owner/name.
        game: the family's class, where its name in the settings cannot be imported.
        device: cpu, cuda, mps or auto.
        trust: import the modules that its settings name; ask for it only if you trust whoever
            wrote them.
        revision: a branch, a tag or a commit of the repository; by default the newest.
        token: for private repositories; by default the one of `hf auth login`.
        endpoint: another server; by default the hub, or HF_ENDPOINT.

    Raises:
        RunError: there is none, it cannot be loaded, or its weights are no safetensors.
        SettingsError: its settings do not fit, or name code that they may not.
        MissingExtraError: it is a repository, and huggingface_hub is not installed.
    """
    game = None if game is None else class_of(game)
    folder = path_of(str(place))
    if not folder.is_dir():
        folder = _downloaded(str(place), revision, token, endpoint)
    _check_safe(folder)
    with trusting(trust):
        cls, settings = read_config(folder, game)
        spec = read_spec(folder, cls)
        made = cls(settings.game, spec)
    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            step = int((file.metadata() or {}).get("step", 0))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(f"{folder / WEIGHTS} cannot be read as safetensors: {error}") from error
    load_into(made, tensors, str(folder / WEIGHTS))
    Engine.pick(str(device), "fp32").prepare(made)
    made.requires_grad_(False).eval()
    return Model(name_of(cls), made, spec, step, folder, init={"init": str(folder / WEIGHTS)})


def _downloaded(place: str, revision: str | None, token: str | None, endpoint: str | None) -> Path:
    """The folder of a repository's files, of which only those four are fetched."""
    if not is_repo(place):
        raise RunError(f"{place} is not a folder, and not a repository of the hub, as owner/name")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise missing_extra(f"loading {place} from the hub", "huggingface_hub") from None
    try:
        return Path(
            snapshot_download(
                place,
                revision=revision,
                token=token,
                endpoint=endpoint,
                allow_patterns=list(FILES),
                library_name="ganwright",
            )
        )
    except Exception as error:  # the client's, its network layer's and the system's
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(
            f"{place} is not a folder here, and cannot be loaded from the hub: {reason}"
        ) from error


def _check_safe(folder: Path) -> None:
    if (folder / WEIGHTS).is_file():
        return
    pickles = sorted(file.name for kind in _PICKLES for file in folder.glob(kind))
    if pickles:
        raise RunError(
            f"{folder} holds {pickles[0]}, and reading it could run code; only {WEIGHTS} is loaded"
        )
    raise RunError(
        f"{folder} holds no {WEIGHTS}; write it with model.save_pretrained(folder), or load a run "
        "folder with ganwright.load"
    )
