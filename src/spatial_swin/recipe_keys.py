"""The keys of a recipe: a YAML file and a command line go in, {heading: {key: value}} comes out, every key known.

Values are not looked at here (`config` does that), and torch is not imported: the names of the keys are read from the
sources of the classes that define them, so that a mistyped key is named in a moment. A recipe is a short, flat text;
what is no regular file, is long, nested, repeats a key, or uses YAML's anchors is refused before it is built.
"""

import ast
import difflib
import importlib.util
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from spatial_swin.errors import Problem, RecipeError, UsageError, printable, raise_problems
from spatial_swin.shipped import find_recipe

HEADINGS = ("Model", "Data", "Trainer")
RENAMED = {"train_from_scratch": "train_all_stages"}  # keys of older recipes and runs
LONGEST = 1_000_000  # bytes; the longest recipe that ships has three thousand
DEEPEST = 10  # levels of lists and mappings; a key of TrainingArguments holds a mapping of mappings at most
HINTS = 50  # as many near keys are looked for as problems are shown
HERE = Path(__file__).parent
TRAINING_ARGUMENTS = "transformers/training_args.py", "TrainingArguments"
# the classes whose fields are the keys: file and name; a test compares them with what Python makes of them
CLASSES = {
    "Model": (("config.py", "ModelArguments"),),
    "Data": (
        ("config.py", "DataArguments"),
        ("data/augment.py", "AugmentationArguments"),
        ("data/augment_sound.py", "SoundAugmentationArguments"),
    ),
    "Trainer": (("config.py", "TwoPhaseTrainingArguments"), TRAINING_ARGUMENTS),
}
Given = dict[str, dict[str, Any]]


@cache
def keys() -> Mapping[str, Mapping[str, str]]:
    """{heading: {key: its type as it is written in the source}}, the nearest class first."""
    kinds: dict[str, dict[str, str]] = {}
    for heading, classes in CLASSES.items():
        of_heading = kinds.setdefault(heading, {})
        for file, name in classes:
            for key, kind in _fields(_source(file), name).items():
                of_heading.setdefault(key, kind)
    return kinds


def _source(file: str) -> Path:
    package, _, inner = file.partition("/")
    spec = None if (HERE / file).is_file() else importlib.util.find_spec(package)
    return HERE / file if spec is None or spec.origin is None else Path(spec.origin).parent / inner


def _fields(source: Path, name: str) -> dict[str, str]:
    """The annotated fields of a dataclass that its __init__ takes."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    fields = {}
    for line in body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            written = "" if line.value is None else ast.unparse(line.value)
            kind = ast.unparse(line.annotation)
            if "init=False" not in written and "ClassVar" not in kind:
                fields[line.target.id] = kind
    return fields


def read_recipe(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Given:
    """The recipe at `path` (or of that name), with `overrides` (["--key", "value", ...]) in place of its own values.

    Raises:
        RecipeError: not a recipe, or unknown, repeated or misplaced keys; all at once.
        UsageError: an override that is not `--key value`.
    """
    given = read_yaml(find_recipe(path))
    for key, value in read_overrides(overrides).items():
        given[heading_of(key)][key] = value
    return given


def read_yaml(path: Path) -> Given:
    """Read a recipe file; dashes in keys become underscores. Raises RecipeError naming every wrong heading and key."""
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a recipe has the headings {', '.join(HEADINGS)} with keys below them")
    problems: list[Problem] = []
    given: Given = {heading: {} for heading in HEADINGS}
    for heading, values in content.items():
        if heading not in HEADINGS:
            problems.append(Problem(str(path), f"heading {heading!r} is unknown", f"use {', '.join(HEADINGS)}"))
        elif not isinstance(values, dict):
            problems.append(
                Problem(f"{path}, {heading}", "holds no keys", "write `key: value` lines below the heading")
            )
        else:
            where = f"{path}, {heading}"
            problems += key_problems(where, values, heading, hints=HINTS - len(problems))
            for key, value in values.items():
                name = str(key).replace("-", "_")
                if name in given[heading]:  # with a dash and with an underscore
                    problems.append(Problem(where, f"key `{name}` stands there twice", "keep one of them"))
                given[heading][name] = value
    raise_problems(RecipeError, problems, "The recipe cannot be used")
    return given


def load_yaml(path: Path) -> Any:
    """What a short, flat YAML file holds; {} for an empty one. Raises RecipeError."""
    try:
        return yaml.load(_checked_text(path), Loader=_Loader) or {}
    except (UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that refuses a key that stands twice in a mapping; YAML itself would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [child.value for child, _ in node.value if isinstance(child, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice!r} stands there twice; keep one of them", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _checked_text(path: Path) -> str:
    """The text of a recipe that is safe to build. Raises RecipeError; never waits for a pipe, never reads a device."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RecipeError(f"{path}: not a file with a recipe in it; give a YAML file")
            if status.st_size > LONGEST:
                raise RecipeError(f"{path}: {status.st_size / 1e6:.1f} MB are no recipe; give a YAML file of a page")
            text = file.read().decode("utf-8")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); give a YAML file") from None
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = 1 + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise RecipeError(f"{path}, line {line}: anchors (&) and aliases (*) are not for recipes; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise RecipeError(f"{path}, line {line}: more than {DEEPEST} levels deep; a recipe is flat")
    return text


def key_problems(where: str, given: Iterable[Any], heading: str | None, hints: int = HINTS) -> list[Problem]:
    """What is wrong with the keys `given` at `where`; only the first `hints` of them are compared with all others."""
    home = {key: name for name, of_heading in keys().items() for key in of_heading}
    problems: list[Problem] = []
    for written in given:
        key = str(written).replace("-", "_")
        if key in RENAMED:
            what, do = f"key `{key}` is called `{RENAMED[key]}` now", "rename it; the value stays the same"
        elif key not in home:
            near = difflib.get_close_matches(key[:80], home, n=1, cutoff=0.5) if len(problems) < hints else []
            what = f"key `{key}` is unknown"
            do = f"did you mean `{near[0]}` (under {home[near[0]]})?" if near else "see `spatial-swin train --help`"
        elif heading not in (None, home[key]):
            what, do = f"key `{key}` stands under the wrong heading", f"move it to {home[key]}"
        else:
            continue
        problems.append(Problem(where, what, do))
    return problems


def heading_of(key: str) -> str:
    return next(heading for heading, of_heading in keys().items() if key in of_heading)


def takes_list(key: str) -> bool:
    return "list[" in keys()[heading_of(key)][key]


def read_overrides(words: Sequence[str]) -> dict[str, Any]:
    """["--unfreeze-stages", "3", "4", "--fp16"] -> {"unfreeze_stages": ["3", "4"], "fp16": "true"}."""
    values: dict[str, list[str]] = {}
    key = None
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            key = name.replace("-", "_")
            values[key] = [value] if equals else []
        elif key is None:
            raise UsageError(f"{printable(word)!r} is not an option; overrides are written --key value")
        else:
            values[key].append(word)
    raise_problems(RecipeError, key_problems("command line", values, None), "The command line cannot be used")
    return {key: _one_or_list(key, given) for key, given in values.items()}


def _one_or_list(key: str, words: list[str]) -> Any:
    if [word.lower() for word in words] == ["none"] and key != "class_weights":
        return [] if takes_list(key) else None
    return words if takes_list(key) else (words[0] if len(words) == 1 else words or "true")


def written(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(map(written, value)) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
