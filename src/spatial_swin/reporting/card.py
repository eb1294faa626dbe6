"""The model card: a run folder in, the text of model/README.md out, metrics in the Hub's model-index form.

What it says is computed from the run, as the thesis report is. It names no path of the machine that trained, no
token and no file of the data set; it writes nothing and loads no model.
"""

import re
from typing import Any

import yaml

from spatial_swin.reporting.chapters_training import data_section
from spatial_swin.reporting.document import Code, Document, Section, Table, Text, Warnings, to_markdown
from spatial_swin.reporting.evidence import Evidence, gather
from spatial_swin.reporting.findings import Findings
from spatial_swin.reporting.tables import class_table, overall_table
from spatial_swin.reporting.thesis import limits_section, summary_section
from spatial_swin.reporting.wording import sentence, shown_value
from spatial_swin.runs import RunFolder

HUB_METRICS = {"accuracy": "accuracy", "macro_f1": "f1", "macro_precision": "precision", "macro_recall": "recall",
               "macro_auc": "roc_auc"}  # fmt: skip
USE = """```python
from transformers import pipeline

classify = pipeline("image-classification", model="{model_id}")
print(classify("picture.png"))
```"""


def model_card(
    run: RunFolder, model_id: str = "your-name/your-model", license_name: str | None = None, resamples: int = 10_000
) -> str:
    """The card of a run's model, Markdown with a YAML head.

    license_name: of the weights, as the Hub writes it; without it that of the published Swin the run began from
    (apache-2.0), or mit. Raises RunError when `run` is no run folder; what is missing in it is said in the card.
    """
    found = gather(run.path, resamples)
    base = base_model(found)
    if license_name is None:
        license_name = "apache-2.0" if base and base.startswith("microsoft/swin") else "mit"
    head = yaml.safe_dump(front_matter(found, model_id, base, license_name), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{to_markdown(_document(found, model_id, base, license_name))}"


def base_model(found: Evidence) -> str | None:
    """The Hub name of the model the run began from; None for a local folder or random weights."""
    name = str(found.key("Model", "model_name_or_path", ""))
    return name if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]*[\w-]", name) and not name.endswith(".json") else None


def front_matter(found: Evidence, model_id: str, base: str | None, license_name: str) -> dict[str, Any]:
    """The head of the card, with model-index metrics where there are results."""
    head: dict[str, Any] = {"license": license_name, "library_name": "transformers",
                            "pipeline_tag": "image-classification",
                            "tags": ["swin", "spatial-audio", "binaural", "audio-classification"]}  # fmt: skip
    if base:
        head["base_model"] = base
    if found.metrics:
        values = [
            {"type": kind, "name": name.replace("_", " "), "value": round(found.metrics[name]["value"], 4)}
            for name, kind in HUB_METRICS.items() if found.metrics[name]["value"] is not None
        ]  # fmt: skip
        data = {"name": "own pictures of binaural cues", "type": "imagefolder", "split": found.part}
        task = {"type": "image-classification", "name": "Image Classification"}
        name = model_id.rpartition("/")[2]
        head["model-index"] = [{"name": name, "results": [{"task": task, "dataset": data, "metrics": values}]}]
    return head


def _document(found: Evidence, model_id: str, base: str | None, license_name: str) -> Document:
    classes = ", ".join(found.class_names)
    begun = base or shown_value(found.key("Model", "model_name_or_path", "unknown weights"))
    size = found.key("Model", "image_size")
    about = (
        f"A Swin transformer for image classification, begun from {begun}, that tells these classes apart: {classes}."
    )
    if size:
        about += (
            f" It sees pictures of {size}x{size} pixels; each is a mosaic of binaural cue maps made by Spatial Swin."
        )
    if found.temperature:
        about += (
            f" Its probabilities are better calibrated when the logits are divided by {found.temperature.value:.3f} "
            "(temperature.json; fitted on the validation part)."
        )
    summary = summary_section(found, Findings())
    warnings = [block for block in summary.blocks if isinstance(block, Warnings)]
    results = Section("Results", [block for block in summary.blocks if isinstance(block, Text)])
    if found.metrics:
        results.blocks.append(Table(f"On the {found.part} part", *overall_table(found.metrics, found.calibrated)))
        results.blocks.append(Table("Each class", *class_table(found.metrics)))
    sections = [
        Section("What it does", [Text(about), *warnings]),
        Section("How to use it", [Code(USE.format(model_id=model_id))]),
        results,
        data_section(found, Findings()),
        limits_section(found, Findings()),
        Section("Licence", [Text(sentence(f"the weights are under {license_name}"))]),
    ]
    return Document(model_id.rpartition("/")[2], "", sections)
