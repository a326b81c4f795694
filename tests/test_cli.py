"""The command line, in process: what it prints, what it refuses, what it hands on."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_config import TOY, Doubled, Toy

from ganwright.cli import main
from ganwright.commands import COMMANDS
from ganwright.commands.flags import docs
from ganwright.config.changes import flag_of
from ganwright.config.settings import FREE, Settings
from ganwright.errors import SettingsError
from ganwright.families import FAMILIES
from ganwright.losses import Hinge, LeastSquares, NonSaturating
from ganwright.optim import Adam, AdamW, Cosine
from ganwright.penalties import R1, R2
from ganwright.recipes import recipes
from ganwright.run import train as runs
from ganwright.run.config_file import from_yaml
from ganwright.run.run_folder import free_folder

QUICK = ["--data", "digits", "--image-size", "8", "--batch-size", "4", "--steps", "4"]
QUICK += ["--log-every", "2", "--sample-every", "4", "--save-every", "2", "--device", "cpu"]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The calls of `run.train`, which trains nothing here."""
    calls: list[tuple[Any, ...]] = []

    def train(game: Any, settings: Settings, out: Path | None, **_: Any) -> None:
        calls.append((game, settings, out))

    monkeypatch.setattr(runs, "train", train)
    return calls


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps, trained by the command line."""
    out = tmp_path_factory.mktemp("runs") / "toy"
    assert main(["train", TOY, *QUICK, "--out", str(out)]) == 0
    return out


def opened(path: Path) -> Image.Image:
    """A picture whose file is closed again."""
    with Image.open(path) as file:
        file.load()
        return file


def error_of(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence with which a command refuses."""
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("ganwright: ")
    assert said.err.count("\n") == 1
    return said.err.removeprefix("ganwright: ").strip()


