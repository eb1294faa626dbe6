"""Read what an offline wandb run recorded: the records of its .wandb file, with wandb's own protobuf classes.

wandb 0.31 reads these files in its Go core alone, so the few lines that unpack the envelope (LevelDB's log format: 32
KiB blocks, records of checksum, length, kind) stand here.
"""

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

HEADER = 7  # bytes: of the file (":W&B", two of magic, version) and of every record (checksum 4, length 2, kind 1)
BLOCK = 32768
PATIENCE = 10  # s
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(file: Path) -> Iterator[Any]:
    """The protobuf records of a .wandb file, in order."""
    content = file.read_bytes()
    assert content[:4] in (b"", b":W&B")
    place, parts = HEADER, b""
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:  # too little left in the block for a header: zeros
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        part = content[place + HEADER : place + HEADER + length]
        if len(part) < length:  # still being written
            return
        place += HEADER + length
        parts = part if kind in (WHOLE, FIRST) else parts + part
        if kind in (WHOLE, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record


@dataclass
class Recorded:
    """One offline run: its identity, and everything that was logged to it."""

    id: str = ""
    project: str = ""
    name: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, list[str]] = field(default_factory=dict)  # type -> names of files
    metrics: dict[str, str] = field(default_factory=dict)  # metric or glob -> its x-axis
    system: list[dict[str, float]] = field(default_factory=list)
    exit_code: int | None = None
    text: str = ""  # all records, as protobuf prints them


def read_run(folder: Path) -> Recorded:
    """folder: wandb/offline-run-*. Waits for the end of the record: wandb's core writes it after `finish` returned."""
    (file,) = folder.glob("*.wandb")
    until = time.monotonic() + PATIENCE
    while (run := _read(file)).exit_code is None and time.monotonic() < until:
        time.sleep(0.05)
    return run


def _read(file: Path) -> Recorded:
    run = Recorded()
    for record in records(file):
        run.text += str(record)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.id, run.project, run.name = record.run.run_id, record.run.project, record.run.display_name
            run.tags = list(record.run.tags)
            run.config |= _items(record.run.config.update)
        elif kind == "config":
            run.config |= _items(record.config.update)
        elif kind == "history":
            run.history.append(_items(record.history.item))
        elif kind == "summary":
            run.summary |= _items(record.summary.update)
        elif kind == "metric":
            run.metrics[record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif kind == "stats":
            run.system.append({item.key: json.loads(item.value_json) for item in record.stats.item})
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
        elif kind == "request" and record.request.HasField("log_artifact"):
            artifact = record.request.log_artifact.artifact
            run.artifacts[artifact.type] = [entry.path for entry in artifact.manifest.contents]
        elif kind == "artifact":
            run.artifacts[record.artifact.type] = [entry.path for entry in record.artifact.manifest.contents]
    return run


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
