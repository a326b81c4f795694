"""A training in processes that Ray places on its cluster, and starts again when one is lost."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ganwright.config.settings import Settings
from ganwright.errors import GanwrightError, RunError, SettingsError, missing_extra
from ganwright.inference.model import Model
from ganwright.run.run_folder import is_run
from ganwright.training.machine import usable_cores

RESTARTS = 3
"""How often all processes start again."""
STORE = 80 << 20
"""Bytes of the object store of a Ray that is started here: nothing is kept there."""


def on_ray(
    begin: Callable[[], Model],
    again: Callable[[], Model],
    out: Path,
    *,
    processes: int,
    settings: Settings,
) -> None:
    """Train in several processes under Ray Train, up to the run's last step.

    It connects to the cluster that RAY_ADDRESS names, or to one that runs on this machine; else it
    starts a Ray of its own here, and ends it afterwards. All machines must see the run folder and
    the data under the same paths.

    Args:
        begin: trains the run; it is called in every process, and must be picklable.
        again: resumes it; it is called in every process after one was lost.
        out: the run folder.
        processes: how many.
        settings: of the run. Each process gets a GPU if the cluster has as many, unless `device`
            is "cpu".

    Raises:
        MissingExtraError: Ray is not installed.
        GanwrightError: the run cannot begin, or it failed too often.
    """
    try:
        import ray
        from ray.train import TrainingFailedError
    except ImportError as error:
        raise missing_extra("training on Ray", "'ganwright[ray]'") from error

    out = out.absolute()
    _connect(processes)
    try:
        work = partial(_work, begin, again, out, Path.cwd())
        problem = _trainer(work, out, processes, settings).fit().return_value
    except TrainingFailedError as error:
        why = [line for line in str(error).splitlines() if line.strip()][-1]
        raise RunError(
            f"Ray gave up: {why.strip()}; what the processes said stands above, and `ganwright "
            f"resume {out} --ray {processes}` continues from the last checkpoint"
        ) from error
    finally:
        ray.shutdown()
        shutil.rmtree(_place(out), ignore_errors=True)
    if problem is not None:
        raise SettingsError(problem)


def _connect(processes: int) -> None:
    """To the cluster that there is, or to one of this machine alone."""
    import ray

    try:
        ray.init(address="auto")
    except ConnectionError:
        cores = max(processes, usable_cores())
        ray.init(num_cpus=cores, object_store_memory=STORE, include_dashboard=False)


def _trainer(work: Callable[[], str | None], out: Path, processes: int, settings: Settings) -> Any:
    """Ray's trainer, whose processes find each other as torchrun's do."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpus = settings.device != "cpu" and ray.cluster_resources().get("GPU", 0) >= processes
    return TorchTrainer(
        work,
        torch_config=TorchConfig(
            # as `training.processes` joins them
            backend="cpu:gloo,cuda:nccl" if gpus else "gloo",
            timeout_s=math.ceil(settings.timeout),
        ),
        scaling_config=ScalingConfig(num_workers=processes, use_gpu=gpus),
        run_config=RunConfig(
            name=_place(out).name,
            storage_path=str(out.parent),
            failure_config=FailureConfig(max_failures=RESTARTS),
        ),
    )


def _place(out: Path) -> Path:
    """Where Ray keeps its own notes for the time of the run: all machines must see them."""
    return out.with_name(f".{out.name}-ray")


def _work(
    begin: Callable[[], Model], again: Callable[[], Model], out: Path, cwd: Path
) -> str | None:
    """What each process does: see `_trained`."""
    from ray.train.collective import broadcast_from_rank_zero

    os.chdir(cwd)
    # The first process looks for all: one that comes late would find the folder that it has made.
    return _trained(again if broadcast_from_rank_zero(is_run(out)) else begin, out)


def _trained(go: Callable[[], Model], out: Path) -> str | None:
    """Train; says why the run cannot begin. What fails later is raised, so Ray starts all again."""
    try:
        go()
    except GanwrightError as error:
        if is_run(out):
            raise
        return str(error)
    return None
