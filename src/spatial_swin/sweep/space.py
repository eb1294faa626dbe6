"""What a sweep may vary: a small YAML goes in, checked axes come out, each a recipe key with its values.

A list of values is a choice; {low, high} is a range, with `log: true` or `step: ...` where wanted. Everything that is
wrong is said at once, before the first trial: keys that do not exist or may not vary, ranges that are none, and every
value that the recipe refuses, alone or together with others of the space. Nothing is drawn here.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spatial_swin.config import CARRIED_OUT, problems_of
from spatial_swin.errors import Problem, RecipeError, raise_problems
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.recipe_keys import HEADINGS, Given, heading_of, key_problems, keys, load_yaml, takes_list, written

NUMBERS = ("int", "int | None", "float", "float | None")  # types of keys that a range can be of, as they are written
RANGE = ("low", "high", "log", "step")
CHECKED = 2_000  # combinations of values that are checked; of more, so many at random
JUDGED = "decides which pictures are judged, so trials could not be compared"
CHOOSES = "decides how the best epoch is chosen, so trials could not be compared"
LUCK = "is a draw, and the best of several draws is luck"
MEASURE = "changes what the validation loss measures"
FIXED = {
    **dict.fromkeys(("data_dir", "manifest", "factors", "split_by", "split_file", "split_seed"), JUDGED),
    **dict.fromkeys(("train_share", "validation_share", "test_share", "skip_bad"), JUDGED),
    **dict.fromkeys(("metric_for_best_model", "greater_is_better", "load_best_model_at_end"), CHOOSES),
    **dict.fromkeys(("eval_strategy", "eval_steps", "eval_delay", "save_strategy", "save_steps"), CHOOSES),
    **dict.fromkeys(("seed", "data_seed", "augmentation_views_seed"), LUCK),
}


@dataclass(frozen=True)
class Choice:
    """One of several values, as the YAML has them."""

    key: str
    values: tuple[Any, ...]

    @property
    def checked(self) -> tuple[Any, ...]:
        """The values that the recipe must accept."""
        return self.values

    def about(self) -> Any:
        """For plan.json."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """From low to high, both included; whole: of a key that takes whole numbers."""

    key: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def checked(self) -> tuple[Any, ...]:
        """Both ends, and one value between them that a key for whole numbers would refuse."""
        if self.step is not None:
            between = self.low + self.step
        elif self.log:
            between = self.low ** (1 - 0.382) * self.high**0.382
        else:
            between = self.low + 0.382 * (self.high - self.low)
        return tuple(dict.fromkeys(round(value) if self.whole else value for value in (self.low, between, self.high)))

    def about(self) -> Any:
        return {name: value for name, value in asdict(self).items() if name in RANGE and value not in (None, False)}


Axis = Choice | Range
Space = tuple[Axis, ...]


def read_space(path: Path, given: Given, metric: str) -> Space:
    """The axes of the space at `path`, checked with the recipe `given`, of whose trials `metric` chooses the best.

    Raises RecipeError: everything that is wrong with it, at once.
    """
    content = load_yaml(path)
    if not isinstance(content, dict) or not content:
        raise RecipeError(
            f"{path}: a space has a recipe key and its values on each line, such as `drop_path_rate: [0, 0.1]`"
        )
    problems = _of_keys(path, content, metric)
    axes: list[Axis] = []
    for written_key, values in content.items():
        key = str(written_key).replace("-", "_")
        if key not in HEADINGS and not any(problem.what.startswith(f"key `{key}`") for problem in problems):
            axis = _axis(path, key, values)
            (problems if isinstance(axis, Problem) else axes).append(axis)  # type: ignore[arg-type]
    problems += [] if problems else refused(axes, given)
    raise_problems(RecipeError, problems, "The space cannot be searched")
    return tuple(axes)


def with_values(given: Given, values: Mapping[str, Any]) -> Given:
    """The recipe with `values` in place of its own."""
    changed = {heading: dict(given.get(heading) or {}) for heading in HEADINGS}
    for key, value in values.items():
        changed[heading_of(key)][key] = value
    return changed


def refused(axes: Sequence[Axis], given: Given) -> list[Problem]:
    """What the recipe refuses of the values, in every combination of them (of many, in CHECKED that are drawn)."""
    found: dict[str, Problem] = {}
    for combination in _combinations([axis.checked for axis in axes]):
        values = {axis.key: value for axis, value in zip(axes, combination, strict=True)}
        for problem in problems_of(with_values(given, values)):
            found.setdefault(str(problem), problem)
    return list(found.values())


def _combinations(values: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    if math.prod(map(len, values)) <= CHECKED:
        yield from itertools.product(*values)
        return
    for place in range(max(map(len, values))):  # every value at least once
        yield tuple(of_axis[place % len(of_axis)] for of_axis in values)
    draw = keyed_generator("values of a sweep that are checked")
    for _ in range(CHECKED):
        yield tuple(of_axis[int(draw.integers(len(of_axis)))] for of_axis in values)


def _of_keys(path: Path, content: Mapping[Any, Any], metric: str) -> list[Problem]:
    """Keys that do not exist, stand there twice, or may not vary."""
    headings = [heading for heading in HEADINGS if heading in content]
    problems = [
        Problem(str(path), f"{heading} is a heading", "write the keys without headings") for heading in headings
    ]
    names = [str(key).replace("-", "_") for key in content if key not in headings]
    problems += key_problems(str(path), names, None)
    problems += [
        Problem(str(path), f"key `{name}` stands there twice", "keep one of them")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    for name in names:
        if name in FIXED:
            problems.append(Problem(str(path), f"key `{name}` {FIXED[name]}", "leave it to the recipe"))
        elif name in CARRIED_OUT:
            what = f"key `{name}` says how a run is carried out, not what it computes"
            problems.append(Problem(str(path), what, "leave it to the recipe"))
        elif metric == "loss" and name in ("label_smoothing_factor", "class_weights"):
            do = (
                "leave it out, or choose by another figure (--metric_for_best_model macro_f1 --greater_is_better true)"
            )
            problems.append(Problem(str(path), f"key `{name}` {MEASURE}, by which the recipe chooses", do))
    return problems


def _axis(path: Path, key: str, values: Any) -> Axis | Problem:
    where = f"{path}, {key}"
    if isinstance(values, list):
        texts = [written(value) for value in values]
        if len(texts) < 2:
            return Problem(
                where, f"has {len(texts)} value{'s' * (not texts)}", "give two or more, or leave the key out"
            )
        if twice := next((text for text in texts if texts.count(text) > 1), None):
            return Problem(where, f"has the value {twice} twice", "keep one of them")
        if takes_list(key) and not all(isinstance(value, list) or value == "none" for value in values):
            return Problem(where, "takes a list, and one of its values is none", "write lists, e.g. [[4], [3, 4]]")
        return Choice(key, tuple([] if value == "none" and takes_list(key) else value for value in values))
    if isinstance(values, dict):
        return _range(where, key, values)
    return Problem(where, f"is {values!r}", "give a list of values, or {low: ..., high: ...}")


def _range(where: str, key: str, given: Mapping[Any, Any]) -> Range | Problem:
    if unknown := [str(name) for name in given if name not in RANGE]:
        return Problem(where, f"a range has no {', '.join(unknown)}", f"use {', '.join(RANGE)}")
    if missing := [name for name in RANGE[:2] if name not in given]:
        return Problem(where, f"{' and '.join(missing)} is missing", "give low and high")
    kind = keys()[heading_of(key)][key]
    if kind not in NUMBERS:
        return Problem(where, "is a range, and this key takes no number", "give a list of values")
    numbers = {name: _number(given[name]) for name in ("low", "high", "step") if given.get(name) is not None}
    for name, number in numbers.items():
        if number is None or (kind.startswith("int") and number % 1):
            wanted = "a whole number" if kind.startswith("int") else "a number"
            return Problem(where, f"{name} is {given[name]!r}", f"give {wanted}")
    low, high, step = numbers["low"], numbers["high"], numbers.get("step")
    assert low is not None
    assert high is not None
    log = given.get("log", False)
    if not isinstance(log, bool):
        return Problem(where, f"log is {log!r}", "give true or false")
    if low >= high:
        return Problem(where, f"low {low:g} is not below high {high:g}", "exchange or correct them")
    if log and low <= 0:
        return Problem(where, f"log is true and low is {low:g}", "give a low above 0")
    if step is not None and (log or not 0 < step <= high - low):
        what = "log and step exclude each other" if log else f"step {step:g} does not fit between {low:g} and {high:g}"
        return Problem(where, what, "leave the step out or correct it")
    return Range(key, low, high, log, step, kind.startswith("int"))


def _number(value: Any) -> float | None:
    """YAML reads 1e-4 as text."""
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
