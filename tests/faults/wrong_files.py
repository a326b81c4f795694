"""Files and folders that are wrong in one way each; the docstring says which."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

Maker = Callable[[Path, Path], None]
"""Makes what a row names at the first path; the second is the world, where whole runs are."""


class Payload:
    """What unpickles to a call that makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


def photo(path: Path, size: tuple[int, int] = (8, 8), seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def photos(path: Path, world: Path) -> None:
    """a folder of eight images"""
    path.mkdir()
    for i in range(8):
        photo(path / f"{i}.png", seed=i)


def _zipped(path: Path, world: Path) -> None:
    photos(path.with_suffix(".folder"), world)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(path.with_suffix(".folder").iterdir()):
            archive.write(file, file.name)


def empty(path: Path, world: Path) -> None:
    """an empty folder"""
    path.mkdir()


def texts(path: Path, world: Path) -> None:
    """a folder of text files"""
    path.mkdir()
    (path / "readme.txt").write_text("no image", encoding="utf-8")


def _with(path: Path, name: str, content: bytes) -> None:
    photos(path, path)
    (path / name).write_bytes(content)


def cut(path: Path, world: Path) -> None:
    """images, one of which is cut off"""
    photos(path, world)
    (path / "3.png").write_bytes((path / "3.png").read_bytes()[:60])


def nothing(path: Path, world: Path) -> None:
    """images, one of which has 0 bytes"""
    _with(path, "z.png", b"")


def renamed(path: Path, world: Path) -> None:
    """images, and a text called .png"""
    _with(path, "z.png", b"this is no image at all")


def moving(path: Path, world: Path) -> None:
    """images, and an animation"""
    photos(path, world)
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 250)]
    frames[0].save(path / "z.gif", save_all=True, append_images=frames[1:])


def bomb(path: Path, world: Path) -> None:
    """images, and one that says it has 10,000 million pixels"""
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        sum_ = struct.pack(">I", zlib.crc32(kind + body))
        content += struct.pack(">I", len(body)) + kind + body + sum_
    _with(path, "z.png", content)


def zip_bomb(path: Path, world: Path) -> None:
    """a zip file of 110 bytes that says it unpacks to 4 GB"""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bmp", b"")
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")  # the directory says how much there is to read
    content[place + 24 : place + 28] = struct.pack("<I", 4_000_000_000)
    path.write_bytes(content)


def broken_zip(path: Path, world: Path) -> None:
    """a zip file that is cut off"""
    _zipped(path, world)
    path.write_bytes(path.read_bytes()[:-200])


def zip_of_texts(path: Path, world: Path) -> None:
    """a zip file without images"""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no image")


def bad_member_zip(path: Path, world: Path) -> None:
    """a zip file whose members do not match their checksums"""
    _zipped(path, world)
    content = bytearray(path.read_bytes())
    content[60:100] = bytes(40)
    path.write_bytes(content)


def text(path: Path, world: Path) -> None:
    """a text file"""
    path.write_text("no image", encoding="utf-8")


def pipe(path: Path, world: Path) -> None:
    """a folder with nothing but a pipe called .png"""
    path.mkdir()
    os.mkfifo(path / "a.png")


def loop(path: Path, world: Path) -> None:
    """a folder with nothing but a link to itself"""
    path.mkdir()
    (path / "again").symlink_to(path)


def objects_npy(path: Path, world: Path) -> None:
    """a .npy file of Python objects"""
    np.save(path, np.array([Payload(world / "unpickled")], object), allow_pickle=True)


def objects_npz(path: Path, world: Path) -> None:
    """a .npz file of Python objects"""
    np.savez(path, images=np.array([Payload(world / "unpickled")], object))


def cut_npy(path: Path, world: Path) -> None:
    """a .npy file that is cut off"""
    np.save(path, np.zeros((8, 8, 8), np.uint8))
    path.write_bytes(path.read_bytes()[:200])


def vast_npy(path: Path, world: Path) -> None:
    """a .npy file that says it has 10^12 numbers"""
    with path.open("wb") as file:
        head = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 1000, 1000)}
        np.lib.format.write_array_header_1_0(file, head)


