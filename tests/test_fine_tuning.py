"""A run begins with another's weights, and parts of it stay as they are."""

from __future__ import annotations

import json
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers import tensors, tiny
from processes import like_a_test, ran
from safetensors.torch import save_file
from torch import Tensor, nn

import ganwright
from ganwright.config.settings import Settings
from ganwright.data.read.embedded import digits
from ganwright.data.sides import Stack
from ganwright.errors import GanwrightError, RunError
from ganwright.layers.forward_state import Memory
from ganwright.penalties import WeightClipping
from ganwright.regularisers import HistoricalAveraging, flat
from ganwright.run import train as runs
from ganwright.training.checkpoint import load_newest
from ganwright.training.freezing import freeze


def some_digits(first: int, last: int) -> tuple[Tensor, list[str]]:
    """Digits of 8x8 pixels from `first` to `last`, and their names."""
    (side,) = digits(8).train
    assert isinstance(side, Stack)
    assert side.labels is not None
    chosen = (side.labels >= first) & (side.labels <= last)
    return side.pictures[chosen], [str(y) for y in side.labels[chosen].tolist()]


def trained(name: str, out: Path, data: Any = None, **changes: Any) -> ganwright.Model:
    cls, settings = tiny(name, steps=3, save_every=2, keep=9, log_every=1, sample_every=4)
    return runs.train(cls, settings, out, data=data, quiet=True, **changes)


def beginning(run: Path) -> dict[str, Tensor]:
    """The networks of a run as it began."""
    found = load_newest(run / "checkpoints", step=0)
    assert found is not None
    return found.game


