"""The model card: a run folder in, the text of model/README.md out, metrics in the Hub's model-index form.

What it says is computed from the run, as the thesis report is. It names no path of the machine that trained, no
token, no file, recording or folder of the data set; it writes nothing and loads no model.
"""

import re
from collections.abc import Collection
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from spatial_swin.audio.manifest import TILES
from spatial_swin.evaluation.opinions import KNOWN_HEAD, SECOND_OPINION
from spatial_swin.finished import TEMPERATURE
from spatial_swin.layouts import LAYOUTS, title_of
from spatial_swin.metric_names import METRICS
from spatial_swin.reporting.chapters_baseline import baseline_section
from spatial_swin.reporting.chapters_bench import card_blocks
from spatial_swin.reporting.chapters_training import data_section, training_section
from spatial_swin.reporting.document import (
    Block,
    Code,
    Document,
    Picture,
    Section,
    Table,
    Text,
    Warnings,
    sentence,
    shown_value,
    to_markdown,
)
from spatial_swin.reporting.evidence import Evidence, Findings, gather
from spatial_swin.reporting.tables import class_table, overall_table
from spatial_swin.reporting.thesis import domain_section, limits_section, summary_section
from spatial_swin.runs import RunFolder

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


CALIBRATED = (
    "This gives the probabilities of the plain model. They are better calibrated when the logits are divided by "
    "{temperature:.3f}, the number in temperature.json (fitted on the validation part; it changes no answer, only how "
    "sure it is):"
)
TWO_MODELS = (
    "That is the Swin alone. A small network on pooled cues has a say in the answers: second_opinion.safetensors, "
    "which Spatial Swin asks as well. The results below are of both, and so is the temperature. Either may have "
    "learnt from a part of the pictures only. Where its file gives a share to that (`dry`), the network is also asked "
    "about a recording with its late reverberation taken away; results of pictures are without it."
)
ONE_HEAD = (
    "It was adapted to one head and knows it: known_head.safetensors holds how the ears differ for sound from 23 "
    "places, no impulse response, and what that says of layouts, learnt from the same programmes and, where the "
    "responses have no room of their own, from others in rooms. It has a say in what Spatial Swin says of a "
    "recording, not of a picture. The results below, and the temperature, are with it. Whether it may be passed on is "
    "for the terms of the responses to say; without the file the model answers from the pictures alone."
)
SOUND = (
    "A recording is judged by Spatial Swin itself, which makes the pictures as they were made for training and "
    "applies the temperature:"
)
PICTURES = (
    "Pictures must be made as those it was trained with: `{command}` turns class folders of binaural recordings into "
    "them, with fixed scales. Other pictures of sound mean nothing to this model. "
)
TILES_KNOWN = "tiles.json says which cue lies where."
TILES_UNKNOWN = "How many seconds a training picture held, and with which cues, is not known: ask who trained it."


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


def card_of(evidence: Evidence, model_id: str, license_name: str | None, beside: Collection[str]) -> str:
    """The card of a run that was gathered with `examples=False`; as `model_card`."""
    base = base_model(evidence)
    if license_name is None:
        license_name = "apache-2.0" if base and base.startswith("microsoft/swin") else "mit"
    results = _results(evidence) if evidence.metrics else None
    head = ModelCardData(
        license=license_name,
        library_name="transformers",
        pipeline_tag="image-classification",
        tags=["swin", "spatial-audio", "binaural", "audio-classification"],
        base_model=base,
        model_name=model_id.rpartition("/")[2] if results else None,
        eval_results=results,
    )
    text = to_markdown(_document(evidence, model_id, base, license_name, beside))
    return f"---\n{head.to_yaml()}\n---\n\n{text}"


def base_model(evidence: Evidence) -> str | None:
    """The Hub name of the model the run began from; None for a local folder or random weights."""
    name = str(evidence.key("Model", "model_name_or_path", ""))
    return name if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]*[\w-]", name) and not name.endswith(".json") else None


def _results(evidence: Evidence) -> list[EvalResult]:
    """The metrics that the Hub knows; intervals as free arguments, because a result there is one value."""
    return [
        EvalResult(
            task_type="image-classification",
            task_name="Image Classification",
            dataset_type="imagefolder",
            dataset_name="own pictures of binaural cues",
            dataset_split=evidence.part,
            metric_type=metric.hub_type,
            metric_name=metric.name.replace("_", " "),
            metric_value=round(evidence.metrics[metric.name]["value"], 4),
            metric_args=_interval(evidence.metrics[metric.name]),
        )
        for metric in METRICS
        if metric.hub_type and evidence.metrics[metric.name]["value"] is not None
    ]