def broken_npz(path: Path, world: Path) -> None:
    """a .npz file that is no zip file"""
    path.write_bytes(b"PK\x03\x04 and so on")


def several_npz(path: Path, world: Path) -> None:
    """a .npz file of two arrays"""
    np.savez(path, one=np.zeros((8, 8, 8), np.uint8), two=np.zeros((8, 8, 8), np.uint8))


def deep_npy(path: Path, world: Path) -> None:
    """a .npy file of five dimensions"""
    np.save(path, np.zeros((2, 2, 2, 2, 2), np.uint8))


def nan_npy(path: Path, world: Path) -> None:
    """a .npy file with NaN"""
    np.save(path, np.full((8, 8, 8), np.nan, np.float32))


def none_npy(path: Path, world: Path) -> None:
    """a .npy file of no images"""
    np.save(path, np.zeros((0, 8, 8), np.uint8))


def words_npy(path: Path, world: Path) -> None:
    """a .npy file of words"""
    np.save(path, np.array(["cat", "dog"]))


def objects_folder(path: Path, world: Path) -> None:
    """images, and a .npy file of Python objects"""
    photos(path, world)
    objects_npy(path / "z.npy", world)


def vast_folder(path: Path, world: Path) -> None:
    """images, and a .npy file that says it has 10^12 numbers"""
    photos(path, world)
    vast_npy(path / "z.npy", world)


def ragged_csv(path: Path, world: Path) -> None:
    """a .csv file with a row that is too short"""
    path.write_text("a,b\n1,2\n3\n", encoding="utf-8")


def twins_csv(path: Path, world: Path) -> None:
    """a .csv file with two columns of one name"""
    path.write_text("a,a\n1,2\n3,4\n", encoding="utf-8")


def nan_csv(path: Path, world: Path) -> None:
    """a .csv file with a number that is missing"""
    path.write_text("x,kind\n1.5,a\nnan,b\n2.5,a\n", encoding="utf-8")


def semicolons_csv(path: Path, world: Path) -> None:
    """a .csv file with semicolons"""
    path.write_text("x;kind\n1,5;a\n2,5;b\n", encoding="utf-8")


def bare_csv(path: Path, world: Path) -> None:
    """a .csv file with a head alone"""
    path.write_text("a,b\n", encoding="utf-8")


def void_csv(path: Path, world: Path) -> None:
    """an empty .csv file"""
    path.write_text("", encoding="utf-8")


def binary_csv(path: Path, world: Path) -> None:
    """a .csv file that is no text"""
    path.write_bytes(bytes(range(256)))


def table_csv(path: Path, world: Path) -> None:
    """a .csv file of numbers and classes"""
    rows = "".join(f"{i},{i * i},{'ab'[i % 2]}\n" for i in range(8))
    path.write_text(f"x,y,kind\n{rows}", encoding="utf-8")


def one_side(path: Path, world: Path) -> None:
    """a folder whose a has images and whose b has none"""
    path.mkdir()
    photos(path / "a", world)
    empty(path / "b", world)


def unlike_pairs(path: Path, world: Path) -> None:
    """pairs, one of which has no partner"""
    path.mkdir()
    photos(path / "a", world)
    photos(path / "b", world)
    (path / "b" / "7.png").unlink()


def three_sides(path: Path, world: Path) -> None:
    """a folder with three subfolders"""
    path.mkdir()
    for name in ("x", "y", "z"):
        photos(path / name, world)


def damaged_pack(path: Path, world: Path) -> None:
    """a pack that is cut off"""
    path.write_bytes(b"ganwright pack 1\n0000000000000064" + bytes(20))


def pickled_pack(path: Path, world: Path) -> None:
    """a pack whose description is a pickle"""
    body = pickle.dumps(Payload(world / "unpickled"))
    path.write_bytes(b"ganwright pack 1\n0000000000000064".ljust(64) + body)


def other_pack(path: Path, world: Path) -> None:
    """a pack whose description lacks what it must have"""
    path.write_bytes(b"ganwright pack 1\n0000000000000064".ljust(64) + b'{"options": {}}')


