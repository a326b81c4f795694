"""The run folder: whole or absent, exact, honest about what is broken."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import FULL, tensors, tiny, trainer_of
from PIL import Image
from processes import processes

import ganwright
from ganwright import Callback, Run, atomic
from ganwright.callbacks import metrics_log
from ganwright.config.spelling import convert
from ganwright.data import batches
from ganwright.data.types import Images
from ganwright.errors import GanwrightError, NonFiniteError, RunError, SettingsError
from ganwright.families import FAMILIES, family
from ganwright.families.gan import GAN
from ganwright.game import Terms
from ganwright.inference.rows import GROUP
from ganwright.losses import NonSaturating
from ganwright.networks import MLP
from ganwright.run import train as runs
from ganwright.training import checkpoint
from ganwright.training.trainer import Trainer


def _train(
    out: Path, callbacks: Sequence[Callback] = (), steps: int = 4, **changes: Any
) -> ganwright.Model:
    cls, settings = tiny("gan", steps=steps, save_every=2, log_every=1, sample_every=2, **changes)
    return runs.train(cls, settings, out, callbacks=callbacks, quiet=True)


def test_the_folder_holds_everything(tmp_path: Path) -> None:
    model = _train(tmp_path / "run")
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"config.yaml", "spec.json", "metrics.jsonl", "samples", "checkpoints"} <= names
    assert "report.html" in names
    assert [p.name for p in sorted((tmp_path / "run/samples").iterdir())] == [
        "data.png",
        "step-000000.png",
        "step-000002.png",
        "step-000004.png",
    ]
    rows = [
        json.loads(x)
        for x in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [r["step"] for r in rows] == [1, 2, 3, 4]
    assert rows[-1]["images"] == 16
    assert {"D/adv", "G/adv", "D/gradient", "images_per_second", "seconds_left"} <= set(rows[-1])
    assert all(0 <= row["data_wait"] < 1 for row in rows)
    assert torch.equal(model.sample(2), ganwright.load(tmp_path / "run").sample(2))
    assert not list(tmp_path.glob(".*")), "nothing is left beside"


def test_only_so_many_checkpoints_are_kept(tmp_path: Path) -> None:
    _train(tmp_path / "run", steps=8, keep=2)
    kept = sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir())
    assert kept == ["step-000006", "step-000008"]
    assert ganwright.load(tmp_path / "run", step=6).step == 6
    with pytest.raises(RunError, match="no checkpoint of step 5"):
        ganwright.load(tmp_path / "run", step=5)


@pytest.mark.parametrize("damage", ["truncate", "alter", "manifest"])
def test_a_broken_checkpoint_is_named_and_passed_over(tmp_path: Path, damage: str) -> None:
    _train(tmp_path / "whole", steps=6)
    _train(tmp_path / "run", steps=4)
    newest = tmp_path / "run/checkpoints/step-000004"
    if damage == "truncate":
        path = newest / "game.safetensors"
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "alter":
        path = newest / "training.pt"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    else:
        (newest / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"step-000004 is broken"):
        # what is left of `alter` are weights that verify
        assert ganwright.load(tmp_path / "run").step == (4 if damage == "alter" else 2)
    with pytest.warns(UserWarning, match=r"step-000004 is broken"):
        runs.resume(tmp_path / "run", {"steps": 6}, quiet=True)
    whole, run = tensors(tmp_path / "whole"), tensors(tmp_path / "run")
    assert all(torch.equal(whole[k], run[k]) for k in whole)


def test_without_a_checkpoint_resume_starts_over(tmp_path: Path) -> None:
    _train(tmp_path / "whole")
    _train(tmp_path / "run")
    for path in (tmp_path / "run/checkpoints").iterdir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    with pytest.raises(RunError, match="no usable checkpoint"):
        ganwright.load(tmp_path / "run")
    with pytest.warns(UserWarning, match="has no checkpoint left; training starts over"):
        runs.resume(tmp_path / "run", quiet=True)
    whole, run = tensors(tmp_path / "whole"), tensors(tmp_path / "run")
    assert all(torch.equal(whole[k], run[k]) for k in whole)


def test_a_line_cut_by_a_kill_is_dropped(tmp_path: Path) -> None:
    _train(tmp_path / "run")
    with (tmp_path / "run/metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 7, "ima')
    runs.resume(tmp_path / "run", {"steps": 6}, quiet=True)
    rows = [
        json.loads(x)
        for x in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [r["step"] for r in rows] == [1, 2, 3, 4, 5, 6]


def test_changed_settings_are_each_listed(tmp_path: Path) -> None:
    _train(tmp_path / "run")
    game = GAN.Config(networks=FULL, latent=7)
    with pytest.raises(RunError, match=r"latent.*100.*7") as caught:
        runs.resume(tmp_path / "run", {"steps": 9, "seed": 5, "game": game}, quiet=True)
    assert "seed" in str(caught.value)
    assert "steps" not in str(caught.value)


def test_wrong_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        runs.resume(tmp_path / "nothing", quiet=True)
    with pytest.raises(RunError, match=r"holds no config\.yaml"):
        ganwright.load(tmp_path)
    _train(tmp_path / "run")
    with pytest.raises(RunError, match="exists; resume it"):
        _train(tmp_path / "run")
    with pytest.raises(RunError, match="is already at step 4"):
        runs.resume(tmp_path / "run", {"steps": 4}, quiet=True)


def test_a_run_is_no_data(tmp_path: Path) -> None:
    """Its grids and plots would be learned from; samples that were written beside are data."""
    model = _train(tmp_path / "run")
    with pytest.raises(GanwrightError, match="is a run folder, whose images are grids and plots"):
        ganwright.look(tmp_path / "run")
    assert model.spec.shape == (1, 8, 8)
    assert "images" in str(ganwright.look(tmp_path / "run" / "samples", image_size=8))


def test_a_failed_start_leaves_nothing(tmp_path: Path) -> None:
    for changes in ({"data": "diggits"}, {"device": "tpu"}, {"image_size": 7_000_000}):
        with pytest.raises((GanwrightError, RuntimeError)):
            _train(tmp_path / "run", **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_training_and_old_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = checkpoint.save_file, []

    def full(tensors: Any, path: Path) -> None:
        calls.append(path)
        if len(calls) == 3:  # the second checkpoint's first file
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.warns(UserWarning, match=r"no space left on the disk; earlier checkpoints"):
        _train(tmp_path / "run", steps=6)
    kept = sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir())
    assert kept == ["step-000002", "step-000006"]


def test_a_full_disk_at_the_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with (
        pytest.warns(UserWarning, match="no space left"),
        pytest.raises(RunError, match="no space left"),
    ):
        _train(tmp_path / "run", steps=4)
    assert list((tmp_path / "run/checkpoints").iterdir()) == []


class Poisoned(GAN):
    """Its loss is not finite at step 4 of the first attempt."""

    poison = True

    def generator(self, batch: Images) -> Terms:
        terms = super().generator(batch)
        if type(self).poison and float(self.count) == 4:
            type(self).poison = False
            return {"adv": terms["adv"] * float("nan")}
        return terms

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.register_buffer("count", torch.zeros(()))
        self.count: torch.Tensor

    def discriminator(self, batch: Images) -> Terms:
        self.count += 1
        return super().discriminator(batch)


def _poisoned(out: Path, on_nan: str) -> ganwright.Model:
    Poisoned.poison = True
    return ganwright.train(
        Poisoned,
        networks=FULL,
        image_size=8,
        batch_size=4,
        steps=6,
        save_every=2,
        log_every=1,
        on_nan=on_nan,
        device="cpu",
        precision="fp32",
        out=out,
        quiet=True,
    )


def test_a_nan_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"G's adv, gradient was not finite at step 3"):
        _poisoned(tmp_path / "run", "stop")
    assert [p.name for p in (tmp_path / "run/checkpoints").iterdir()] == ["step-000002"]
    assert _diverged(tmp_path / "run") == [(4, "diverging: G's adv, gradient was not finite")]


def _diverged(run: Path) -> list[tuple[int, str]]:
    lines = (run / "health.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(row["step"], row["sentence"].partition(" at step")[0]) for row in rows]


def test_rollback_goes_on_with_fresh_randomness(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="back to step 2, continuing with new random numbers"):
        model = _poisoned(tmp_path / "run", "rollback")
    assert model.step == 6
    rows = [
        json.loads(x)
        for x in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [r["step"] for r in rows] == [1, 2, 3, 4, 5, 6]
    assert _diverged(tmp_path / "run") == [(2, "diverging: G's adv, gradient was not finite")]
    assert all(r["G/adv"] == r["G/adv"] for r in rows), "the line with the NaN is gone"


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_saves_and_resumes_exactly(tmp_path: Path, number: str) -> None:
    _train(tmp_path / "whole", steps=6)

    class Interrupt(Callback):
        def logged(self, run: Run, row: Mapping[str, Any]) -> None:
            if run.step == 3:
                assert threading.current_thread() is threading.main_thread()
                os.kill(os.getpid(), getattr(signal, number))

    with pytest.raises(KeyboardInterrupt, match=r"is saved at step [34]; ganwright.resume"):
        _train(tmp_path / "run", [Interrupt()], steps=6)
    newest = max(p.name for p in (tmp_path / "run/checkpoints").iterdir())
    assert int(newest[5:]) in (3, 4)
    assert ganwright.load(tmp_path / "run", device="cpu").step == int(newest[5:])
    assert runs.resume(tmp_path / "run", quiet=True).step == 6
    whole, run = tensors(tmp_path / "whole"), tensors(tmp_path / "run")
    assert all(torch.equal(whole[k], run[k]) for k in whole)


@pytest.mark.usefixtures("heard")
def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    class Twice(Callback):
        def stepped(self, run: Run) -> None:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "run", [Twice()])
    assert list((tmp_path / "run/checkpoints").iterdir()) == []


class SignalsAll(Callback):
    """At step 3, a signal to all processes of the group."""

    def __init__(self, number: int) -> None:
        self.number = number

    def stepped(self, run: Run) -> None:
        if run.step == 3:
            os.killpg(os.getpid(), self.number)


def streamed(run: Path, number: int, pictures: Path) -> int:
    """A training whose data another process reads, in a group of their own."""
    os.setsid()
    batches.fits = lambda *_: False
    small: dict[str, Any] = {"image_size": 8, "batch_size": 2, "steps": 10**6, "log_every": 1}
    small |= {"networks": MLP(hidden_G=(8,), hidden_D=(8,)), "device": "cpu", "precision": "fp32"}
    small |= {"callbacks": [SignalsAll(number)], "data": str(pictures), "workers": 1}
    try:
        ganwright.train("gan", out=run, quiet=True, **small)
    except KeyboardInterrupt as stopped:
        print(stopped)
        return 130
    return 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_all_processes_of_a_run_that_streams_saves_it(
    tmp_path: Path, name: str
) -> None:
    """A terminal and a scheduler signal the processes that read data too."""
    pictures, run = tmp_path / "pictures", tmp_path / "run"
    pictures.mkdir()
    for i in range(8):
        Image.new("L", (8, 8), 30 * i).save(pictures / f"{i}.png")
    number = int(getattr(signal, name))
    with processes(streamed, run, number, pictures, folder=tmp_path) as one:
        assert one.wait(100) == [130], one.said()
        said = one.said()
    saved = [p.name for p in (run / "checkpoints").iterdir()]
    assert [f"is saved at step {int(name[5:])};" in said for name in saved] == [True]


def test_what_nohup_has_ignored_stays_so(tmp_path: Path) -> None:
    class HangUp(Callback):
        def started(self, run: Run) -> None:
            os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        _train(tmp_path / "run", [HangUp()])
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
            r"step 3 failed: a process that reads the data was killed.*fewer --workers.*resume",
        ),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: can't allocate memory"
            ),
            r"step 3 failed: out of memory; lower --batch-size.*resume",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried 9 GiB."),
            "step 3 failed: out of memory",
        ),
    ],
)
def test_what_stops_a_step_from_outside_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    real = Trainer.play_step

    def failing(self: Trainer, most: int | None = None) -> None:
        if self.step == 2:
            raise error
        real(self, most)

    monkeypatch.setattr(Trainer, "play_step", failing)
    with pytest.raises(RunError, match=sentence):
        _train(tmp_path / "run")
    assert [p.name for p in (tmp_path / "run/checkpoints").iterdir()] == ["step-000002"]


def test_a_line_that_a_full_disk_cuts_leaves_no_part(tmp_path: Path) -> None:
    """The file is at its limit, as on a full disk: the part of a line that went in is taken out."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "metrics.jsonl"
    metrics_log.append(path, {"step": 1})
    limits, before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(OSError):
            metrics_log.append(path, {"step": 2, "images": 1234})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_text(encoding="utf-8") == '{"step": 1}\n'
    metrics_log.append(path, {"step": 3})
    assert [json.loads(x)["step"] for x in path.read_text(encoding="utf-8").splitlines()] == [1, 3]


