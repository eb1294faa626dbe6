"""The domain statement in words, the same wherever it is shown: report, card, page, benchmark, JSON of `predict`.

A `Domain` goes in, sentences come out. What is not known is said to be so, in one sentence at the end.
"""

import re
from collections.abc import Mapping
from typing import Any

from spatial_swin.evaluation.domain import CLEAN, NOT_STATED, OTHERS, Domain

SHOWN = 4  # values of one condition that are written out; more of them become a range
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
NOTHING_TOLD = "Nothing says what this model learnt from, so nothing says what its answers hold for."
TITLES = {  # of the factors of `audio.conditions`, {} for their values
    "room": "rooms of RT60 {} s",
    "codec": "codecs {}",
    "noise": "noise {} dB below",
    "tilt": "tilts of {} dB",
    "level": "levels of {} dB",
    "rate": "rates of {} Hz",
    "bits": "{} bits",
    "moved": "loudspeakers moved",
    "lfe": "the LFE off",
    "ears": "the ears exchanged",
}


def in_words(domain: Domain | None) -> str:
    """The statement: two or three sentences; one that says so when nothing is known."""
    if domain is None:
        return NOTHING_TOLD
    text = f"The model learnt from {_what(domain)}"
    text += f", {_conditions(domain.conditions)}" if domain.conditions else ""
    sentences = [f"{text}.", _how(domain)]
    if unknown := _unknown(domain):
        sentences.append(f"Not known: {'; '.join(unknown)}.")
    return " ".join(sentences)


def as_json(domain: Domain | None) -> dict[str, Any]:
    """The facts with the statement as `in_words`; the statement alone when nothing is known."""
    return {"in_words": in_words(domain), **({} if domain is None else domain.as_json())}


def in_short(domain: Domain | None) -> str:
    """The same in one line: programmes, listeners, seconds, and whether all was clean."""
    if domain is None:
        return NOTHING_TOLD
    length = "" if domain.seconds is None else f", in clips of {domain.seconds:g} s"
    clean = ", clean sound only" if set(domain.conditions or ()) == {CLEAN} else ""
    return f"The model learnt from {_what(domain, details=False)}{length}{clean}."


def _what(domain: Domain, details: bool = True) -> str:
    """Programmes and listeners, with what they were when `details` are wanted."""
    if domain.programmes is None:
        text = _number(domain.pictures, "picture")
    else:
        text = _number(domain.programmes, "programme")
        text += f" ({_list(domain.kinds)})" if details and domain.kinds else ""
    if domain.listeners is None:
        return text
    text += f" heard by {_number(domain.listeners, 'listener')}"
    told = "; ".join(filter(None, (_sorts(domain), _laboratories(domain.laboratories)))) if details else ""
    return f"{text} ({told})" if told else text


def _sorts(domain: Domain) -> str:
    sorts = {name: getattr(domain, name) for name in ("measured", "virtual", "modelled")}
    parts = [f"{count} {name}" for name, count in sorts.items() if count]
    return ", ".join(parts)


def _laboratories(laboratories: Mapping[str, int] | None) -> str:
    if not laboratories:
        return ""
    named = [name for name in laboratories if name not in (NOT_STATED, OTHERS)]
    several = len(laboratories) > 1
    text = f"laboratories: {_list(laboratories)}" if several else f"laboratory: {next(iter(laboratories))}"
    return text if named else "laboratory not stated"


def _conditions(conditions: Mapping[str, int]) -> str:
    """`clean` or `clean and with: rooms of RT60 0.2 to 0.5 s, codecs mp3-96, opus-64`."""
    others: dict[str, list[str]] = {}
    for name in conditions:
        if name != CLEAN:
            factor, _, value = name.partition(" ")
            others.setdefault(factor, []).append(value)
    clean = CLEAN if CLEAN in conditions else "never clean"
    if not others:
        return "all of it clean (no room, no codec, no noise)"
    return f"{clean} and with {', '.join(_values(factor, values) for factor, values in others.items())}"


def _values(factor: str, values: list[str]) -> str:
    """The values of one factor: written out, or as a range when they are many numbers."""
    numbers = all(NUMBER.fullmatch(value) for value in values)
    ordered = sorted(values, key=float) if numbers else sorted(values)
    if numbers and len(values) > SHOWN:
        text = f"{ordered[0]} to {ordered[-1]}"
    else:
        text = ", ".join(ordered[: 3 * SHOWN]) + (" and more" if len(ordered) > 3 * SHOWN else "")
    return TITLES.get(factor, f"{factor} {{}}").replace("{}", text).strip()


def _how(domain: Domain) -> str:
    """Clips, pictures and layouts."""
    parts = []
    if domain.seconds is not None:
        text = f"clips of {domain.seconds:g} s"
        text += f" at {domain.sample_rate / 1000:g} kHz" if domain.sample_rate else ""
        text += f" and {domain.level:g} LUFS" if domain.level is not None else ""
        parts.append(text)
    size = f"pictures of {domain.size} x {domain.size} pixels"
    if domain.drawn not in (None, domain.size):
        size += f" (drawn at {domain.drawn} x {domain.drawn})"
    parts.append(size)
    return f"It saw them as {', '.join(parts)}, of {_labels(domain.layouts)}."


def _labels(layouts: Mapping[str, int]) -> str:
    names = list(layouts)
    if len(names) > 12:
        return f"{len(names)} classes"
    return f"the {'classes' if len(names) > 1 else 'class'} {', '.join(names)}"


def _unknown(domain: Domain) -> list[str]:
    """What nothing tells, in words."""
    facts = {
        "programmes": domain.programmes,
        "kinds of programmes": domain.kinds,
        "listeners": domain.listeners,
        "whether the listeners were measured": domain.measured if domain.listeners is not None else 0,
        "laboratories": domain.laboratories if domain.measured != 0 else 0,
        "rooms, codecs and other conditions": domain.conditions,
        "length, rate and level of the clips": domain.seconds,
    }
    return [name for name, value in facts.items() if value is None]


def _list(counts: Mapping[str, int]) -> str:
    """`50 scene, 40 speech`; a single value without its number."""
    if len(counts) == 1:
        return f"all {next(iter(counts))}"
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
