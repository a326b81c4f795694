"""Each logging back end that is installed: a real run, resumed, read back by its own API."""

from __future__ import annotations

import errno
import gc
import json
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers import tiny

from ganwright.errors import RunError
from ganwright.metrics.digit_features import DigitFeatures
from ganwright.run.train import resume, train
from ganwright.trackers import TRACKERS
from ganwright.trackers.several import Several

SIDE = 8 * (64 + 2) + 2
"""Pixels of a sample grid: 64 images of 8x8, enlarged to 64x64, with 2 pixels between them."""
STEPS = (2, 4, 6)
"""The steps with rows of metrics, the last one made by the resumed run."""
ALL = {"images": 0, "histograms": 0}
"""For TensorBoard's reader: keep all, not a selection."""
FOUND = f"evaluate/{DigitFeatures().named('FID')}"
VARIABLES = {
    "WANDB_MODE": "offline",
    "WANDB_API_KEY": None,
    "MLFLOW_TRACKING_URI": None,
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TRACKIO_DIR": None,
    "AIM_REPO": None,
    "COMET_API_KEY": None,
    "SWANLAB_API_KEY": None,
    "SWANLAB_MODE": None,
    "VISDOM_SERVER": None,
}
"""What back ends read from the environment, as the tests need it."""


