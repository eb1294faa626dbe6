"""Every fault of the battery, done to tiny data and tiny runs, and what the public verbs make of it.

    python scripts/fault_table.py                     # all, a few minutes on two cores
    python scripts/fault_table.py --only checkpoint   # those whose name or line holds the word

Verdicts: `refused` (a sentence, exit code not 0), `recovered` (exit code 0, and the work is done), `traceback`, and
`wrong` (the other of the two, or another sentence). Leaves with 1 when there is a traceback or a wrong row. A fault is
one row of `FAULTS`: its line in issue 14, a name, what is expected, a word of what must be said, and a function that
does the damage and returns the command.
Faults that need a disk, a memory, a kill or a visitor of their own are tests; they are run by `make test-slow`.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import yaml
from measuring import CLASSES, parser_of
from PIL import Image
from safetensors.numpy import load_file, save_file

from spatial_swin.cli import main as spatial_swin

Command = list[str]
TINY = {"model_type": "swin", "image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1, 2, 2]} | {
    "num_heads": [1, 1, 2, 2],
    "window_size": 2,
    "mlp_ratio": 2.0,
}
STOP_AFTER = 2  # epochs, for the run that is to be continued


class Bench:
    """A temporary folder with pictures, a recipe, a finished run and a stopped one; each fault gets copies."""

    def __init__(self, root: Path) -> None:
        self.root, self.count = root, 0
        self.pictures = root / "pictures"
        generator = np.random.default_rng(0)
        for index, label in enumerate(CLASSES):
            (self.pictures / label).mkdir(parents=True)
            for number in range(10):
                noise = generator.integers(0, 120, (32, 32), dtype=np.uint8)
                noise[16 * (index // 2) :][:16, 16 * (index % 2) :][:, :16] += 100
                path = self.pictures / label / f"take{index}{number // 2:02d}_chunk{number % 2:04d}.png"
                Image.fromarray(noise).save(path)
        (root / "tiny").mkdir()
        (root / "tiny" / "config.json").write_text(json.dumps(TINY))
        self.recipe = self.write_recipe({})
        self.finished, self.stopped = root / "finished", root / "stopped"
        assert spatial_swin(self.train(output_dir=self.finished)) == 0
        threading.Thread(target=self._stop_soon, daemon=True).start()
        assert spatial_swin(self.train(output_dir=self.stopped)) == 143

    def _stop_soon(self) -> None:
        """Send SIGTERM once training listens to it and has saved checkpoints."""
        while len(list(self.stopped.glob("checkpoints/checkpoint-*"))) < STOP_AFTER:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    def write_recipe(self, changes: dict[str, object], text: str = "") -> Path:
        """A recipe with keys of its Trainer section changed, and lines added at its end."""
        trainer = {"num_train_epochs": 6, "per_device_train_batch_size": 4, "warmup_epochs": 1, "seed": 7}
        quiet = {"use_cpu": True, "report_to": "none", "dataloader_num_workers": 0}
        model = {"model_name_or_path": str(self.root / "tiny" / "config.json"), "image_size": 32}
        data = {"data_dir": str(self.pictures), "preflight_workers": 1}
        path = self.fresh("recipe") / "recipe.yaml"
        path.write_text(
            yaml.safe_dump({"Model": model, "Data": data, "Trainer": {**trainer, **quiet, **changes}}) + text
        )
        return path

    def fresh(self, name: str, source: Path | None = None) -> Path:
        """A new folder, or a copy of `source`."""
        self.count += 1
        path = self.root / f"{self.count:03d}" / name
        shutil.copytree(source, path) if source else path.mkdir(parents=True)
        return path

    def train(self, recipe: Path | None = None, **keys: object) -> Command:
        keys = {"output_dir": self.root / f"{self.count:03d}" / "run", **keys}
        return [
            *("train", "--config", str(recipe or self.recipe)),
            *(w for key, value in keys.items() for w in (f"--{key}", str(value))),
        ]

    def data(self, change: Callable[[Path], object]) -> Path:
        folder = self.fresh("data", self.pictures)
        change(folder)
        return folder


@dataclass(frozen=True)
class Fault:
    """line: of the issue; expect: refused or recovered; says: a word of the sentence; damage: done, then a command."""

    line: str
    name: str
    expect: str
    says: str
    damage: Callable[[Bench], Command]


# -- damages --


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


def trunk_tensor(tensors: dict[str, np.ndarray]) -> str:
    return next(name for name in tensors if "layers.0" in name and name.endswith("weight"))


def is_lost(tensors: dict[str, np.ndarray]) -> None:
    del tensors[trunk_tensor(tensors)]


def is_cut(tensors: dict[str, np.ndarray]) -> None:
    tensors[trunk_tensor(tensors)] = tensors[trunk_tensor(tensors)][:1]


def is_nan(tensors: dict[str, np.ndarray]) -> None:
    tensors[trunk_tensor(tensors)][:] = np.nan


def model_fault(change: Callable[[Path], object], verb: str) -> Callable[[Bench], Command]:
    """Damage a model folder, then train from it, or use it as a finished one."""

    def damage(bench: Bench) -> Command:
        model = bench.fresh("model", bench.finished / "model")
        change(model)
        picture = str(next(bench.pictures.rglob("*.png")))
        if verb == "train":
            return bench.train(model_name_or_path=model)
        return ["predict", str(model), picture] if verb == "predict" else ["export", str(model)]

    return damage


def run_fault(change: Callable[[Path], object], verb: str, of: str = "finished") -> Callable[[Bench], Command]:
    """Damage a copy of a run folder, then use or continue it."""

    def damage(bench: Bench) -> Command:
        run = bench.fresh("run", bench.finished if of == "finished" else bench.stopped)
        change(run)
        return bench.train(output_dir=run) if verb == "train" else [verb, str(run)]

    return damage


def data_fault(change: Callable[[Path], object], **keys: object) -> Callable[[Bench], Command]:
    return lambda bench: bench.train(data_dir=bench.data(change), num_train_epochs=3, **keys)


def key_fault(**keys: object) -> Callable[[Bench], Command]:
    return lambda bench: bench.train(**keys)


def text_fault(text: str) -> Callable[[Bench], Command]:
    return lambda bench: bench.train(bench.write_recipe({}, text))


def newest(run: Path) -> Path:
    return max(run.glob("checkpoints/checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def copy_across(data: Path) -> None:
    shutil.copy(data / "100" / "take000_chunk0000.png", data / "100" / "take004_chunk0001.png")


def ready_parts(data: Path) -> None:
    for part in ("train", "validation", "test"):
        for label in CLASSES:
            shutil.copytree(data / label, data / part / label)
    for label in CLASSES:
        shutil.rmtree(data / label)


def special(make: Callable[[Path], object]) -> Callable[[Bench], Command]:
    def damage(bench: Bench) -> Command:
        path = bench.fresh("special") / "recipe.yaml"
        make(path)
        return bench.train(path)

    return damage


def sofa_fault(write: Callable[[Path], object], name: str) -> Callable[[Bench], Command]:
    def damage(bench: Bench) -> Command:
        path = bench.fresh("hrtf") / name
        write(path)
        output = path.parent / "rendered"
        return ["render", "--synthetic", "1", "--hrtf", str(path), "--seconds", "0.5", "--output_dir", str(output)]

    return damage


def sounds_passed_by(bench: Bench) -> Command:
    folder = bench.fresh("sounds")
    for label in ("100", "200"):
        (folder / label).mkdir()
        for number in range(2):
            noise = 0.1 * np.random.default_rng(number).standard_normal((48_000, 2))
            soundfile.write(folder / label / f"{number}.ogg", noise, 48_000)
            (folder / label / f"{number}.ogg").rename(folder / label / f"{number}.oga")
    return ["mosaic", str(folder), str(folder.parent / "out"), "--seconds", "0.5", "--size", "192"]


def stop_foreign(run: Path) -> None:
    with_json("progress.json", lambda progress: progress.update(state="running", pid=os.getppid()))(run)


def refused_before(bench: Bench) -> Command:
    """A start that is refused, and the corrected one in the same folder."""
    output = bench.fresh("start") / "run"
    assert spatial_swin(bench.train(output_dir=output, split_by="no_such_factor")) == 1
    return bench.train(output_dir=output, num_train_epochs=3)


def without_manifest(bench: Bench) -> Command:
    output = bench.fresh("rendered")
    quick = ["--seconds", "0.5", "--sound", "false", "--size", "192", "--workers", "1"]
    assert spatial_swin(["render", "--synthetic", "10", *quick, "--output_dir", str(output)]) == 0
    (output / "pictures" / "manifest.csv").unlink()
    return ["audit", str(output), "--output_dir", str(output.parent / "audit")]


def inside_data(bench: Bench) -> Command:
    folder = bench.data(lambda data: None)
    return bench.train(data_dir=folder, output_dir=folder / "run")


ALIASES = "\nBomb: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"Bomb{k}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 9)}]\n" for k in range(9)
)
VALUES: dict[str, object] = {
    "per_device_train_batch_size": 0, "seed": -1, "learning_rate": "nan", "gradient_accumulation_steps": 0,
    "dataloader_num_workers": -1, "num_train_epochs": "inf", "label_smoothing_factor": 1.5, "drop_path_rate": 1.5,
    "weight_decay": -0.1, "report_to": "nothing_known", "metric_for_best_model": "nothing", "head_only_epochs": 99,
    "ddp_static_graph": "true",
}  # fmt: skip
RUN_FILES = {"recipe.yaml": "report", "split.csv": "report", "history.csv": "report", "progress.json": "monitor"}

FAULTS = [
    *(
        Fault("1 weights", f"{name}, {verb}", "refused", says, model_fault(change, verb))
        for verb in ("train", "predict", "export")
        for name, says, change in (
            ("a trunk tensor is missing", "", with_tensors(is_lost)),
            ("a trunk tensor is cut", "", with_tensors(is_cut)),
            ("weights are NaN", "", with_tensors(is_nan)),
            ("the file is cut", "the weights cannot be loaded", lambda model: cut(model / "model.safetensors")),
            ("another model_type", "swin", with_json("config.json", lambda c: c.update(model_type="vit"))),
        )
    ),
    Fault("1 weights", "labels with a gap, predict", "refused", "label", model_fault(
        with_json("config.json", lambda c: c.update(id2label=dict(zip("0124", CLASSES, strict=True)))), "predict"
    )),
    *(
        Fault("2 checkpoints", f"the newest one's {name} is cut", "recovered", "", run_fault(
            lambda run, name=name: cut(newest(run) / name), "train", "stopped"
        ))
        for name in ("model.safetensors", "optimizer.pt", "trainer_state.json")
    ),
    Fault("3 continue", "with another batch size", "refused", "batch", lambda bench: bench.train(
        output_dir=bench.fresh("run", bench.stopped), per_device_train_batch_size=8
    )),
    Fault("5 splits", "copies in two groups, by recording", "recovered", "", data_fault(
        copy_across, split_by="recording"
    )),
    Fault("5 splits", "copies, by picture", "recovered", "", data_fault(copy_across)),
    Fault("5 splits", "copies in ready parts, by recording", "refused", "same bytes", data_fault(
        ready_parts, split_by="recording"
    )),
    *(
        Fault("7 run files", f"{name} emptied, {verb}", "refused", name, run_fault(
            lambda run, name=name: (run / name).write_bytes(b""), verb
        ))
        for name, verb in RUN_FILES.items()
    ),
    *(
        Fault("7 run files", f"{name} cut, train continued", "refused", name, run_fault(
            lambda run, name=name: cut(run / name), "train", "stopped"
        ))
        for name in ("recipe.yaml", "split.csv")
    ),
    Fault("7 recipes", "--output_dir inside the data", "refused", "", inside_data),
    Fault("7 recipes", "a key twice", "refused", "twice", text_fault("\nData:\n  data_dir: elsewhere\n")),
    Fault("7 recipes", "aliases that multiply", "refused", "", text_fault(ALIASES)),
    Fault("7 recipes", "20,000 unknown keys", "refused", "", text_fault(
        "".join(f"key{k}: 1\n" for k in range(20_000))
    )),
    Fault("7 recipes", "a pipe", "refused", "", special(os.mkfifo)),
    Fault("7 recipes", "/dev/zero", "refused", "", special(lambda path: path.symlink_to("/dev/zero"))),
    *(Fault("8 values", f"{key} {value}", "refused", key, key_fault(**{key: value})) for key, value in VALUES.items()),
    Fault("8 values", "fp16 with bf16", "refused", "bf16", key_fault(fp16="true", bf16="true")),
    Fault("9 names", "a newline in a class", "refused", r"\n", data_fault(lambda d: (d / "100").rename(d / "1\n00"))),
    Fault("9 names", "an escape in a file", "refused", r"\x1b", data_fault(
        lambda d: (d / "100" / "take000_chunk0000.png").rename(d / "100" / "\x1b[2J.png")
    )),
    Fault("9 names", "a file that is not UTF-8", "refused", "UTF-8", data_fault(
        lambda d: (d / "100" / "take000_chunk0000.png").rename(d / "100" / os.fsdecode(b"caf\xe9.png"))
    )),
    Fault("9 names", "a class that begins with =", "recovered", "", data_fault(
        lambda d: (d / "100").rename(d / "=1+2")
    )),
    Fault("10 SOFA", "text called .sofa", "refused", "", sofa_fault(lambda path: path.write_text("no"), "x.sofa")),
    Fault("10 SOFA", "text called .SOFA", "refused", "", sofa_fault(lambda path: path.write_text("no"), "x.SOFA")),
    Fault("12 others", "stop, and the process is not ours", "refused", "", run_fault(stop_foreign, "stop")),
    Fault("12 others", "a bad picture, skip_bad", "recovered", "left out (1 of 40", data_fault(
        lambda d: cut(d / "100" / "take000_chunk0000.png"), skip_bad="true"
    )),
    Fault("12 others", "a bad picture", "refused", "take000_chunk0000.png", data_fault(
        lambda d: cut(d / "100" / "take000_chunk0000.png")
    )),
    Fault("12 others", "a pipe among the pictures", "refused", "neither a file", data_fault(
        lambda d: os.mkfifo(d / "100" / "x.png")
    )),
    Fault("12 others", ".oga is read", "recovered", "", sounds_passed_by),
    Fault("14 starts", "a start that was refused, then corrected", "recovered", "", refused_before),
    Fault("14 starts", "rendered pictures without manifest.csv", "recovered", "programme", without_manifest),
    Fault("14 starts", "an unknown key", "refused", "learning_rate", key_fault(learning_rat=1)),
    Fault("14 starts", "train_from_scratch", "refused", "train_all_stages", key_fault(train_from_scratch="true")),
]  # fmt: skip


# -- the table --


def verdict(fault: Fault, bench: Bench) -> tuple[str, str]:
    """What became of a fault, and the last line of what was said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        command = fault.damage(bench)
        try:
            code = spatial_swin(command)
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        except BaseException:
            return "traceback", traceback.format_exc().strip().splitlines()[-1]
    text = said.getvalue()
    sentence = next((line for line in text.splitlines() if fault.says and fault.says in line), "")
    sentence = sentence or next((line for line in reversed(text.splitlines()) if line.strip()), "")
    if "Traceback (most recent call last)" in text:
        return "traceback", sentence
    outcome = "refused" if code else "recovered"
    return (outcome if outcome == fault.expect and fault.says in text else "wrong"), sentence.strip()


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--only", default="", help="rows whose line or name holds this")
    wanted = [fault for fault in FAULTS if parser.parse_args().only in f"{fault.line} {fault.name}"]
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(io.StringIO()):
            bench = Bench(Path(folder))
        print("| issue 14 | fault | verdict | seconds | what was said |\n|---|---|---|---|---|")
        for fault in wanted:
            began = time.monotonic()
            became, sentence = verdict(fault, bench)
            counts[became] = counts.get(became, 0) + 1
            shown = sentence.replace(folder, "").replace("|", "\\|")[:160]
            print(f"| {fault.line} | {fault.name} | {became} | {time.monotonic() - began:.1f} | {shown} |", flush=True)
    print("\n" + ", ".join(f"{count} {became}" for became, count in sorted(counts.items())))
    return int(bool(counts.keys() & {"traceback", "wrong"}))


if __name__ == "__main__":
    sys.exit(main())