def locked(path: Path, world: Path) -> None:
    """a folder with a file in it"""
    path.mkdir()
    (path / "precious.txt").write_text("keep", encoding="utf-8")


# Runs that are not whole.


def _run(path: Path, world: Path) -> Path:
    shutil.copytree(world / "run", path)
    return path


def _checkpoint(path: Path) -> Path:
    return next((path / "checkpoints").glob("step-*"))


def _configured(path: Path, world: Path, **changes: Any) -> None:
    file = _run(path, world) / "config.yaml"
    known = yaml.safe_load(file.read_text(encoding="utf-8"))
    game = known["game"] | changes.pop("game", {})
    file.write_text(yaml.safe_dump(known | {"game": game} | changes), encoding="utf-8")


def no_config(path: Path, world: Path) -> None:
    """a run without config.yaml"""
    (_run(path, world) / "config.yaml").unlink()


def empty_config(path: Path, world: Path) -> None:
    """a run with an empty config.yaml"""
    (_run(path, world) / "config.yaml").write_text("", encoding="utf-8")


def binary_config(path: Path, world: Path) -> None:
    """a run whose config.yaml is no text"""
    (_run(path, world) / "config.yaml").write_bytes(bytes(range(128, 256)))


def torn_config(path: Path, world: Path) -> None:
    """a run whose config.yaml is no YAML"""
    (_run(path, world) / "config.yaml").write_text("family: [dcgan\n", encoding="utf-8")


def tagged_config(path: Path, world: Path) -> None:
    """a run whose config.yaml asks YAML to run code"""
    file = _run(path, world) / "config.yaml"
    evil = f"!!python/object/apply:os.mkdir ['{world / 'unpickled'}']"
    file.write_text(f"{file.read_text(encoding='utf-8')}\nseed: {evil}\n", encoding="utf-8")


def config_folder(path: Path, world: Path) -> None:
    """a run whose config.yaml is a folder"""
    no_config(path, world)
    (path / "config.yaml").mkdir()


def shared_model(path: Path, world: Path) -> None:
    """a shared model, which `save_pretrained` wrote"""
    from ganwright.run.load import load

    load(world / "run", device="cpu").save_pretrained(path)


def newer_run(path: Path, world: Path) -> None:
    """a run of a newer format"""
    _configured(path, world, format=999)


def odd_format(path: Path, world: Path) -> None:
    """a run whose format is no number"""
    _configured(path, world, format="two")


def other_family(path: Path, world: Path) -> None:
    """a run whose family was changed"""
    _configured(path, world, family="wgan")


def no_family(path: Path, world: Path) -> None:
    """a run whose family does not exist"""
    _configured(path, world, family="dcgn")


def strange_family(path: Path, world: Path) -> None:
    """a run whose family is a module of nobody knows whom"""
    _configured(path, world, family="stranger:Family")


def strange_loss(path: Path, world: Path) -> None:
    """a run whose loss is a module of nobody knows whom"""
    _configured(path, world, game={"loss": "stranger.Loss()"})


def strange_net(path: Path, world: Path) -> None:
    """a run whose networks are a function of the system"""
    _configured(path, world, game={"networks": "Custom(G=os.system, D=os.system)"})


def strange_way(path: Path, world: Path) -> None:
    """a run whose networks are a function that the library only imports"""
    _configured(path, world, game={"networks": "Custom(G=ganwright.atomic.os.system)"})


def unknown_setting(path: Path, world: Path) -> None:
    """a run with a setting that does not exist"""
    _configured(path, world, epochs=3)


def wrong_setting(path: Path, world: Path) -> None:
    """a run with a setting that does not fit"""
    _configured(path, world, batch_size=-1)


def other_seed(path: Path, world: Path) -> None:
    """a run whose seed was changed"""
    _configured(path, world, seed=5)


def other_batch(path: Path, world: Path) -> None:
    """a run whose batch size was changed"""
    _configured(path, world, batch_size=2)


def game_list(path: Path, world: Path) -> None:
    """a run whose game is a list"""
    file = _run(path, world) / "config.yaml"
    known = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump(known | {"game": [1]}), encoding="utf-8")


def no_spec(path: Path, world: Path) -> None:
    """a run without spec.json"""
    (_run(path, world) / "spec.json").unlink()