def test_help_and_list_load_no_torch() -> None:
    code = """
import sys
from ganwright.cli import main
for argv in ([], ["--help"], ["--version"], ["list"], ["train", "--help"], ["sample", "--help"]):
    assert main(argv) == 0, argv
for argv in (["trian"], ["list", "foo"], ["train", "dcgn"], ["sample"]):
    assert main(argv) == 2, argv
assert "torch" not in sys.modules and "matplotlib" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True)


def test_a_terminal_that_lacks_letters_shows_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for argv in (["list", "recipes"], ["list", "losses"], ["info", "wgan-gp"], ["train", "--help"]):
        out = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, "ascii", write_through=True))
        assert main(argv) == 0
        assert out.getvalue().isascii()
        assert out.getvalue().count(b"\n") > 3


def test_python_m_ganwright_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ganwright", "trian"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "ganwright: unknown command trian; did you mean train or translate?\n"


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} {c.usage}" in shown and c.help in shown for name, c in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"usage: ganwright {name}" in capsys.readouterr().out


def test_list_shows_every_family_and_topic(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown and entry.title in shown for name, entry in FAMILIES.items())
    assert main(["list", "losses"]) == 0
    assert "Hinge " in capsys.readouterr().out
    assert main(["list", "data"]) == 0
    assert "mnist " in capsys.readouterr().out
    assert main(["list", "recipes"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in recipes())
    assert "ganwright train gan --config first-gan" in shown


def test_every_setting_has_a_sentence() -> None:
    help_of = docs(Settings)
    assert [name for name in vars(Settings()) if not help_of.get(name, "").endswith(".")] == []


def test_train_help_has_each_setting_with_sentence_and_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert main(["train", TOY, "--help"]) == 0
    shown = capsys.readouterr().out
    for name, sentence in (docs(Settings) | {"game": ""}).items():
        assert sentence.replace("  ", " ") in shown, name
    lines = {line.split()[0]: line for line in shown.splitlines() if line.startswith("  --")}
    assert lines["--steps"].endswith("(at least 1; default: 10000)")
    assert lines["--game.latent"].endswith("Length of z: 100% of it. (default: 4)")
    assert lines["--game.loss"].endswith("(default: NonSaturating())")
    assert lines["--game.span"].endswith("Two numbers. (default: 1 2)")
    assert {flag_of(name) for name in vars(Settings()) if name != "game"} - {
        word.strip(",") for word in shown.split()
    } == set()


def test_flags_become_settings(trained: list[tuple[Any, ...]], tmp_path: Path) -> None:
    flags = ["--flip", "--channels", "3", "--precision", "fp32", "--ema-half-life", "1e3"]
    flags += ["--game.loss", "LeastSquares(a=-1, b=1, c=0)", "--game.penalties", "R1(weight=1)"]
    flags += ["R2", "--game.span", "5", "6", "--game.scale", "none", "--game.latent=9", "--log"]
    assert main(["train", TOY, *flags, "--out", str(tmp_path / "x")]) == 0
    ((game, settings, out),) = trained
    assert game is Toy
    assert out == tmp_path / "x"
    assert settings == Settings(
        flip=True,
        channels=3,
        precision="fp32",
        ema_half_life=1000.0,
        game=Toy.Config(
            loss=LeastSquares(-1.0, 1.0, 0.0),
            penalties=(R1(1.0), R2()),
            span=(5, 6),
            latent=9,
        ),
    )


def test_flags_stand_above_the_file_and_the_file_above_defaults(
    trained: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(
        f"family: {TOY}\nsteps: 5\nseed: 6\nflip: true\ngame:\n  latent: 7\n  loss: Hinge\n",
        encoding="utf-8",
    )
    flags = ["--trust", "--steps", "8", "--no-flip", "--game.latent", "9"]
    assert main(["train", "--config", str(file), *flags, "--out", str(tmp_path / "x")]) == 0
    assert main(["train", TOY, f"--config={file}", "--out", str(tmp_path / "y")]) == 0
    first, second = (settings for _, settings, _ in trained)
    assert first == Settings(steps=8, seed=6, game=Toy.Config(latent=9, loss=Hinge()))
    assert second == Settings(steps=5, seed=6, flip=True, game=Toy.Config(latent=7, loss=Hinge()))


def test_one_argument_of_an_object_changes_alone(
    trained: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    flags = ["--game.optimizer-d.lr", "1e-3", "--game.optimizer-d.schedule", "Cosine(horizon=9)"]
    flags += ["--game.loss.smooth", "0.1"]
    assert main(["train", TOY, *flags, "--out", str(tmp_path / "x")]) == 0
    flags = ["--game.optimizer-d.lr", "1e-3", "--game.optimizer-d", "AdamW(eps=1)"]
    assert main(["train", TOY, *flags, "--out", str(tmp_path / "y")]) == 0
    first, second = (settings.game for _, settings, _ in trained)
    assert first.optimizer_d == Adam(lr=1e-3, betas=(0.0, 0.9), schedule=Cosine(9))
    assert first.loss == NonSaturating(0.1)
    assert second.optimizer_d == AdamW(lr=1e-3, eps=1.0)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ["--game.optimizer-d.l", "3"],
            "unknown setting --game.optimizer-d.l; did you mean --game.o",
        ),
        (["--game.optimizer-d.lr", "x"], "--game.optimizer-d.lr is 'x'; it must be a number"),
        (["--stpes", "3"], "unknown setting --stpes; did you mean --steps?"),
        (["--step", "3"], "unknown setting --step; did you mean --steps"),
        (["--game.los", "Hinge"], "unknown setting --game.los; did you mean --game.loss?"),
        (["--zzz"], "unknown setting --zzz; see ganwright train"),
        (["--steps", "many"], "--steps is 'many'; it must be a whole number"),
        (["--steps", "0"], "steps is 0; it must be at least 1"),
        (["--steps"], "argument --steps: expected one argument"),
        (["--flip", "maybe"], "unexpected argument maybe"),
        (["--flip=maybe"], "--flip is 'maybe'; it must be true or false"),
        (["--ema-half-life", "nan"], "--ema-half-life is nan; it must be at least 0, and finite"),
        (["--game.latent.x", "3"], "unknown setting --game.latent.x; did you mean --game.latent"),
        (["--channels", "0"], "--channels is 0; it must be at least 1"),
        (["--game.loss", "Hing"], "--game.loss: unknown Loss Hing; did you mean Hinge?"),
        (
            ["--game.loss", "Wasserstein(a=1)"],
            "--game.loss: Wasserstein has no argument a; it takes none",
        ),
        (["--game.span", "1"], "--game.span is ['1']; it must be 2 values"),
        (["--game.optimizer-d", "Adm"], "--game.optimizer-d: unknown Optimizer Adm; did you mean"),
        (["--log", "tensorbord"], "unknown tracker tensorbord; did you mean tensorboard?"),
        (["--config", "nowhere.yaml"], "nowhere.yaml cannot be read as a configuration"),
        (["stray"], "unexpected argument stray"),
    ],
)
def test_a_wrong_flag_is_one_sentence_and_trains_nothing(
    flags: list[str],
    sentence: str,
    trained: list[tuple[Any, ...]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sentence in error_of(["train", TOY, *flags], capsys)
    assert trained == []


def test_a_family_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean dcgan" in error_of(["train", "dcgn"], capsys)
    assert "did you mean dcgan" in error_of(["train", "--steps", "3", "dcgn"], capsys)
    assert "did you mean dcgan" in error_of(["train", "--game.latent", "3", "dcgn"], capsys)
    for argv in ([], ["--steps", "3"], ["--out", "dcgan"], ["--flip", "true"]):
        assert error_of(["train", *argv], capsys).startswith(
            "train needs a family as in: ganwright"
        )
    for argv in (["--game.networks", "MLP", "--steps", "3"], ["--game.span", "5", "6"]):
        said = error_of(["train", *argv], capsys)
        assert said.startswith(
            f"train needs a family, whose setting {argv[0]} is, as in: ganwright"
        )
    assert "did you mean --steps" in error_of(["train", "--stpes", "3"], capsys)


@pytest.mark.parametrize(
    "argv",
    [
        [TOY, "--steps", "3", "--log", "--flip"],
        ["--steps", "3", TOY, "--flip", "true"],
        ["--flip", TOY, "--steps=3"],
        ["--flip", "True", "--steps", "3", TOY],
        ["--game.latent", "4", TOY, "--flip=true", "--steps", "3"],
        ["--game.span", "1", "2", "--flip", "--steps", "3", TOY],
    ],
)
def test_a_family_may_stand_anywhere(
    argv: list[str], trained: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    assert main(["train", *argv, "--out", str(tmp_path / "x")]) == 0
    assert trained[0][:2] == (Toy, Settings(steps=3, flip=True, game=Toy.Config()))


def test_a_family_of_the_table_may_stand_behind_several_values(
    trained: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    out = ["--out", str(tmp_path / "x")]
    assert main(["train", *out, "--game.penalties", "R1", "R2", "dcgan"]) == 0
    assert main(["train", *out, "--log", "--game.conditional", "dcgan"]) == 0
    assert [game.__name__ for game, *_ in trained] == ["DCGAN", "DCGAN"]
    assert trained[0][1].game.penalties == (R1(), R2())
    assert trained[1][1].game.conditional


def test_values_of_a_flag_are_no_family_where_a_file_names_one(
    trained: list[tuple[Any, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("family: dcgan\n", encoding="utf-8")
    argv = ["train", "--config", str(file), "--metrics", "FID", "KID"]
    assert main([*argv, "--out", str(tmp_path / "x")]) == 0
    assert trained[0][0].__name__ == "DCGAN"
    assert error_of(["train", "--metrics", "FID", "KID"], capsys).startswith("train needs a family")


def test_modules_in_the_working_folder_are_found(
    trained: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an installed command has it: the folder of the program stands in sys.path, not this."""
    (tmp_path / "own_loss_here.py").write_text(
        "from ganwright.losses import Hinge\nclass Mine(Hinge):\n    pass\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    argv = ["train", "dcgan", "--game.loss", "own_loss_here.Mine", "--out", str(tmp_path / "x")]
    assert main(argv) == 0
    assert type(trained[0][1].game.loss).__name__ == "Mine"
    assert sys.path[-1] == str(tmp_path), "behind all others"


def test_the_working_folder_is_open_to_what_is_asked_for_alone(
    trained: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's folder may hold a module called like a package that is not installed."""
    (tmp_path / "not_installed_here.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    assert main(["train", "dcgan", "--game.loss", "Hinge", "--out", str(tmp_path / "x")]) == 0
    assert importlib.util.find_spec("not_installed_here") is None


def test_a_run_has_one_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = error_of(["train", "dcgan", "--steps=3", "--epochs", "2"], capsys)
    assert said == "--steps and --epochs both say how long the run is; give one of them"
    with pytest.raises(SettingsError, match="steps and epochs both say how long"):
        runs.train("dcgan", steps=3, epochs=2, out=tmp_path / "run")


def test_negative_numbers_may_have_exponents(trained: list[tuple[Any, ...]]) -> None:
    assert main(["train", "dcgan", "--range", "-1e3", "-2.5E-1"]) == 0
    assert trained[0][1].range == (-1000, -0.25)


def test_switches_take_what_files_have(trained: list[tuple[Any, ...]], tmp_path: Path) -> None:
    for argv in (["--flip", "true", "--flip", "FALSE"], ["--flip", "--no-flip"], ["--flip=false"]):
        assert main(["train", TOY, *argv, "--out", str(tmp_path / "x")]) == 0
        assert not trained.pop()[1].flip
    argv = ["train", "dcgan", "--game.conditional", "True", "--out", str(tmp_path / "x")]
    assert main(argv) == 0
    assert trained.pop()[1].game.conditional


def test_other_libraries_names_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    for flag, meant in (
        ("--iterations", "--steps"),
        ("--latent", "--game.latent"),
        ("--lr", "--game.optimizer-d.lr"),
        ("--gpu", "--device"),
        ("--num-workers", "--workers"),
    ):
        sentence = error_of(["train", TOY, flag, "10"], capsys)
        assert sentence == f"unknown setting {flag}; did you mean {meant}?"


def test_a_file_for_another_family_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text("family: dcgan\n", encoding="utf-8")
    config = ["--config", str(tmp_path / "c.yaml")]
    for argv in ([TOY, *config], [*config, TOY], ["--steps", "3", *config, "--flip", TOY]):
        sentence = error_of(["train", *argv], capsys)
        assert sentence == f"{tmp_path / 'c.yaml'} is for dcgan, not for {TOY}"
    sentence = error_of(["train", *config, "--config=other.yaml"], capsys)
    assert sentence.startswith("--config is given twice, as ")
    (tmp_path / "c.yaml").write_text("family: dcgan\nsteps: 0", encoding="utf-8")
    sentence = error_of(["train", *config], capsys)
    assert sentence == f"{tmp_path / 'c.yaml'}: steps is 0; it must be at least 1"


def test_values_of_a_flag_that_is_given_twice_are_not_dropped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    twice = "--metrics is given twice; give all of its values after one, as in --metrics FID KID"
    for command in (["train", "dcgan"], ["evaluate", "runs/x"], ["sweep", "dcgan"]):
        assert error_of([*command, "--metrics", "FID", "--metrics=KID"], capsys) == twice
    seeds = ["--seeds", "0", "--seeds", "1", "2"]
    assert error_of(["sweep", "dcgan", *seeds], capsys).endswith("as in --seeds 0 1 2")
    loss = ["--game.loss", "Hinge", "--game.loss=Wasserstein"]
    assert error_of(["sweep", "dcgan", *loss], capsys) == (
        "--game.loss is given twice; give all of its values after one, as in --game.loss Hinge "
        "Wasserstein"
    )


def test_runs_are_numbered(tmp_path: Path) -> None:
    assert free_folder(tmp_path / "no", "dcgan", "digits") == tmp_path / "no" / "dcgan-digits-001"
    for name in ("dcgan-my-cats.zip-low-4-001", "dcgan-digits-001", "dcgan-digits-003"):
        (tmp_path / name).mkdir()
    assert free_folder(tmp_path, "dcgan", "digits").name == "dcgan-digits-002"
    assert free_folder(tmp_path, "my.pack:Toy", "/a b/cats?low=4").name == "toy-cats-low-4-001"
    assert free_folder(tmp_path, "gan", "mnist->usps").name == "gan-mnist-usps-001"


def test_several_processes_must_be_told_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "name it with --out" in error_of(["train", TOY], capsys)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WORLD_SIZE", "two", "WORLD_SIZE is 'two'; it must be a whole number, at least 1"),
        ("WORLD_SIZE", "0", "WORLD_SIZE is '0'; it must be a whole number, at least 1"),
        ("RANK", "-1", "RANK is '-1'; it must be a whole number, at least 0"),
        ("RANK", "", "RANK is ''; it must be a whole number, at least 0"),
    ],
)
@pytest.mark.parametrize("out", [[], ["--out", "x"]])
def test_a_launchers_variable_that_is_no_number_is_a_sentence(
    name: str,
    value: str,
    said: str,
    out: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    assert said in error_of(["train", "gan", "--data", "ring", "--steps", "1", *out], capsys)
    assert not list(tmp_path.rglob("*"))


def test_the_folder_is_the_named_one_or_a_free_one(trained: list[tuple[Any, ...]]) -> None:
    assert main(["train", TOY, "--out", "x"]) == 0
    assert main(["train", TOY]) == 0
    assert [call[2] for call in trained] == [Path("x"), None]


def test_an_interrupted_run_ends_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "train", stop)
    assert main(["train", TOY, "--out", str(tmp_path / "x")]) == 130


def test_bugs_keep_their_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(runs, "train", broken)
    with pytest.raises(ZeroDivisionError):
        main(["train", TOY, "--out", str(tmp_path / "x")])


def test_a_run_prints_json_lines_where_nobody_watches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", TOY, *QUICK, "--out", str(out), "--seed", "3"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    logged = [
        json.loads(line)
        for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert lines[0]["run"] == str(out)
    assert lines[0]["shape"] == [1, 8, 8]
    assert lines[1:-1] == logged
    assert [row["step"] for row in logged] == [2, 4]
    assert lines[-1] == {
        "finished": str(out),
        "step": 4,
        "interrupted": False,
        "resume": f"ganwright resume {out} --steps 8",
        "sample": f"ganwright sample {out}",
        "translate": f"ganwright translate {out} INPUT OUTPUT",
    }
    assert (out / "report.html").is_file()


def test_the_settings_on_disk_train_the_same_run(tmp_path: Path, toy_run: Path) -> None:
    again = tmp_path / "again"
    assert main(["train", "--config", str(toy_run / "config.yaml"), "--out", str(again)]) == 0
    texts = [(run / "config.yaml").read_text(encoding="utf-8") for run in (again, toy_run)]
    assert from_yaml(texts[0]) == from_yaml(texts[1])
    grid = "samples/step-000004.png"
    assert (again / grid).read_bytes() == (toy_run / grid).read_bytes()


def test_resume_goes_on_and_refuses_other_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", TOY, *QUICK, "--out", str(out)]) == 0
    capsys.readouterr()
    sentence = error_of(["resume", str(out), "--batch-size", "3", "--game.loss", "Hinge"], capsys)
    assert "game.loss: NonSaturating() -> Hinge(); batch_size: 4 -> 3" in sentence
    assert "--steps is the total" in error_of(["resume", str(out)], capsys)
    assert "did you mean --steps" in error_of(["resume", str(out), "--stpes", "9"], capsys)
    assert main(["resume", str(out), "--steps", "6", "--log-every", "1"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["step"] for line in lines] == [4, 5, 6, 6]
    assert "steps: 6" in (out / "config.yaml").read_text(encoding="utf-8")


def test_resume_names_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a run folder" in error_of(["resume", str(tmp_path)], capsys)
    assert "x is not a run folder" in error_of(["resume", "--steps", "3", "x"], capsys)
    assert "required: RUN" in error_of(["resume", "--steps", "3"], capsys)


def test_resume_shows_what_may_change(toy_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([], [str(toy_run)]):
        assert main(["resume", *argv, "--help"]) == 0
        shown = {w.strip(",]") for w in capsys.readouterr().out.split() if w.startswith("--")}
        switches = {"--from-weights", "--no-from-weights", "--no-download", "--no-quiet"}
        switches |= {"--callbacks", "--metrics", "--quiet", "--ray", "--trust"}
        switches |= {"--evaluate-every", "--evaluate-samples", "--keep-best"}
        assert shown == {"--help", *switches, *(flag_of(name) for name in FREE)}


def test_sample_draws_the_same_grid_for_the_same_seed(toy_run: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        argv = ["sample", str(toy_run), "-n", "6", "--seed", seed]
        assert main([*argv, "--out", str(tmp_path / f"{name}.png")]) == 0
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c
    assert opened(tmp_path / "a.png").size == (3 * 66 + 2, 2 * 66 + 2)


def test_sample_fills_a_folder_with_single_pictures_of_the_labels(
    toy_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["sample", str(toy_run), "--labels", "0", "5", "9", "-n", "4"]
    assert main([*argv, "--out", str(tmp_path / "single")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "single")
    files = sorted((tmp_path / "single").iterdir())
    assert [f.name for f in files] == [f"{i:05}.png" for i in range(4)]
    found = [int(np.asarray(opened(f)).max()) for f in files]
    assert found == [0, 128, round((9 / 5) * 127.5), 0]
    assert opened(files[0]).size == (8, 8)


def test_sample_says_where_it_put_the_grid(
    toy_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(toy_run), "--labels", "1", "2", "--seed", "5"]) == 0
    path = toy_run / "sampled" / "seed-5.png"
    assert capsys.readouterr().out == f"{path}\n"
    assert opened(path).size == (2 * 66 + 2, 66 + 2)


def test_sample_replaces_nothing_unasked(
    toy_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rule of `translate`, for a grid, for files of a folder, and where no output is named."""
    for flags in (["--out", str(tmp_path / "a.png")], ["--out", str(tmp_path / "many")], []):
        argv = ["sample", str(toy_run), "-n", "3", "--seed", "77", *flags]
        assert main(argv) == 0
        path = Path(capsys.readouterr().out.strip())
        first = path / "00002.png" if path.is_dir() else path
        first.write_bytes(b"mine")
        assert "add --overwrite to replace" in error_of(argv, capsys)
        assert first.read_bytes() == b"mine"
        assert main([*argv, "--overwrite"]) == 0
        capsys.readouterr()
        assert first.read_bytes() != b"mine"
    fewer = ["sample", str(toy_run), "-n", "9", "--out", str(tmp_path / "many")]
    assert "3 of the outputs exist, the first is" in error_of(fewer, capsys)


def test_outputs_of_the_shell_s_home(
    toy_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").symlink_to(toy_run)
    assert main(["sample", "~/run", "--out=~/grid.png"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'grid.png'}\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["grid.png", "run"]


def test_resume_goes_on_from_weights_when_asked(
    toy_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(toy_run, out)
    steps = max(int(p.name[5:]) for p in (out / "checkpoints").iterdir())
    for training in (out / "checkpoints").glob("*/training.pt"):
        training.unlink()
    resume = ["resume", str(out), "--steps", str(steps + 1)]
    assert "add --from-weights to continue from them" in error_of(resume, capsys)
    assert main([*resume, "--from-weights"]) == 0
    assert "its optimizers start from scratch" in capsys.readouterr().err
    assert (out / "checkpoints" / f"step-{steps + 1:06}").is_dir()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["-n", "0"], "-n is 0; it must be at least 1"),
        (["-n", "x"], "-n is 'x'; it must be a whole number"),
        (["--labels", "frog"], "unknown label 'frog'"),
        (["--out", "grid.gif"], "--out is grid.gif; name a .png file"),
        (["--step", "3"], "there is no checkpoint of step 3"),
        (["--sed", "3"], "unknown setting --sed; did you mean --seed"),
    ],
)
def test_sample_refuses_in_a_sentence(
    flags: list[str], sentence: str, toy_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentence in error_of(["sample", str(toy_run), *flags], capsys)


def test_report_writes_the_page(toy_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toy_run / "report.html").unlink()
    assert main(["report", str(toy_run)]) == 0
    assert capsys.readouterr().out == f"{toy_run / 'report.html'}\n"
    assert "D/adv" in (toy_run / "report.html").read_text(encoding="utf-8")


def test_info_tells_paper_players_and_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", TOY]) == 0
    shown = capsys.readouterr().out
    assert "Toy (2024)\nhttps://arxiv.org/abs/0000.00000\n" in shown
    assert "A family of your own" in shown
    assert f"D updates {32 * 32 + 1:,} weights with Adam" in shown
    assert f"G updates {(4 + 1) * 32 * 32:,} weights with Adam" in shown
    assert "--game.loss LOSS" in shown
    assert "How scores become losses. (default: NonSaturating())" in shown


def test_info_names_no_paper_where_there_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Toy, "paper", "")
    monkeypatch.setattr(Toy, "title", "")
    assert main(["info", TOY]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{TOY}: Toy\n\n")
    assert "arxiv" not in shown


def test_own_classes_reach_the_run(trained: list[tuple[Any, ...]], tmp_path: Path) -> None:
    loss = f"{Doubled.__module__}.Doubled(weight=4)"
    assert main(["train", TOY, "--game.loss", loss, "--out", str(tmp_path / "x")]) == 0
    assert trained[0][1].game.loss == Doubled(4.0)


def test_a_setting_after_two_dashes_is_said_to_stand_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = error_of(["sample", "--", "runs/x", "-n", "2"], capsys)
    assert said == "-n stands after --; leave -- out, or name the setting before it"