@pytest.mark.parametrize("part", ["metrics.jsonl", "config.yaml"])
def test_a_full_disk_at_resume_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    _train(tmp_path / "run")
    with (tmp_path / "run/metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 7, "ima')
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    real = atomic.write

    def full(path: Path, data: bytes | str) -> None:
        if path.name == part:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(atomic, "write", full)
    with pytest.raises(RunError, match=rf"{part} cannot be .*: no space left on the disk"):
        runs.resume(tmp_path / "run", {"steps": 6, "keep": 1}, quiet=True)
    kept = {p: p.read_bytes() for p in before if p.name not in (".lock", "config.yaml")}
    assert kept.items() <= before.items()


def test_torch_s_word_for_a_full_disk_is_put_into_words() -> None:
    error = RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")
    assert atomic.reason(error) == "the disk is full, or only a part was written"
    assert atomic.reason(OSError(28, "No space left on device")) == "no space left on the disk"
    assert atomic.reason(PermissionError(13, "Permission denied")) == "Permission denied"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert convert("~/x", Path, "out") == tmp_path / "x"
    assert convert("~/x", str, "name") == "~/x"
    _train(Path("~/run"), steps=1)
    assert ganwright.load("~/run").step == 1
    assert runs.resume(Path("~/run"), {"steps": 2}, quiet=True).step == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", [n for n in sorted(FAMILIES) if hasattr(family(n), "sample")])
def test_a_sample_costs_its_rows_and_does_not_depend_on_how_many(name: str) -> None:
    game = trainer_of(name).game.eval()
    model = ganwright.Model(name, game, game.spec, 0, Path())
    seen: list[int] = []
    for child in game.children():
        child.register_forward_hook(lambda _, __, made: seen.append(len(made)))
    one = model.sample(1, seed=3)
    # BGAN draws pixels from what G gives, and these clusters add a network's rows to drawn ones
    assert max(seen) == (64 if name in ("bgan", "aae-clusters") else GROUP)
    seen.clear()
    many = model.sample(70, seed=3)
    # 64 rows at once differ from groups of them in the last bits, on some processors only
    assert max(seen) == (64 if name in ("bgan", "aae-clusters") else GROUP)
    assert torch.equal(many[:1], one)
    assert torch.equal(model.sample(9, seed=3), many[:9])
    assert torch.equal(model.sample(64, seed=3), many[:64])
    assert not torch.equal(many[64], many[0])


def test_samples_keep_their_labels_whatever_the_number() -> None:
    game = trainer_of("acgan").game.eval()
    model = ganwright.Model("acgan", game, game.spec, 0, Path())
    many = model.sample(20, seed=1, labels=[3, 4, 5])
    assert torch.equal(model.sample(2, seed=1, labels=[3, 4, 5]), many[:2])
    assert not torch.equal(model.sample(2, seed=1, labels=[7]), many[:2])


class Louder(NonSaturating):
    """A user's own loss."""

    def generator(self, D: Any, real: Any, fake: Any) -> torch.Tensor:
        return 2 * super().generator(D, real, fake)


def test_python_takes_objects_tensors_and_names(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (40, 8, 8), dtype=torch.uint8)
    model = ganwright.train(
        "gan",
        data=images,
        loss=Louder(),
        networks=FULL,
        steps=2,
        batch_size=4,
        image_size=8,
        out=tmp_path / "run",
        quiet=True,
    )
    assert model.sample(5).shape == (5, 1, 8, 8)
    with pytest.raises(RunError, match="given in Python"):
        ganwright.resume(tmp_path / "run", steps=3, quiet=True)
    assert ganwright.resume(tmp_path / "run", steps=3, data=images, quiet=True).step == 3
    with pytest.raises(SettingsError, match="did you mean steps"):
        ganwright.train("gan", stepz=3, out=tmp_path / "other", quiet=True)
    with pytest.raises(SettingsError, match="cannot translate; it can sample"):
        model.translate(torch.zeros(1, 1, 8, 8))
    with pytest.raises(SettingsError, match="without labels"):
        model.sample(2, labels=[3])
    with pytest.raises(SettingsError, match="without labels"):  # labelled data, unconditional game
        _train(tmp_path / "digits").sample(2, labels=[3])