def torn_spec(path: Path, world: Path) -> None:
    """a run whose spec.json is cut off"""
    file = _run(path, world) / "spec.json"
    file.write_text(file.read_text(encoding="utf-8")[:40], encoding="utf-8")


def list_spec(path: Path, world: Path) -> None:
    """a run whose spec.json is a list"""
    (_run(path, world) / "spec.json").write_text("[1]", encoding="utf-8")


def _spec(path: Path, world: Path, **changes: Any) -> None:
    file = _run(path, world) / "spec.json"
    known = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(known | changes), encoding="utf-8")


def flat_spec(path: Path, world: Path) -> None:
    """a run whose spec.json has a shape of one number"""
    _spec(path, world, shape=[3])


def minus_spec(path: Path, world: Path) -> None:
    """a run whose spec.json has a negative shape"""
    _spec(path, world, shape=[1, -8, 8])


def vast_spec(path: Path, world: Path) -> None:
    """a run whose spec.json has images of 10^12 pixels"""
    _spec(path, world, shape=[1, 10**6, 10**6])


def wide_spec(path: Path, world: Path) -> None:
    """a run whose spec.json has images of another size"""
    _spec(path, world, shape=[1, 16, 16])


def no_data_record(path: Path, world: Path) -> None:
    """a run whose data.json is cut off"""
    (_run(path, world) / "data.json").write_text("{", encoding="utf-8")


def list_data_record(path: Path, world: Path) -> None:
    """a run whose data.json is a list"""
    (_run(path, world) / "data.json").write_text("[]", encoding="utf-8")


def other_data_record(path: Path, world: Path) -> None:
    """a run whose data.json says other data"""
    file = _run(path, world) / "data.json"
    known = json.loads(file.read_text(encoding="utf-8"))
    known["fingerprint"] = {"kind": "files", "marks": 3}
    file.write_text(json.dumps(known), encoding="utf-8")


def no_checkpoints(path: Path, world: Path) -> None:
    """a run without checkpoints"""
    shutil.rmtree(_run(path, world) / "checkpoints")


def _in_checkpoint(path: Path, world: Path, name: str, content: bytes | None) -> None:
    file = _checkpoint(_run(path, world)) / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)


def no_manifest(path: Path, world: Path) -> None:
    """a run whose checkpoint has no manifest"""
    _in_checkpoint(path, world, "manifest.json", None)


def list_manifest(path: Path, world: Path) -> None:
    """a run whose checkpoint's manifest is a list"""
    _in_checkpoint(path, world, "manifest.json", b"[1, 2]")


def odd_manifest(path: Path, world: Path) -> None:
    """a run whose checkpoint's manifest has checksums that are none"""
    _in_checkpoint(path, world, "manifest.json", b'{"sha256": 3}')


def newer_manifest(path: Path, world: Path) -> None:
    """a run whose checkpoint is of a newer format"""
    _in_checkpoint(path, world, "manifest.json", b'{"format": 999, "sha256": {}}')


def no_training(path: Path, world: Path) -> None:
    """a run whose checkpoint has no training.pt"""
    _in_checkpoint(path, world, "training.pt", None)


def cut_training(path: Path, world: Path) -> None:
    """a run whose checkpoint's training.pt is cut off"""
    _in_checkpoint(path, world, "training.pt", b"PK\x03\x04")


def no_weights(path: Path, world: Path) -> None:
    """a run whose checkpoint has no weights"""
    _in_checkpoint(path, world, "game.safetensors", None)


def cut_weights(path: Path, world: Path) -> None:
    """a run whose checkpoint's weights are cut off"""
    _in_checkpoint(path, world, "game.safetensors", b"\x08\0\0\0\0\0\0\0{}")


def text_weights(path: Path, world: Path) -> None:
    """a run whose checkpoint's weights are a text"""
    _in_checkpoint(path, world, "game.safetensors", b"no weights")


