"""The model card: a run folder in, the text of model/README.md out, metrics in the Hub's model-index form.

What it says is computed from the run, as the thesis report is. It names no path of the machine that trained, no
token, no file, recording or folder of the data set; it writes nothing and loads no model.
"""

import re
from collections.abc import Collection
from typing import Any

import yaml

from spatial_swin.audio.manifest import TILES
from spatial_swin.audio.tiles import TileMap
from spatial_swin.errors import SpatialSwinError
from spatial_swin.finished import TEMPERATURE
from spatial_swin.layouts import LAYOUTS
from spatial_swin.reporting.chapters_training import data_section, training_section
from spatial_swin.reporting.document import Block, Code, Document, Picture, Section, Table, Text, Warnings, to_markdown
from spatial_swin.reporting.evidence import Evidence, gather
from spatial_swin.reporting.findings import Findings
from spatial_swin.reporting.tables import class_table, overall_table
from spatial_swin.reporting.thesis import limits_section, summary_section
from spatial_swin.reporting.wording import sentence, shown_value
from spatial_swin.runs import RunFolder

HUB_METRICS = {
    "accuracy": "accuracy",
    "macro_f1": "f1",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_auc": "roc_auc",
}
USE = """```python
from transformers import pipeline

classify = pipeline("image-classification", model="{model_id}")
print(classify("picture.png"))
```"""
USE_SOUND = """```bash
hf download {model_id} --local-dir {name}
spatial-swin predict {name} recording.wav
```"""
USE_CALIBRATED = """```python
import json
import math
from huggingface_hub import hf_hub_download
from transformers import pipeline

classify = pipeline("image-classification", model="{model_id}")
with open(hf_hub_download("{model_id}", "temperature.json")) as file:
    temperature = json.load(file)["temperature"]
logits = classify("picture.png", function_to_apply="none", top_k=None)
weights = {{answer["label"]: math.exp(answer["score"] / temperature) for answer in logits}}
print({{label: weight / sum(weights.values()) for label, weight in weights.items()}})
```"""


def model_card(
    run: RunFolder,
    model_id: str = "your-name/your-model",
    license_name: str | None = None,
    resamples: int = 10_000,
    beside: Collection[str] | None = None,
) -> str:
    """The card of a run's model, Markdown with a YAML head.

    license_name: of the weights, as the Hub writes it; without it that of the published Swin the run began from
    (apache-2.0), or mit. beside: names of the files that will lie beside the card (those in model/ when None); it
    speaks of no other. Raises RunError when `run` is no run folder; what is missing in it is said in the card.
    """
    if beside is None:
        beside = {path.name for path in run.model.iterdir()} if run.model.is_dir() else ()
    return card_of(gather(run.path, resamples, examples=False), model_id, license_name, beside)


def card_of(found: Evidence, model_id: str, license_name: str | None, beside: Collection[str]) -> str:
    """The card of a run that was gathered with `examples=False`; as `model_card`."""
    base = base_model(found)
    if license_name is None:
        license_name = "apache-2.0" if base and base.startswith("microsoft/swin") else "mit"
    head = yaml.safe_dump(front_matter(found, model_id, base, license_name), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{to_markdown(_document(found, model_id, base, license_name, beside))}"


def base_model(found: Evidence) -> str | None:
    """The Hub name of the model the run began from; None for a local folder or random weights."""
    name = str(found.key("Model", "model_name_or_path", ""))
    return name if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]*[\w-]", name) and not name.endswith(".json") else None


def front_matter(found: Evidence, model_id: str, base: str | None, license_name: str) -> dict[str, Any]:
    """The head of the card, with model-index metrics where there are results."""
    head: dict[str, Any] = {
        "license": license_name,
        "library_name": "transformers",
        "pipeline_tag": "image-classification",
        "tags": ["swin", "spatial-audio", "binaural", "audio-classification"],
    }
    if base:
        head["base_model"] = base
    if found.metrics:
        values = [
            {
                "type": kind,
                "name": name.replace("_", " "),
                "value": round(found.metrics[name]["value"], 4),
                **_interval(found.metrics[name]),
            }
            for name, kind in HUB_METRICS.items()
            if found.metrics[name]["value"] is not None
        ]
        data = {"name": "own pictures of binaural cues", "type": "imagefolder", "split": found.part}
        task = {"type": "image-classification", "name": "Image Classification"}
        name = model_id.rpartition("/")[2]
        head["model-index"] = [{"name": name, "results": [{"task": task, "dataset": data, "metrics": values}]}]
    return head