class Found(NamedTuple):
    """What was read back: numbers by name and step, sides of the grids, counts of a histogram."""

    scalars: dict[str, dict[int, float]]
    images: dict[int, tuple[int, ...]]
    counts: int | None
    settings: dict[str, Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home folder and working folder; where a back end writes to shows afterwards."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.chdir(place)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "run" / "wandb"))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value or "")
        if value is None:
            monkeypatch.delenv(name)
    yield place
    made = [x.relative_to(place) for x in place.rglob("*") if x.is_file()]
    assert [x for x in made if x.parts[:2] != (".cache", "matplotlib")] == []


def tracked(name: str, run: Path) -> dict[int, dict[str, Any]]:
    """Train, resume and evaluate a run that logs to a tracker; its rows of metrics by step."""
    if find_spec(TRACKERS[name].package) is None:  # Trackio settles its folder when imported
        pytest.skip(f"needs {TRACKERS[name].package}")
    every = {"log_every": 2, "sample_every": 2, "save_every": 2, "histogram_every": 2}
    cls, settings = tiny("dcgan", data="digits", steps=4, log=(name,), **every)
    train(cls, settings, run, quiet=True)
    resume(run, steps=6, quiet=True)
    again = Several([name], run, pytest.fail)
    again.log({FOUND: 12.5}, 6)
    again.finish()
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    return {row["step"]: row for row in map(json.loads, lines)}


def check(found: Found, rows: dict[int, dict[str, Any]], spelled: str = FOUND) -> None:
    """See that all of it arrived."""
    for name in ("D/adv", "G/adv", "images"):
        values = {step: rows[step][name] for step in STEPS}
        assert found.scalars[name] == pytest.approx(values, rel=1e-6)
    assert found.scalars[spelled] == {6: 12.5}
    assert found.images == dict.fromkeys((0, *STEPS), (SIDE, SIDE))
    assert found.counts in (None, 4)
    assert str(found.settings["game.loss"]) == "NonSaturating(smooth=0.0)"


def size_of(path: Path) -> tuple[int, ...]:
    from PIL import Image

    with Image.open(path) as image:
        return image.size


def test_tensorboard(tmp_path: Path, home: Path) -> None:
    rows = tracked("tensorboard", tmp_path / "run")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events: Any = EventAccumulator(str(tmp_path / "run" / "tensorboard"), ALL)
    events.Reload()
    scalars = {n: {e.step: e.value for e in events.Scalars(n)} for n in events.Tags()["scalars"]}
    images = {e.step: (e.width, e.height) for e in events.Images("samples")}
    histograms = {e.step: e.histogram_value for e in events.Histograms("D/scores/real")}
    text = events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    table = dict(line.strip("| ").split(" | ") for line in text.splitlines())
    assert list(histograms) == list(STEPS)
    check(Found(scalars, images, round(histograms[6].num), table), rows)
    assert histograms[6].sum / 4 == pytest.approx(rows[6]["D/real"], abs=0.1)


def test_tensorboard_replaces_what_a_resumed_run_makes_again(tmp_path: Path, home: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from ganwright.trackers.tensorboard import TensorBoard

    killed = TensorBoard(tmp_path, {})
    for step in (2, 4, 6):
        killed.log({"x": step}, step)
    killed.finish()
    resumed = TensorBoard(tmp_path, {})
    resumed.rewound(4)
    resumed.log({"x": 60}, 6)
    resumed.finish()
    seconds = [file.name.split(".")[3] for file in (tmp_path / "tensorboard").iterdir()]
    assert len(set(seconds)) == 3, "it reads files in the order of their seconds"
    events: Any = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("x")] == [(2, 2), (4, 4), (6, 60)]


def test_wandb_offline(tmp_path: Path, home: Path) -> None:
    run = tmp_path / "run"
    rows = tracked("wandb", run)
    from google.protobuf.json_format import MessageToDict
    from wandb.proto.wandb_internal_pb2 import Record

    scalars: dict[str, dict[int, float]] = {}
    images, settings, counts = {}, {}, None
    sessions = sorted(run.glob("wandb/offline-run-*"))
    # offline-run-TIME-ID, and a number for the second of the same second
    assert len({session.name.split("-")[3] for session in sessions}) == 1
    for session in sessions:
        for data in _log_records(next(session.glob("*.wandb")).read_bytes()[7:]):
            record = Record()
            record.ParseFromString(data)
            row = {
                (item.key or "/".join(item.nested_key)): json.loads(item.value_json)
                for item in record.history.item
            }
            for name, value in row.items():
                if isinstance(value, int | float):
                    scalars.setdefault(name, {})[row.get("step", -1)] = value
            if "samples/path" in row:
                images[row["step"]] = size_of(session / "files" / row["samples/path"])
            counts = sum(row.get("D/scores/real/values", [])) or counts
            for item in MessageToDict(record).get("run", {}).get("config", {}).get("update", []):
                settings[item.get("key", "/")] = json.loads(item["valueJson"])
    check(Found(scalars, images, counts, settings), rows)


def _log_records(data: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log, which W&B keeps behind a header of 7 bytes."""
    at, whole = 0, b""
    while at + 7 <= len(data):
        left = 32768 - (at + 7) % 32768
        if left < 7:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole = (
            data[at + 7 : at + 7 + length] if kind in (1, 2) else whole + data[at + 7 :][:length]
        )
        at += 7 + length
        if kind in (1, 4):
            yield whole


# MLflow 3.17 with SQLAlchemy 2.1
@pytest.mark.filterwarnings("ignore:The ..noload.. loader strategy:DeprecationWarning")
def test_mlflow_in_the_run_folder(tmp_path: Path, home: Path) -> None:
    run = tmp_path / "run"
    rows = tracked("mlflow", run)
    from mlflow.tracking import MlflowClient

    client: Any = MlflowClient(f"sqlite:///{run / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ganwright").experiment_id
    (own,) = client.search_runs([experiment])
    scalars = {
        name: {m.step: m.value for m in client.get_metric_history(own.info.run_id, name)}
        for name in own.data.metrics
    }
    images = {}
    for file in client.list_artifacts(own.info.run_id, "images"):
        if file.path.endswith(".png"):
            place = Path(client.download_artifacts(own.info.run_id, file.path))
            images[int(place.name.split("+")[2])] = size_of(place)
    text = client.download_artifacts(own.info.run_id, "histograms/step-000006.json")
    histograms = json.loads(Path(text).read_text("utf-8"))
    counts = sum(histograms["D/scores/real"]["counts"])
    spelled = FOUND.replace("(", "_").replace(")", "_")
    check(Found(scalars, images, counts, own.data.params), rows, spelled)
    assert (own.info.run_name, own.info.status) == ("run", "FINISHED")


# Visdom 0.2.4 calls functions of logging that are deprecated
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_visdom_with_its_own_server(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganwright.trackers.visdom.PATIENCE", 500.0)  # of a busy machine
    run = tmp_path / "run"
    rows = tracked("visdom", run)
    from ganwright.trackers.visdom import VisdomServer, _answers

    again = VisdomServer(run, {})  # a new server, which reads what the others kept
    address = again.where.partition("/env/")[0]
    assert _answers(address)
    windows = json.loads(again._client.get_window_data(env=again._env))
    again.rewound(4)
    after = json.loads(again._client.get_window_data("D/adv", env=again._env))
    again.finish()
    assert not _answers(address)
    curves = {
        name: dict(zip(*(window["content"]["data"][0][axis] for axis in "xy"), strict=True))
        for name, window in windows.items()
        if window["type"] == "plot" and "evaluate" not in name and "scores" not in name
    }
    for name in ("D/adv", "G/adv", "images"):
        assert curves[name] == pytest.approx({step: rows[step][name] for step in STEPS}, rel=1e-6)
    assert windows[FOUND]["content"]["data"][0]["y"] == [12.5]
    assert len(windows["samples"]["content"]) == 1 + len(STEPS)
    assert sum(windows["D/scores/real"]["content"]["data"][0]["y"]) == 4
    assert after["content"]["data"][0]["x"] == [2, 4]


def test_visdom_elsewhere_must_answer(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("visdom")
    from ganwright.trackers.visdom import VisdomServer

    monkeypatch.setattr("ganwright.trackers.visdom._answers", lambda _: False)
    monkeypatch.setenv("VISDOM_SERVER", "http://curves.example:80")
    with pytest.raises(RunError, match="no Visdom server answers at VISDOM_SERVER=http://curves"):
        VisdomServer(tmp_path, {})
    assert not (tmp_path / "visdom").exists()


def test_trackio(tmp_path: Path, home: Path) -> None:
    rows = tracked("trackio", tmp_path / "run")
    from trackio.sqlite_storage import SQLiteStorage

    (name,) = SQLiteStorage.get_runs("ganwright")
    scalars: dict[str, dict[int, float]] = {}
    images, counts = {}, None
    for row in SQLiteStorage.get_logs("ganwright", name):
        for key, value in row.items():
            if isinstance(value, int | float):
                scalars.setdefault(key, {})[row["step"]] = value
        if "samples" in row:
            media = tmp_path / "run" / "trackio" / "media" / row["samples"]["file_path"]
            images[row["step"]] = size_of(media)
        if "D/scores/real" in row:
            counts = sum(row["D/scores/real"]["values"])
    settings = SQLiteStorage.get_run_config("ganwright", name)
    check(Found(scalars, images, counts, settings), rows)


# Aim 3.29 calls functions of SQLAlchemy that are deprecated
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_aim(tmp_path: Path, home: Path) -> None:
    rows = tracked("aim", tmp_path / "run")
    import aim

    gc.collect()  # a closed run of Aim holds its lock until it is gone
    repo = aim.Repo(str(tmp_path / "run"))
    (name,) = repo.list_all_runs()
    # what the last writer left in a log is seen by writers alone
    quiet: dict[str, Any] = {"system_tracking_interval": None, "capture_terminal_logs": False}
    own = aim.Run(name, repo=repo, **quiet)
    read: Callable[[Any], dict[int, Any]] = lambda series: {  # noqa: E731
        step: value for step, (value, *_) in series.data.items()
    }
    scalars = {metric.name: read(metric) for metric in own.metrics()}
    context = next(iter(own.metrics())).context
    images = read(own.get_image_sequence("samples", context))
    sizes = {step: image.to_pil_image().size for step, image in images.items()}
    histograms = read(own.get_distribution_sequence("D/scores/real", context))
    counts = int(histograms[6].weights.sum())
    check(Found(scalars, sizes, counts, own["settings"]), rows)


def test_comet_offline(tmp_path: Path, home: Path) -> None:
    run = tmp_path / "run"
    rows = tracked("comet", run)
    scalars: dict[str, dict[int, float]] = {}
    images, settings, histograms = {}, {}, []
    for path in run.glob("comet/*.zip"):
        with closing(zipfile.ZipFile(path)) as archive:
            for line in archive.read("messages.json").splitlines():
                message = json.loads(line)["payload"]
                if metric := message.get("metric"):
                    values = scalars.setdefault(metric["metricName"], {})
                    values[metric["step"]] = metric["metricValue"]
                if setting := message.get("param"):
                    settings[setting["paramName"]] = setting["paramValue"]
                more = message.get("additional_params") or {}
                if more.get("figName") == "samples":
                    with archive.open(message["file_path"]) as file:
                        images[more["step"]] = size_of(file)  # type: ignore[arg-type]
                if "histogram" in str(message.get("upload_type", "")):
                    histograms.append(more["step"])
    check(Found(scalars, images, None, settings), rows)
    assert set(histograms) == set(STEPS)


def test_swanlab_offline(tmp_path: Path, home: Path) -> None:
    run = tmp_path / "run"
    rows = tracked("swanlab", run)
    import yaml
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.sdk.internal.core_python.store import DataStoreReader

    scalars: dict[str, dict[int, float]] = {}
    for path in run.glob("swanlab/run-*/*.swanlab"):
        reader = DataStoreReader()
        reader.open(path)
        for data in reader:
            record = Record()
            record.ParseFromString(data)
            if record.HasField("scalar"):
                found = record.scalar
                scalars.setdefault(found.key, {})[found.step] = found.value.number
        reader.close()
    images = {int(x.name[:3]): size_of(x) for x in run.glob("swanlab/run-*/media/image/*.png")}
    (first, *_) = sorted(run.glob("swanlab/run-*/files/config.yaml"))
    config = yaml.safe_load(first.read_text("utf-8"))
    settings = {name: entry["value"] for name, entry in config.items()}
    check(Found(scalars, images, None, settings), rows)
    assert len(list(run.glob("swanlab/run-*/media/echarts/006-*.json"))) > 2


@pytest.mark.parametrize("fails", ["write", "flush"])
def test_tensorboard_on_a_full_disk_is_a_sentence_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.summary.writer.record_writer import RecordWriter

    from ganwright.trackers.tensorboard import TensorBoard

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    printed: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)
    former, before = threading.excepthook, threading.active_count()
    tracker = TensorBoard(tmp_path, {})
    monkeypatch.setattr(RecordWriter, fails, full)
    with pytest.raises(OSError, match="No space"):
        tracker.log({"D/adv": 1.0}, 1)
    another = threading.Thread(target=lambda: 1 / 0)
    another.start()
    another.join()
    with suppress(OSError):
        tracker.finish()
    assert [failed.thread for failed in printed] == [another]
    assert threading.excepthook is former
    assert threading.active_count() == before


def test_a_server_that_answers_is_used(tmp_path: Path, home: Path) -> None:
    """Visdom's usual port may be another program's: only Visdom is taken for Visdom."""
    pytest.importorskip("requests")
    from ganwright.trackers.visdom import _answers, _free_port

    with socket.socket() as other:
        other.bind(("127.0.0.1", _free_port()))
        assert not _answers(f"http://127.0.0.1:{other.getsockname()[1]}")
