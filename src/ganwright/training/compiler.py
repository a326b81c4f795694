"""Whether torch's compiler works on this machine."""

from __future__ import annotations

import platform
from functools import cache

import torch
from torch import Tensor

from ganwright.errors import SettingsError


def check_compiler(device: torch.device) -> None:
    """See, before a run begins, that torch.compile can build for the device.

    Raises:
        SettingsError: it cannot, and why.
    """
    if why := why_not_compiled(device):
        raise SettingsError(f"torch.compile does not work here: {why}; or train without --compile")


@cache
def why_not_compiled(device: torch.device) -> str:
    """What keeps torch.compile from building for the device, and how to fix it; or nothing."""
    # Some programs build without vector instructions and some do not, so one trial proves nothing.
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if device.type == "cpu" and x86 and torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        return (
            "it needs vector instructions, and torch sees none on this processor; unset "
            "ATEN_CPU_CAPABILITY if it is set"
        )
    try:
        torch.compile(_trial, fullgraph=True)(torch.ones(4, 64, device=device))
    except (RuntimeError, OSError, ImportError) as error:
        if "InvalidCxxCompiler" in str(error):
            return "no C++ compiler is found; install g++, or name a compiler in CXX"
        lines = [line for line in str(error).splitlines() if not line.startswith("backend=")]
        return f"it failed on a trial ({lines[0] if lines else type(error).__name__}); fix that"
    return ""


def _trial(x: Tensor) -> Tensor:
    return x.square().mean(1).tanh()
