"""Data flows one way: who may import whom, as DESIGN says, read from the source, not from what happens to load."""

import ast
from pathlib import Path

import pytest

import spatial_swin

ROOT = Path(spatial_swin.__file__).parent
LEAVES = {"errors", "files", "keyed_random"}  # may be imported by all, import none of ours
ALLOWED = {
    **{leaf: set() for leaf in LEAVES},
    "runs": LEAVES,
    "audio": LEAVES,
    "config": LEAVES | {"data"},  # the keys of the augmentations are said where they are done
    "evaluation": LEAVES,
    "data": LEAVES | {"audio", "runs"},
    "modeling": LEAVES | {"data", "runs", "config"},
    "reporting": LEAVES | {"evaluation", "runs"},
    # training draws the confusion matrix of each epoch for the trackers, with the report's own function
    "training": LEAVES | {"audio", "config", "data", "modeling", "evaluation", "reporting", "runs"},
    "prediction": LEAVES | {"config", "data", "audio", "modeling", "evaluation", "runs"},
    "app": LEAVES | {"audio", "data", "modeling", "evaluation", "reporting", "prediction"},
    "exporting": LEAVES | {"modeling", "prediction"},
    "publishing": LEAVES | {"reporting", "runs"},
    "__init__": {"reporting"},
}
USED_BY_NONE = {"cli", "commands"}  # may import everything; commands may import commands' shared options


def imports_of(file: Path) -> set[str]:
    """Our packages and modules that a file imports, by their first name below spatial_swin."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
            assert node.level == 0, f"{file}: relative imports hide the direction"
    modules = {p.stem for p in ROOT.glob("*.py")} | {p.name for p in ROOT.iterdir() if p.is_dir()}
    return {name.split(".")[1] for name in names if name.startswith("spatial_swin.")} & modules


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_one_way(file: Path) -> None:
    owner = file.relative_to(ROOT).parts[0].removesuffix(".py")
    if owner in USED_BY_NONE or owner == "assets":
        return
    assert owner in ALLOWED, f"{owner} has no rule yet: say in DESIGN's terms what it may import"
    forbidden = imports_of(file) - ALLOWED[owner] - {owner}
    assert not forbidden, f"{file.relative_to(ROOT)} imports {', '.join(sorted(forbidden))}"