@pytest.fixture(scope="module")
def low(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ACGAN of the digits 0 to 5, whose average is not yet its weights."""
    out = tmp_path_factory.mktemp("low") / "run"
    trained("acgan", out, some_digits(0, 5), ema_half_life=1000)
    return out


def test_all_but_what_depends_on_the_classes_fits_other_classes(low: Path, tmp_path: Path) -> None:
    """z of 100 and one of 6 or 4 classes enter G; C tells the classes apart. 14 tensors in all."""
    trained("acgan", tmp_path / "run", some_digits(6, 9), init=str(low), save_every=3)
    old, new = tensors(low), beginning(tmp_path / "run")
    other = {"G.stack.1.weight", "C.weight", "C.bias"}
    assert {k for k in new if old[f"game.{k}"].shape != new[k].shape} == other
    for name in new.keys() - other:
        side = "average" if f"average.{name}" in old else "game"
        assert torch.equal(new[name], old[f"{side}.{name}"]), name
    origin = json.loads((tmp_path / "run/origin.json").read_text(encoding="utf-8"))
    assert origin["how"] == "init"
    assert origin["place"] == str(low)
    assert origin["notes"] == [
        f"starts from 11 of 14 tensors from {low} (step 3, average)",
        "fresh, since shapes differ (3): G.stack.1.weight (64x106 there, 64x104 here), "
        "C.weight (6x64 there, 4x64 here), C.bias (6 there, 4 here)",
    ]


def test_raw_weights_and_averages_are_two_things(low: Path, tmp_path: Path) -> None:
    old = tensors(low)
    name = "G.stack.5.weight"
    assert not torch.equal(old[f"game.{name}"], old[f"average.{name}"])
    for which, side in (("raw", "game"), ("average", "average")):
        out = tmp_path / which
        trained("acgan", out, some_digits(0, 5), init=str(low), init_weights=which, save_every=3)
        assert torch.equal(beginning(out)[name], old[f"{side}.{name}"])
        found = load_newest(out / "checkpoints", step=0)
        assert found is not None
        assert torch.equal(found.average[name], old[f"{side}.{name}"])


def test_as_many_classes_of_other_names_are_told(low: Path, tmp_path: Path) -> None:
    trained("acgan", tmp_path / "run", some_digits(4, 9), init=str(low))
    notes = json.loads((tmp_path / "run/origin.json").read_text(encoding="utf-8"))["notes"]
    assert notes[0].startswith("starts from 14 of 14 tensors")
    assert notes[1:] == [
        "class weights are matched by position: 0 -> 4, 1 -> 5, 2 -> 6, 3 -> 7, 4 -> 8, 5 -> 9"
    ]


def test_what_is_no_network_begins_anew(tmp_path: Path) -> None:
    """BEGAN's k and CycleGAN's pools belong to the old data."""
    trained("began", tmp_path / "a")
    old = tensors(tmp_path / "a")
    trained("began", tmp_path / "b", init=str(tmp_path / "a"))
    new = beginning(tmp_path / "b")
    assert old["game.k"] > 0
    assert new["k"] == 0
    judge = [n for n in new if n.startswith("D.")]
    assert judge
    assert all(torch.equal(new[n], old[f"game.{n}"]) for n in judge)

    model = trained("cyclegan", tmp_path / "c")
    trained("cyclegan", tmp_path / "d", init=str(tmp_path / "c"))
    pools = [n for n, m in model.game.named_modules() if isinstance(m, Memory)]
    assert pools
    for pool in pools:
        assert tensors(tmp_path / "c")[f"game.{pool}.count"] > 0
        assert beginning(tmp_path / "d")[f"{pool}.count"] == 0


def test_a_regulariser_remembers_the_weights_that_were_taken(low: Path, tmp_path: Path) -> None:
    changes = {"init": str(low), "regularisers": HistoricalAveraging(), "conditional": False}
    trained("dcgan", tmp_path / "run", some_digits(0, 5), **changes)
    game: Any = ganwright.load(tmp_path / "run", step=0, raw=True).game
    assert torch.equal(game.memories[0].mean, flat(game.G))
    assert torch.equal(game.G.stack[5].weight, tensors(low)["average.G.stack.5.weight"])


def test_the_first_run_is_not_needed_to_resume(tmp_path: Path) -> None:
    """In another process, with the first run gone: bitwise the run that never stopped."""
    trained("dcgan", tmp_path / "a")
    for name in ("whole", "broken"):
        steps = 5 if name == "whole" else 2
        trained("dcgan", tmp_path / name, init=str(tmp_path / "a"), freeze="D.head", steps=steps)
    (tmp_path / "a").rename(tmp_path / "gone")
    resume = ("resume", tmp_path / "broken", "--steps", "5")
    # which has the seeds of this one's tests, and so their split of the data
    alike = partial(like_a_test, torch.get_num_threads())
    ((status, said),) = ran(*resume, folder=tmp_path / "said", before=alike)
    assert status == 0, said
    whole, broken = tensors(tmp_path / "whole"), tensors(tmp_path / "broken")
    assert whole.keys() == broken.keys()
    assert all(torch.equal(whole[k], broken[k]) for k in whole)


def test_a_run_killed_before_its_first_interval_resumes_from_the_weights(
    low: Path, tmp_path: Path
) -> None:
    data = some_digits(0, 5)
    for name in ("whole", "killed"):
        trained("acgan", tmp_path / name, data, init=str(low))
    for step in (tmp_path / "killed/checkpoints").iterdir():
        if step.name != "step-000000":
            for file in step.iterdir():
                file.unlink()
            step.rmdir()
    runs.resume(tmp_path / "killed", data=data, quiet=True)
    one, two = tensors(tmp_path / "whole"), tensors(tmp_path / "killed")
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_without_any_checkpoint_it_does_not_begin_from_nothing(low: Path, tmp_path: Path) -> None:
    trained("acgan", tmp_path / "run", some_digits(0, 5), init=str(low))
    (tmp_path / "run/checkpoints").rename(tmp_path / "aside")
    with pytest.raises(RunError, match=rf"started from weights of {low}; train or fork again"):
        runs.resume(tmp_path / "run", data=some_digits(0, 5), steps=5, quiet=True)


def test_the_configuration_holds_the_weights_checksum(tmp_path: Path) -> None:
    trained("dcgan", tmp_path / "a")
    trained("dcgan", tmp_path / "b", init=str(tmp_path / "a"))
    config = yaml.safe_load((tmp_path / "b/config.yaml").read_text(encoding="utf-8"))
    place, _, checksum = config["init"].partition("@sha256:")
    assert place == str(tmp_path / "a")
    assert len(checksum) == 64
    sealed = tmp_path / "b/checkpoints/step-000003/config.yaml"
    assert yaml.safe_load(sealed.read_text(encoding="utf-8"))["init"] == config["init"]
    trained("dcgan", tmp_path / "c", init=config["init"])
    assert tensors(tmp_path / "c").keys() == tensors(tmp_path / "b").keys()
    runs.resume(tmp_path / "a", steps=4, quiet=True)
    with pytest.raises(RunError, match=r"are not those that the configuration started from"):
        trained("dcgan", tmp_path / "d", init=config["init"])
    assert not (tmp_path / "d").exists()


def test_a_checkpoint_may_be_named(tmp_path: Path) -> None:
    trained("dcgan", tmp_path / "a")
    trained("dcgan", tmp_path / "b", init=str(tmp_path / "a/checkpoints/step-000002"))
    found = load_newest(tmp_path / "a/checkpoints", step=2)
    assert found is not None
    assert torch.equal(
        beginning(tmp_path / "b")["D.head.linear.weight"], found.game["D.head.linear.weight"]
    )


def test_the_best_checkpoint_may_be_named_when_its_step_is_gone(tmp_path: Path) -> None:
    trained("gan", tmp_path / "run")
    (tmp_path / "run" / "best").mkdir()
    step = tmp_path / "run" / "checkpoints" / "step-000002"
    best = step.rename(tmp_path / "run" / "best" / step.name)
    kept = load_newest(best.parent)
    assert kept is not None
    trained("gan", tmp_path / "new", init=str(best), init_weights="raw")
    new = beginning(tmp_path / "new")
    assert all(torch.equal(new[name], kept.game[name]) for name in new if name.startswith("G."))


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_plain_state_dict_is_renamed(tmp_path: Path, suffix: str) -> None:
    """As another library has it: a generator alone, under names of its own, in half precision."""
    trained("dcgan", tmp_path / "a")
    made = {k: v for k, v in tensors(tmp_path / "a").items() if k.startswith("game.G.")}
    state = {f"module.netG.{k.removeprefix('game.G.')}": v for k, v in made.items()}
    state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    path = tmp_path / f"weights.{suffix}"
    save_file(state, path) if suffix == "safetensors" else torch.save({"g": state}, path)
    old = "module.netG" if suffix == "safetensors" else "g.module.netG"
    trained("dcgan", tmp_path / "b", init=str(path), init_rename=f"{old}=G")
    new = beginning(tmp_path / "b")
    for name in made:
        expected = made[name].half().float() if made[name].is_floating_point() else made[name]
        assert torch.equal(new[name.removeprefix("game.")], expected)


def test_one_network_may_begin_two(tmp_path: Path) -> None:
    trained("cyclegan", tmp_path / "a")
    trained("cyclegan", tmp_path / "b", init=str(tmp_path / "a"),
            init_rename=["AB=AB", "AB=BA"], init_weights="raw")  # fmt: skip
    new = beginning(tmp_path / "b")
    names = [n for n in new if n.startswith("AB.")]
    assert names
    assert all(torch.equal(new[n], new[n.replace("AB", "BA")]) for n in names)


class Untrusted:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this was run",))


def test_nothing_is_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.pt"
    torch.save({"G": Untrusted()}, path)
    with pytest.raises(RunError, match=r"contains more than tensors, .*save its state_dict\(\)"):
        trained("dcgan", tmp_path / "run", init=str(path))
    path.write_bytes(pickle.dumps(Untrusted()))
    with pytest.raises(RunError, match=r"bad.pt"):
        trained("dcgan", tmp_path / "run", init=str(path))
    path.write_bytes(pickle.dumps(Untrusted(), protocol=0))
    with pytest.raises(RunError, match=r"bad.pt cannot be read"):
        trained("dcgan", tmp_path / "run", init=str(path))
    assert "this was run" not in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        (b"", "it is empty; download the file again"),
        (b"<!DOCTYPE html><html></html>", "it is a web page; download the file that"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa", "with git lfs pull"),
    ],
)
def test_a_download_that_failed_is_named(
    held: bytes, sentence: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(held)
    with pytest.raises(
        RunError, match=rf"net{suffix} cannot be read as a state dict: .*{sentence}"
    ):
        trained("dcgan", tmp_path / "run", init=str(path))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_cut_state_dict_is_named(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "cut.pt"
    torch.save({"a": torch.zeros(20)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in (9, 100, 180, 230, 300, len(whole) - 50):
        path.write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"cut\.pt c(?!.*(miniz|pytorch\.org))"):
            trained("dcgan", tmp_path / "run", init=str(path))
    path.write_bytes(whole[:9])
    with pytest.raises(RunError, match="state dict: it is cut off; download the file again"):
        trained("dcgan", tmp_path / "run", init=str(path))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"init": "nowhere"}, "nowhere, which does not exist; give a run folder or a state dict"),
        ({"init": "."}, "which is no run folder; give one, a checkpoint in one, or a file of type"),
        ({"init": "a.txt"}, r"a state dict is a file of type \.safetensors, \.pt"),
        ({"init": "torn.safetensors"}, "torn.safetensors cannot be read as a state dict"),
        ({"init": "list.pt"}, "has no named tensors"),
        (
            {"init": "other.pt"},
            r"none of the weights in .* they are called net\.0\.weight, net\.0\.bias there",
        ),
        ({"init": "nan.pt"}, r"are not finite: D\.head\.linear\.weight"),
        ({"init": "nan.pt", "init_rename": "G"}, "init_rename is 'G'; write THERE=HERE"),
        ({"init": "nan.pt", "init_rename": "g=G"}, "names 'g', but no weight has that name"),
        ({"init_rename": "g=G"}, "init_rename is set without init"),
        ({"init_weights": "raw"}, "init_weights is raw without init"),
        ({"freeze": "D.stack.9"}, r"no such submodule; did you mean D\.stack\.1\?"),
        ({"freeze": "D.stack.3"}, r"'D\.stack\.3', a \w+, which has no weights; did you mean"),
        ({"freeze": "E"}, "no such submodule; its networks are G, D"),
        ({"freeze": "D.stack, D.head"}, "D has nothing to train: all its parameters are frozen"),
    ],
)
def test_wrong_input_is_a_sentence(
    changes: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("weights", encoding="utf-8")
    Path("torn.safetensors").write_bytes(b"\x10")
    torch.save([torch.ones(1)], "list.pt")
    torch.save(nn.ModuleDict({"net": nn.Sequential(nn.Linear(2, 2))}).state_dict(), "other.pt")
    torch.save({"D.head.linear.weight": torch.full((1, 64), torch.nan)}, "nan.pt")
    with pytest.raises(GanwrightError, match=sentence):
        trained("dcgan", tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_resume_refuses_another_beginning(low: Path) -> None:
    with pytest.raises(RunError, match=r"these differ: freeze: .*`ganwright fork "):
        runs.resume(low, freeze="D.stack.1", data=some_digits(0, 5), quiet=True)


@pytest.mark.parametrize("compile", [False, True])
def test_frozen_weights_stay_to_the_bit_and_others_move(
    tmp_path: Path, compile: bool, request: pytest.FixtureRequest
) -> None:
    if compile:
        request.getfixturevalue("compiler")
        request.getfixturevalue("traced")
    trained("dcgan", tmp_path / "a")
    names = ("D.stack.1", "G.stack.3")
    changes = {"freeze": ", ".join(names), "compile": compile}
    trained("dcgan", tmp_path / "b", init=str(tmp_path / "a"), **changes)
    runs.resume(tmp_path / "b", steps=5, quiet=True)
    config = yaml.safe_load((tmp_path / "b/config.yaml").read_text("utf-8"))
    assert config["freeze"] == list(names)
    old, new = beginning(tmp_path / "b"), tensors(tmp_path / "b")
    learned = {n for n in old if "running" not in n and "tracked" not in n}
    still = {n for n in learned if n.startswith(names)}
    assert still == {"D.stack.1.weight", "D.stack.1.bias", "G.stack.3.weight", "G.stack.3.bias"}
    for name in learned:
        assert torch.equal(old[name], new[f"game.{name}"]) == (name in still), name
        if name.startswith("G."):
            assert torch.equal(old[name], new[f"average.{name}"]) == (name in still), name
    # statistics follow the batches, since evaluation normalises by them
    assert not torch.equal(old["G.stack.3.running_mean"], new["game.G.stack.3.running_mean"])


def test_clipping_leaves_frozen_weights_alone() -> None:
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    for w in net.parameters():
        nn.init.constant_(w, 3.0)
    freeze(net, ["0"])
    with torch.no_grad():
        WeightClipping(c=0.01).after(net)
    assert net[0].weight.unique().tolist() == [3.0]
    assert net[1].weight.unique().tolist() == pytest.approx([0.01])


def test_names_may_be_given_one_by_one() -> None:
    assert Settings(freeze=("D.a", "D.b")) == Settings(freeze="D.a, D.b")  # type: ignore[arg-type]
