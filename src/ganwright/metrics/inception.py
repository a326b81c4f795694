"""Features of Inception V3 and of DINOv2, whose weights are fetched or given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ganwright.errors import SettingsError, missing_extra
from ganwright.metrics import weights
from ganwright.metrics.features import Extractor, Features, brought

INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


@dataclass(frozen=True)
class InceptionFeatures(Features):
    """2,048 features of the Inception V3 that FID is defined by, as torch-fidelity has it."""

    resize: ClassVar[str] = "bilinear to 299x299 as TensorFlow 1 does it"

    weights: Path | None = None
    """A file of its weights; fetched once when not given."""

    @property
    def title(self) -> str:
        if self.weights is None or weights.digest(self._file()) == INCEPTION_SHA256:
            return ""
        return f"Inception {weights.digest(self._file())[:8]}"

    @property
    def key(self) -> str:
        file = INCEPTION_SHA256 if self.weights is None else weights.digest(self._file())
        return f"inception-{file[:16]}"

    def _file(self) -> Path:
        assert self.weights is not None
        return weights.given(self.weights, "Inception V3")

    def build(self, device: torch.device) -> Extractor:
        try:
            from torch_fidelity import feature_extractor_inceptionv3 as fidelity
        except ImportError:
            raise missing_extra("InceptionFeatures", "torch-fidelity") from None
        url = fidelity.URL_INCEPTION_V3
        own = self.weights is not None
        path = self._file() if own else weights.fetched(url, INCEPTION_SHA256, "Inception V3")
        try:
            net = fidelity.FeatureExtractorInceptionV3(
                "inception-v3-compat",
                ["2048", "logits_unbiased"],
                feature_extractor_weights_path=_safe(path),
            )
        except Exception as error:  # a cut file, another network's file
            raise weights.unfit("Inception V3", path, error) from error
        # A quarter faster on CPUs, and on GPUs of tensor cores.
        net = net.to(device, memory_format=torch.channels_last)

        def extract(x: Tensor) -> tuple[Tensor, Tensor | None]:
            pixels = x.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
            features, logits = net(pixels.expand(-1, 3, -1, -1))
            return features, logits

        return extract


@dataclass(frozen=True)
class DinoFeatures(Features):
    """Features of DINOv2 through timm: Stein et al. (2023), arXiv:2306.04675."""

    resize: ClassVar[str] = "bicubic with antialiasing to 224x224"

    size: Literal["small", "base", "large"] = "large"
    """The vision transformer: 384, 768 or 1,024 features; the paper's is large."""
    weights: Path | None = None
    """A file of timm's weights; fetched once when not given."""

    @property
    def title(self) -> str:
        return f"DINOv2 {self.size}"

    @property
    def key(self) -> str:
        return f"dinov2-{self.size}-{weights.digest(self._file())[:16]}"

    @property
    def _name(self) -> str:
        return f"vit_{self.size}_patch14_dinov2.lvd142m"

    def _file(self) -> Path:
        if self.weights is None:
            return _from_hub(f"timm/{self._name}")
        return weights.given(self.weights, "DINOv2")

    def build(self, device: torch.device) -> Extractor:
        try:
            import timm
        except ImportError:
            raise missing_extra("DinoFeatures", "timm") from None
        path = self._file()
        try:
            file = _safe(path)
            net: nn.Module = timm.create_model(self._name, num_classes=0, img_size=224)
            timm.models.load_checkpoint(net, file)
        except Exception as error:
            raise weights.unfit("DINOv2", path, error) from error
        net = net.to(device).eval().requires_grad_(False)
        mean = torch.tensor([0.485, 0.456, 0.406], device=device)[:, None, None]
        std = torch.tensor([0.229, 0.224, 0.225], device=device)[:, None, None]

        def extract(x: Tensor) -> tuple[Tensor, Tensor | None]:
            x = brought(x.float(), 224, "bicubic").clamp(-1, 1).expand(-1, 3, -1, -1)
            return net((x / 2 + 0.5 - mean) / std), None

        return extract


def _safe(path: Path) -> str:
    """The path, once torch has seen that the file holds nothing but tensors.

    Raises:
        UnpicklingError: it holds more, which reading would run.
    """
    if path.suffix != ".safetensors":
        torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    return str(path)


@cache
def _from_hub(repository: str) -> Path:
    """A repository's weights from the hub; the hash is the hub's own.

    Raises:
        SettingsError: they cannot be fetched, or are not those of the hub.
    """
    import huggingface_hub as hub

    name = "model.safetensors"
    try:
        path = Path(hub.hf_hub_download(repository, name))
        # The cache names a file's content by its SHA-256.
        expected = path.resolve().name
    except Exception as error:
        raise weights.missing("DINOv2", error, f"{name} of {repository}") from error
    if len(expected) == 64 and weights.digest(path) != expected:
        raise SettingsError(f"{path} is cut or altered: its SHA-256 differs; remove it")
    return path
