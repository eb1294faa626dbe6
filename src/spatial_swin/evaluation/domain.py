"""What a model learnt from, as one statement that goes wherever the model goes: counts, kinds and conditions.

A `Domain` is read from JSON and becomes JSON; `learnt` makes it, `domain_words` says it. What nothing tells is None,
which is said as not known and never guessed. It holds no name of a listener, a programme or a file, so that it may be
published with the weights. Nothing here reads a file.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from spatial_swin.errors import DataError, printable

DOMAIN = "domain.json"  # beside the weights
CLEAN = "clean"
NOT_STATED = "not stated"  # a laboratory that the measurement does not name
OTHERS = "others"  # values that are counted without their names
TABLES = ("layouts", "kinds", "laboratories", "conditions")  # the fields that count by name


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What a model learnt from; None for what nothing tells.

    pictures: how many; layouts: label -> pictures. programmes: how many; kinds: kind -> programmes. listeners: how
    many, of which measured, virtual and modelled; laboratories: laboratory -> people measured there, or virtual heads
    made from them. conditions: name -> pictures. seconds, sample_rate (Hz), level (LUFS): of a clip; drawn: side of
    its picture in pixels, highest: the top of its frequency axis in Hz; size: side of what the model sees in pixels.
    """

    pictures: int
    layouts: Mapping[str, int]
    programmes: int | None = None
    kinds: Mapping[str, int] | None = None
    listeners: int | None = None
    measured: int | None = None
    virtual: int | None = None
    modelled: int | None = None
    laboratories: Mapping[str, int] | None = None
    conditions: Mapping[str, int] | None = None
    seconds: float | None = None
    sample_rate: int | None = None
    level: float | None = None
    drawn: int | None = None
    highest: float | None = None
    size: int

    def as_json(self) -> dict[str, Any]:
        """Plain numbers, texts and dicts, in the order of the fields."""
        return asdict(self)

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> "Domain":
        """The domain that `as_json` gave; keys of later versions are passed over.

        Raises DataError naming what is missing or is of another kind.
        """
        if missing := [name for name in ("pictures", "layouts", "size") if stored.get(name) is None]:
            raise DataError(f"{', '.join(missing)} is missing")
        known: dict[str, Any] = {field.name: stored.get(field.name) for field in fields(cls)}
        for name, value in known.items():
            if value is not None and not _fits(value, table=name in TABLES):
                kind = "counts by name" if name in TABLES else "a number"
                raise DataError(f"{name} is {printable(repr(value))[:80]}, not {kind}")
        return cls(**known)

    @property
    def hears_codecs(self) -> bool:
        """Whether training had sound that had been through a lossy codec."""
        return any(name.startswith("codec") for name in self.conditions or ())


def _fits(value: object, *, table: bool) -> bool:
    if table:
        return isinstance(value, dict) and all(isinstance(k, str) and _is_number(n) for k, n in value.items())
    return _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