def _interval(entry: dict[str, Any]) -> dict[str, Any]:
    """The 95 % interval of a metric where the model-index has room for it: it knows one value, and free arguments."""
    if entry.get("low") is None or entry.get("high") is None:
        return {}
    interval = [round(entry["low"], 4), round(entry["high"], 4)]
    return {"args": {"confidence_interval": interval, "confidence_level": 0.95, "method": entry["method"]}}


def _document(
    found: Evidence, model_id: str, base: str | None, license_name: str, beside: Collection[str]
) -> Document:
    summary = summary_section(found, Findings())
    warnings = [block for block in summary.blocks if isinstance(block, Warnings)]
    results = Section("Results", [block for block in summary.blocks if isinstance(block, Text)])
    if found.metrics:
        if "confusion_matrix.png" in beside:
            caption = f"Confusion matrix of the {found.part} part: counts, and percent of each true class."
            results.blocks.append(Picture("confusion_matrix", caption))
        results.blocks.append(Table(f"On the {found.part} part", *overall_table(found.metrics, found.calibrated)))
        results.blocks.append(Table("Each class", *class_table(found.metrics)))
    sections = [
        Section("What it does", [Text(_about(found, base)), *warnings]),
        Section("How to use it", _use(found, model_id, beside)),
        results,
        limits_section(found, Findings()),
        data_section(found, Findings(), "The data set, which is not published here,"),
        _training(found),
        Section("Licence", [Text(sentence(f"the weights are under {license_name}"))]),
    ]
    return Document(model_id.rpartition("/")[2], "", sections)


def _about(found: Evidence, base: str | None) -> str:
    classes = ", ".join(f"{name} ({LAYOUTS[name].title})" if name in LAYOUTS else name for name in found.class_names)
    begun = base or shown_value(found.key("Model", "model_name_or_path", "unknown weights"))
    text = (
        f"A Swin transformer for image classification, begun from {begun}, that tells these classes apart: {classes}."
    )
    if set(found.class_names) <= LAYOUTS.keys():
        text += " The classes are loudspeaker layouts that a binaural recording can have been mixed for."
    if size := found.key("Model", "image_size"):
        text += (
            f" It sees pictures of {size}x{size} pixels; each is a mosaic of binaural cue maps made by Spatial Swin."
        )
    return text


def _use(found: Evidence, model_id: str, beside: Collection[str]) -> list[Block]:
    blocks: list[Block] = [Code(USE.format(model_id=model_id))]
    if found.temperature and TEMPERATURE in beside:
        blocks.append(
            Text(
                "This gives the probabilities of the plain model. They are better calibrated when the logits are "
                f"divided by {found.temperature.value:.3f}, the number in temperature.json (fitted on the validation "
                "part; it changes no answer, only how sure it is):"
            )
        )
        blocks.append(Code(USE_CALIBRATED.format(model_id=model_id)))
    options = _front_end(found) if TILES in beside else {}
    size = found.key("Model", "image_size")
    command = " ".join(
        [
            "spatial-swin mosaic recordings pictures",
            *(f"--{key} {value}" for key, value in options.items()),
            *([f"--size {size}"] if size else []),
        ]
    )
    if options:
        blocks.append(
            Text(
                "A recording is judged by Spatial Swin itself, which makes the pictures as they were made for "
                "training and applies the temperature:"
            )
        )
        blocks.append(Code(USE_SOUND.format(model_id=model_id, name=model_id.rpartition("/")[2])))
    text = (
        f"Pictures must be made as those it was trained with: `{command}` turns class folders of binaural recordings "
        "into them, with fixed scales. Other pictures of sound mean nothing to this model. "
    )
    text += (
        "tiles.json says which cue lies where."
        if options
        else "How many seconds a training picture held, and with which cues, is not known here: ask who trained it."
    )
    return [*blocks, Text(text)]


def _front_end(found: Evidence) -> dict[str, str]:
    """The options that made the training pictures, where tiles.json lies beside the model."""
    try:
        tiles = TileMap.beside(found.run.model)
    except SpatialSwinError:  # the card says what it can of a damaged model
        return {}
    if tiles is None:
        return {}
    return {"seconds": f"{tiles.seconds:g}", "sample_rate": str(tiles.sample_rate), "arrangement": tiles.arrangement}


def _training(found: Evidence) -> Section:
    """Recipe, hardware and course, without the data folder and what lies only in the run folder."""
    section = training_section(found, Findings())
    blocks: list[Block] = []
    for block in section.blocks:
        if isinstance(block, Table):
            rows = [row for row in block.rows if row[1] != "data_dir"]
            blocks.append(Table("Recipe (the values that matter)", block.header, rows, block.texts))
        elif isinstance(block, Text):
            blocks.append(block)
    return Section(section.title, blocks)