def _sealed(path: Path, world: Path, name: str, write: Callable[[Path], None]) -> None:
    # Its checksum is replaced with it, as somebody who means harm would do it.
    from ganwright.training.manifest import hash_of

    place = _checkpoint(_run(path, world))
    write(place / name)
    file = place / "manifest.json"
    known = json.loads(file.read_text(encoding="utf-8"))
    known["sha256"][name] = hash_of(place / name)
    file.write_text(json.dumps(known), encoding="utf-8")


def pickled_training(path: Path, world: Path) -> None:
    """a run whose checkpoint's training.pt runs code, with a checksum that fits"""
    _sealed(
        path, world, "training.pt", lambda f: torch.save({"x": Payload(world / "unpickled")}, f)
    )


def raw_training(path: Path, world: Path) -> None:
    """a run whose checkpoint's training.pt is a plain pickle, with a checksum that fits"""
    evil = pickle.dumps(Payload(world / "unpickled"))
    _sealed(path, world, "training.pt", lambda f: f.write_bytes(evil) and None)


def other_training(path: Path, world: Path) -> None:
    """a run whose checkpoint's training.pt holds something else, with a checksum that fits"""
    _sealed(path, world, "training.pt", lambda f: torch.save({"x": 1}, f))


def list_training(path: Path, world: Path) -> None:
    """a run whose checkpoint's training.pt is a list, with a checksum that fits"""
    _sealed(path, world, "training.pt", lambda f: torch.save([1], f))


def other_weights(path: Path, world: Path) -> None:
    """a run whose checkpoint's weights are another network's, with a checksum that fits"""
    from safetensors.torch import save_file

    _sealed(path, world, "game.safetensors", lambda f: save_file({"x": torch.zeros(1)}, f))


def pickled_weights(path: Path, world: Path) -> None:
    """a run whose checkpoint's weights are a pickle, with a checksum that fits"""
    evil = pickle.dumps(Payload(world / "unpickled"))
    _sealed(path, world, "game.safetensors", lambda f: f.write_bytes(evil) and None)


def metrics_folder(path: Path, world: Path) -> None:
    """a run whose metrics.jsonl is a folder"""
    (_run(path, world) / "metrics.jsonl").unlink()
    (path / "metrics.jsonl").mkdir()


# State dicts and others.


def pickled_dict(path: Path, world: Path) -> None:
    """a state dict that runs code"""
    torch.save({"G": Payload(world / "unpickled")}, path)


def raw_dict(path: Path, world: Path) -> None:
    """a plain pickle that runs code"""
    path.write_bytes(pickle.dumps(Payload(world / "unpickled")))


def whole_module_dict(path: Path, world: Path) -> None:
    """a whole module, where its state dict is wanted"""
    torch.save(torch.nn.Linear(1, 1), path)


def no_tensors_dict(path: Path, world: Path) -> None:
    """a file of numbers, where a state dict is wanted"""
    torch.save({"epoch": 3}, path)


def other_dict(path: Path, world: Path) -> None:
    """the state dict of another network"""
    torch.save({"backbone.weight": torch.zeros(3, 3)}, path)


def nan_weights(path: Path, world: Path) -> None:
    """a state dict of the right names with NaN"""
    from safetensors.torch import load_file, save_file

    held = load_file(_checkpoint(world / "run") / "game.safetensors")
    save_file({k: v * torch.nan if v.is_floating_point() else v for k, v in held.items()}, path)


def junk(path: Path, world: Path) -> None:
    """a file of bytes that are no text"""
    path.write_bytes(bytes(range(130, 256)))


def junk_dict(path: Path, world: Path) -> None:
    """a state dict of bytes that mean nothing"""
    junk(path, world)


def objects_latents(path: Path, world: Path) -> None:
    """latents that are Python objects"""
    objects_npy(path, world)


def short_latents(path: Path, world: Path) -> None:
    """two latents of the wrong length"""
    np.save(path, np.zeros((2, 3), np.float32))


def words_latents(path: Path, world: Path) -> None:
    """latents that are words"""
    np.save(path, np.array([["a", "b"]]))


def flat_latents(path: Path, world: Path) -> None:
    """latents of one dimension"""
    np.save(path, np.zeros(8, np.float32))


def nan_latents(path: Path, world: Path) -> None:
    """latents that are NaN"""
    np.save(path, np.full((2, 100), np.nan, np.float32))
