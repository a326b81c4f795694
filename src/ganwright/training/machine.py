"""What a machine offers: its cores, its devices, and the precision that is fast there."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

import torch

from ganwright.config.settings import Precision
from ganwright.errors import SettingsError


def usable_cores() -> int:
    """Cores this process may use: its affinity and its container's limit, not the machine's count.

    Threads beyond that slow small networks a hundredfold.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        limit = math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        limit = cores or 1
    return max(1, min(cores or 1, limit))


def named_device(name: str) -> torch.device:
    """The device of this name; "auto" is the fastest that there is.

    Raises:
        SettingsError: it is unknown or not there.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if cuda else "mps" if mps else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise SettingsError(f"unknown device {name!r}; choose cpu, cuda, cuda:N, mps or auto")
    if kind == "cuda" and (not cuda or int(index or 0) >= torch.cuda.device_count()):
        count = torch.cuda.device_count() if cuda else 0
        raise SettingsError(f"device {name} is not available ({count} CUDA devices seen); try auto")
    if kind == "mps" and not mps:
        raise SettingsError("device mps is not available; use --device cpu or auto")
    return torch.device(name)


def chosen_precision(name: Precision, device: torch.device) -> Precision:
    """The precision of this name; "auto" is bf16 where that is fast, and else fp32.

    Raises:
        SettingsError: it is unknown, or the device does not compute in it.
    """
    if name == "auto":
        return "bf16" if fast_bf16(device) else "fp32"
    if name not in ("fp32", "bf16", "fp16"):
        raise SettingsError(f"unknown precision {name!r}; choose fp32, bf16, fp16 or auto")
    if name == "fp16" and device.type == "cpu":
        raise SettingsError("fp16 needs a GPU; on the CPU use --precision bf16, fp32 or auto")
    return name


def fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    flags = _processor_lines("flags").split()
    # Intel's cores multiply bfloat16 fast by AMX alone: where a virtual machine hides that, steps
    # take 1.3 to 1.5 times as long as in float32 (docs/cost.md).
    by_avx512 = "avx512_bf16" in flags and _processor_lines("vendor_id") == "AuthenticAMD"
    return "amx_bf16" in flags or by_avx512


def processor(device: torch.device) -> str:
    """What the device is called, with the instructions that torch uses on a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return str(device)
    name = _processor_lines("model name") or platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _processor_lines(field: str) -> str:
    """What Linux says of its first processor; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
