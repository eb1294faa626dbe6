"""Data flows one way: who may import whom, one row a room, read from the source and not from what happens to load."""

import ast
from functools import cache
from pathlib import Path

import pytest

import spatial_swin

ROOT = Path(spatial_swin.__file__).parent
LEAVES = "errors files keyed_random layouts metric_names"  # for all; they import only leaves
ROWS = """
    errors        |
    files         | errors
    keyed_random  |
    layouts       | errors
    metric_names  |
    runs          |
    audio         |
    data          | runs audio
    shipped       |
    hub           | shipped
    recipe_keys   | shipped
    recipe_values | data
    config        | data recipe_keys recipe_values
    evaluation    |
    modeling      | runs config data evaluation shipped hub
    trunk         | runs config data evaluation modeling
    calibrating   | runs audio data evaluation
    reporting     | runs audio evaluation calibrating finished
    tracking      | runs config evaluation modeling
    background    | runs config
    learnt        | runs audio evaluation
    second_opinion | audio data evaluation modeling
    known_head    | audio evaluation
    finished      | runs audio data evaluation modeling learnt second_opinion known_head
    prediction    | runs audio data evaluation modeling second_opinion known_head finished shipped hub
    bench         | runs audio data evaluation modeling reporting finished prediction
    preparing     | runs audio config data modeling trunk tracking hub
    training      | runs audio config data evaluation modeling trunk tracking reporting preparing learnt finished
    boosting      | runs data evaluation
    folds         | runs audio recipe_keys config data evaluation modeling trunk reporting preparing training boosting
    sweep         | runs config recipe_keys data modeling reporting preparing training folds
    domain_scoring | runs audio data evaluation shipped
    evaluating    | runs audio data evaluation modeling second_opinion calibrating domain_scoring reporting finished
    auditing      | audio data evaluation reporting
    explaining    | runs audio data evaluation modeling reporting finished
    exporting     | runs data modeling finished prediction
    quantising    | runs data evaluation finished prediction exporting
    making        | runs
    demonstration | runs shipped reporting making
    adapting      | runs audio shipped recipe_keys config evaluation second_opinion known_head training evaluating \
                    finished making
    adapted       | runs audio shipped recipe_keys adapting __init__
    publishing    | runs audio evaluation reporting finished
    app           | audio data evaluation modeling reporting prediction finished hub
    api           | runs audio shipped recipe_keys config training reporting
    __init__      | runs reporting prediction api
"""
EXCEPTIONS: frozenset[str] = frozenset()  # files that may break the rules: none
USED_BY_NONE = {"__main__", "cli", "commands"}  # they may import everything
MAY_IMPORT = {
    room.strip(): set(others.split()) | set(LEAVES.split() if room.strip() not in LEAVES.split() else ())
    for room, others in (row.split("|") for row in ROWS.strip().splitlines())
}
ROOMS = {path.stem for path in ROOT.glob("*.py")} | {path.name for path in ROOT.iterdir() if path.is_dir()}
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def room_of(file: Path) -> str:
    return file.parts[0].removesuffix(".py")


@cache
def imports_of(file: Path) -> set[str]:
    """The rooms that a file imports from, lazily or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the direction"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return {name.split(".")[1] for name in names if name.startswith("spatial_swin.")} & ROOMS


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_point_one_way(file: Path) -> None:
    room = room_of(file)
    if room in USED_BY_NONE or room == "assets" or str(file) in EXCEPTIONS:
        return
    assert room in MAY_IMPORT, f"{room} has no row in this table"
    forbidden = imports_of(file) - MAY_IMPORT[room] - {room}
    assert not forbidden, f"{file} imports {', '.join(sorted(forbidden))}"


def test_the_table_has_no_circle() -> None:
    done: set[str] = set()
    waiting = dict(MAY_IMPORT)
    while ready := {room for room, others in waiting.items() if others <= done | {room}}:
        done |= ready
        waiting = {room: others for room, others in waiting.items() if room not in ready}
    assert not waiting, f"these import one another: {', '.join(sorted(waiting))}"


def test_commands_are_used_by_none_but_the_command_line() -> None:
    for file in FILES:
        if room_of(file) not in USED_BY_NONE:
            assert not imports_of(file) & USED_BY_NONE, f"{file} imports a command"
