"""Damages to copies of what a `fault_bench.Bench` holds: each does its harm and returns the command to give then."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from fault_bench import Bench, Command, Damage, output_of
from measuring import CLASSES
from safetensors.numpy import load_file, save_file

from spatial_swin.cli import main as spatial_swin


def cut(path: Path, share: float = 0.5) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def with_tensors(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], None]:
    def damage(model: Path) -> None:
        tensors = {name: tensor.copy() for name, tensor in load_file(model / "model.safetensors").items()}
        change(tensors)
        save_file(tensors, model / "model.safetensors", {"format": "pt"})

    return damage


def with_json(name: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        (folder / name).write_text(json.dumps(content) + "\n")

    return damage


def break_off_download(model: Path) -> None:
    part = model / ".cache" / "huggingface" / "download" / "abc.incomplete"
    part.parent.mkdir(parents=True)
    (model / "model.safetensors").rename(part)


def with_temperature(value: str) -> Callable[[Path], object]:
    return lambda model: (model / "temperature.json").write_text(f'{{"temperature": {value}}}')


def trunk_tensor(tensors: dict[str, np.ndarray]) -> str:
    return next(name for name in tensors if "layers.0" in name and name.endswith("weight"))


def is_lost(tensors: dict[str, np.ndarray]) -> None:
    del tensors[trunk_tensor(tensors)]


def is_cut(tensors: dict[str, np.ndarray]) -> None:
    tensors[trunk_tensor(tensors)] = tensors[trunk_tensor(tensors)][:1]


def is_nan(tensors: dict[str, np.ndarray]) -> None:
    tensors[trunk_tensor(tensors)][:] = np.nan


def model_fault(change: Callable[[Path], object], verb: str) -> Damage:
    """Damage a model folder, then train from it, or use it as a finished one."""

    def damage(bench: Bench) -> Command:
        model = bench.fresh("model", bench.finished / "model")
        change(model)
        picture = str(next(bench.pictures.rglob("*.png")))
        if verb == "train":
            return bench.train(model_name_or_path=model)
        return ["predict", str(model), picture] if verb == "predict" else ["export", str(model)]

    return damage


def run_fault(change: Callable[[Path], object], verb: str, of: str = "finished", **keys: object) -> Damage:
    """Damage a copy of a run folder, then use or continue it."""

    def damage(bench: Bench) -> Command:
        run = bench.fresh("run", bench.finished if of == "finished" else bench.stopped)
        change(run)
        if verb == "train":
            return bench.train(output_dir=run, **keys)
        return [verb, str(run), *(["--hub_model_id", "me/model", "--dry_run"] if verb == "push" else [])]

    return damage


def cache_fault(bench: Bench) -> Command:
    return bench.train(trunk_cache_views=1, trunk_cache_dir=bench.fresh("cache"))


def data_fault(change: Callable[[Path], object], **keys: object) -> Damage:
    return lambda bench: bench.train(data_dir=bench.data(change), num_train_epochs=3, **keys)


def key_fault(**keys: object) -> Damage:
    return lambda bench: bench.train(**keys)


def text_fault(text: str) -> Damage:
    return lambda bench: bench.train(bench.write_recipe({}, text))


def newest(run: Path) -> Path:
    return max(run.glob("checkpoints/checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def copy_across(data: Path) -> None:
    shutil.copy(data / "100" / "take000_chunk0000.png", data / "100" / "take004_chunk0001.png")


def copy_everywhere(data: Path) -> None:
    first, *others = sorted((data / "100").iterdir())
    for path in others:
        shutil.copy(first, path)


def ready_parts(data: Path) -> None:
    for part in ("train", "validation", "test"):
        for label in CLASSES:
            shutil.copytree(data / label, data / part / label)
    for label in CLASSES:
        shutil.rmtree(data / label)


def special(make: Callable[[Path], object]) -> Damage:
    def damage(bench: Bench) -> Command:
        path = bench.fresh("special") / "recipe.yaml"
        make(path)
        return bench.train(path)

    return damage


def sofa_fault(name: str) -> Damage:
    def damage(bench: Bench) -> Command:
        path = bench.fresh("hrtf") / name
        path.write_text("no SOFA")
        output = path.parent / "rendered"
        return ["render", "--synthetic", "1", "--hrtf", str(path), "--seconds", "0.5", "--output_dir", str(output)]

    return damage


def render_fault(bench: Bench, programmes: int = 1) -> Command:
    quick = ["--seconds", "0.5", "--sound", "false", "--size", "192", "--workers", "1"]
    return ["render", "--synthetic", str(programmes), *quick, "--output_dir", str(bench.fresh("rendered"))]


def sounds_fault(ending: str) -> Damage:
    """Two classes of two sounds each with names of this ending, to be made pictures."""

    def damage(bench: Bench) -> Command:
        folder = bench.fresh("sounds")
        for label in ("100", "200"):
            (folder / label).mkdir()
            for number in range(2):
                noise = 0.1 * np.random.default_rng(number).standard_normal((48_000, 2))
                sound = folder / label / f"{number}{ending}"
                soundfile.write(sound, noise, 48_000, format="OGG" if ending == ".oga" else None)
        return ["mosaic", str(folder), str(folder.parent / "out"), "--seconds", "0.5", "--size", "192"]

    return damage


def stop_foreign(run: Path) -> None:
    with_json("progress.json", lambda progress: progress.update(state="running", pid=os.getppid()))(run)


def refused_before(bench: Bench) -> Command:
    """A start that is refused, and the corrected one in the same folder."""
    output = bench.fresh("start") / "run"
    assert spatial_swin(bench.train(output_dir=output, split_by="no_such_factor")) == 1
    return bench.train(output_dir=output, num_train_epochs=3)


def without_manifest(bench: Bench) -> Command:
    command = render_fault(bench, programmes=10)
    assert spatial_swin(command) == 0
    output = output_of(command)
    (output / "pictures" / "manifest.csv").unlink()
    return ["audit", str(output), "--output_dir", str(output.parent / "audit")]


def inside_data(bench: Bench) -> Command:
    folder = bench.data(lambda data: None)
    return bench.train(data_dir=folder, output_dir=folder / "run")