def _interval(entry: dict[str, Any]) -> dict[str, Any] | None:
    if entry.get("low") is None:
        return None
    limits = [round(entry["low"], 4), round(entry["high"], 4)]
    return {"confidence_interval": limits, "confidence_level": 0.95, "method": entry["method"]}


def _document(
    evidence: Evidence, model_id: str, base: str | None, license_name: str, beside: Collection[str]
) -> Document:
    none, part = Findings(), evidence.part
    summary = summary_section(evidence, none)
    warnings = [block for block in summary.blocks if isinstance(block, Warnings)]
    results = Section("Results", [block for block in summary.blocks if isinstance(block, Text)])
    if evidence.metrics:
        if "confusion_matrix.png" in beside:
            caption = f"Confusion matrix of the {part} part: counts, and percent of each true class."
            results.blocks.append(Picture("confusion_matrix", caption))
        overall = overall_table(evidence.metrics, evidence.calibrated)
        results.blocks += [Table(f"On the {part} part", *overall), Table("Each class", *class_table(evidence.metrics))]
    sections = [
        Section("What it does", [Text(_about(evidence, base)), *warnings]),
        domain_section(evidence, none),
        Section("How to use it", _use(evidence, model_id, beside)),
        results,
        *([baseline_section(evidence, none)] if evidence.baseline else []),
        *([Section("Where it holds", card_blocks(evidence.bench))] if evidence.bench else []),
        limits_section(evidence, none),
        data_section(evidence, none, "The data set, which is not published here,"),
        _training(evidence),
        Section("Licence", [Text(sentence(f"the weights are under {license_name}"))]),
    ]
    return Document(model_id.rpartition("/")[2], "", sections)


def _about(evidence: Evidence, base: str | None) -> str:
    classes = ", ".join(
        f"{name} ({title})" if (title := title_of(name)) != name else name for name in evidence.class_names
    )
    begun = base or shown_value(evidence.key("Model", "model_name_or_path", "unknown weights"))
    text = f"A Swin transformer for image classification, begun from {begun}, to distinguish these classes: {classes}."
    if set(evidence.class_names) <= LAYOUTS.keys():
        text += " The classes are loudspeaker layouts that a binaural recording can have been mixed for."
    if size := evidence.key("Model", "image_size"):
        text += (
            f" It sees pictures of {size}x{size} pixels; each is a mosaic of binaural cue maps made by Spatial Swin."
        )
    return text


def _use(evidence: Evidence, model_id: str, beside: Collection[str]) -> list[Block]:
    blocks: list[Block] = [Code(USE.format(model_id=model_id))]
    if evidence.temperature and TEMPERATURE in beside:
        text = CALIBRATED.format(temperature=evidence.temperature.value)
        blocks += [Text(text), Code(USE_CALIBRATED.format(model_id=model_id))]
    if SECOND_OPINION in beside:
        blocks.append(Text(TWO_MODELS))
    if KNOWN_HEAD in beside:
        blocks.append(Text(ONE_HEAD))
    front_end = _front_end(evidence) if TILES in beside else {}
    if front_end:
        code = USE_SOUND.format(model_id=model_id, name=model_id.rpartition("/")[2])
        blocks += [Text(SOUND), Code(code)]
    options = front_end | ({"size": size} if (size := evidence.key("Model", "image_size")) else {})
    command = " ".join(["spatial-swin mosaic recordings pictures", *(f"--{key} {options[key]}" for key in options)])
    text = PICTURES.format(command=command) + (TILES_KNOWN if front_end else TILES_UNKNOWN)
    return [*blocks, Text(text)]


def _front_end(evidence: Evidence) -> dict[str, str]:
    """The options that made the training pictures, where the model knows its tile map."""
    tiles = evidence.finished.tiles if evidence.finished else None
    if tiles is None:
        return {}
    return {"seconds": f"{tiles.seconds:g}", "sample_rate": str(tiles.sample_rate), "arrangement": tiles.arrangement}


def _training(evidence: Evidence) -> Section:
    """Recipe, hardware and course, without the data folder and what lies only in the run folder."""
    section = training_section(evidence, Findings())
    blocks: list[Block] = []
    for block in section.blocks:
        if isinstance(block, Table):
            rows = [row for row in block.rows if row[1] != "data_dir"]
            blocks.append(Table("Recipe (the values that matter)", block.header, rows, block.texts))
        elif isinstance(block, Text):
            blocks.append(block)
    return Section(section.title, blocks)
