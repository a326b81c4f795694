"""A trained model as a folder that others load: safetensors and settings, no code.

FOLDER/model.safetensors   all networks and state of the game, with the averages in their place
FOLDER/config.yaml         the family and its settings
FOLDER/spec.json           what the data looked like
FOLDER/README.md           the model card
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from safetensors.torch import save

from ganwright import atomic
from ganwright.config.spelling import path_of
from ganwright.errors import RunError, missing_extra
from ganwright.inference.model_card import Described, card
from ganwright.shared_model import WEIGHTS

CARD = "README.md"
FILES = (WEIGHTS, "config.yaml", "spec.json", CARD)
_QUOTED = re.compile(r"""(['"])((?:\w:)?[/\\~].*?)\1""")
"""A place within a setting that is spelled as a call, as in VGG(weights='/home/me/vgg.pth')."""


class Pretrained(Described):
    """What a model can do to be shared."""

    def save_pretrained(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model into a folder that `from_pretrained` loads.

        Args:
            folder: it is made if it is missing.
            overwrite: replace files of an earlier model in it.

        Returns:
            The folder.

        Raises:
            RunError: it holds a model already, is a run folder, or cannot be written.
        """
        path = path_of(str(folder))
        if (path / "checkpoints").is_dir():  # whose settings no command takes if they differ
            raise RunError(
                f"{path} is a run folder, whose config.yaml a shared model would replace; choose "
                "another folder"
            )
        existing = [name for name in FILES if (path / name).exists()]
        if existing and not overwrite:
            raise RunError(f"{path} holds {existing[0]}; choose another folder, or overwrite=True")
        _write(self, path, str(folder))
        return path

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        endpoint: str | None = None,
    ) -> str:
        """Upload the model to a repository of the Hugging Face Hub, which is made if needed.

        A model card that is there already stays, since its author may have edited it.

        Args:
            repo: owner/name.
            private: whether only you can see it, if it is made; by default the account's choice.
            token: of an account with write access; by default the one of `hf auth login`.
            endpoint: another server; by default the hub, or HF_ENDPOINT.

        Returns:
            The address of the commit.

        Raises:
            MissingExtraError: huggingface_hub is not installed.
            RunError: the hub refuses, or cannot be reached.
        """
        try:
            from huggingface_hub import HfApi
        except ImportError:
            raise missing_extra("push_to_hub", "huggingface_hub") from None
        _check_repo(repo)
        api = HfApi(endpoint=endpoint, token=token, library_name="ganwright")
        with TemporaryDirectory(prefix="ganwright-") as folder:
            _write(self, Path(folder), repo)
            try:
                api.create_repo(repo, private=private, exist_ok=True)
                kept = [CARD] if api.file_exists(repo, CARD) else []
                done = api.upload_folder(
                    repo_id=repo,
                    folder_path=folder,
                    ignore_patterns=kept,
                    commit_message="Upload a model of Ganwright",
                )
            except Exception as error:  # the client's, its network layer's and the system's
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                raise RunError(f"{repo} cannot be uploaded: {reason}") from error
        return str(done.commit_url)


def is_repo(text: str) -> bool:
    """Whether a text can be the name of a repository: owner/name."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+", text) is not None


def _check_repo(repo: str) -> None:
    if not is_repo(repo):
        raise RunError(f"the repository is {repo!r}; name it as owner/name")


def _write(model: Described, folder: Path, place: str) -> None:
    try:
        text = (model.run / "config.yaml").read_text(encoding="utf-8")
        spec = (model.run / "spec.json").read_bytes()
    except OSError as error:
        raise RunError(
            f"the run folder {model.run} is needed to share its model: {atomic.reason(error)}"
        ) from error
    config = _published(yaml.safe_load(text))
    if hasattr(model.game.cfg, "truncation"):  # the model's own may be another, see `truncated`
        config["game"]["truncation"] = model.game.cfg.truncation
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in model.game.state_dict().items()}
    about = {"step": str(model.step)}  # one entry: several are stored in any order
    files: dict[Path, bytes | str] = {
        folder / "spec.json": spec,
        folder / "config.yaml": yaml.safe_dump(
            config, sort_keys=False, allow_unicode=True, width=1000
        ),
        folder / WEIGHTS: save(tensors, about),
        folder / CARD: card(model, config, place),
    }
    try:
        atomic.write_all(files)
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {atomic.reason(error)}") from error


def _published(value: Any) -> Any:
    """A configuration without the folders of the machine on which it was trained."""
    if isinstance(value, dict):
        return {name: _published(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_published(part) for part in value]
    if not isinstance(value, str):
        return value
    return _QUOTED.sub(lambda found: f"{found[1]}{nameless(found[2])}{found[1]}", nameless(value))


def nameless(place: str) -> str:
    """Data or weights as they are called, without the folders in which they lie.

    `/home/me/cats/?split=yes` is cats?split=yes; what has no absolute path stays as it is.
    """
    found = re.match(r"(\w*:)?(?!//)([/\\~].*?)(\?.*)?$", place)
    if found is None:
        return place
    kind, path, query = found.groups("")
    kind = "" if len(kind) == 2 else kind  # a drive
    return kind + re.split(r"[/\\]", path.rstrip("/\\"))[-1] + query
