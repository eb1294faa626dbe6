"""What an audit finds alarming, and in which words.

In go the arrays that describe a data set (class labels, groups, parts, factors, statistics, copies), out come
`Finding`s: one sentence each, with the number behind it, what to do, and whether it is an alarm. An alarm says that a
high score on this data would not show that layouts were heard. Nothing here reads a picture or a file.

Three kinds are kept apart: *confound* (something beside the layout is tied to the class: a factor), *leak* (what is
tested was seen in training), and *shortcut* (level, silence, bandwidth or file format give the class away without any
spatial cue). What the cues themselves show is content, and no alarm: layouts are supposed to look different.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spatial_swin.evaluation.association import (
    Association,
    FactorTable,
    Guess,
    cramers_v,
    factor_by_class,
    guess_from_names,
    guess_from_statistics,
    guess_in_every_part,
)

STRONG = 0.3  # corrected Cramer's V from which a factor counts as tied to the class
SIGNIFICANT = 0.01  # and the p it must have: a table of few recordings is strongly associated by chance
SKILL = 0.10  # of the way from chance to certainty that the lower limit of a classifier must pass to alarm
IMBALANCE = 3.0  # largest class over smallest
UNEVEN = 1.5
PROGRAMMES = {"content", "programme", "program"}  # what is played: to be the same in every class (a paired set)
UNPAIRED = 0.5  # share of the recordings whose programme occurs in one class only, from which a set is not paired
IDENTIFIERS = {"recording", "chunk"}  # they name the picture; a classifier that reads them would read the answer

SHORTCUTS = {
    "level": ("the level", "match the loudness of every clip (`spatial-swin render` does) and audit again"),
    "silence": ("the share of silence", "cut silence from every class alike, or leave silent clips out"),
    "bandwidth": ("the bandwidth", "give every class the same sample rate, codec and low-pass, then audit again"),
    "format": ("the picture's size or bit depth", "make the pictures of every class with one tool and one setting"),
    "file size": ("the file size", "file size follows what the picture shows; look at it only if a row above alarms"),
}
CONTENT = {"file size"}  # compressed size depends on the cue maps themselves: shown, never an alarm


@dataclass(frozen=True)
class Finding:
    """One line of an audit, of kind confound, leak, shortcut, balance or recordings; limits where there are any."""

    kind: str
    check: str
    alarm: bool
    text: str
    advice: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None


@dataclass(frozen=True)
class Family:
    """Statistics of one kind, float64 [N, F], and where they come from. in_every_part: the F numbers are the parts of
    a picture whose tiles are not known, and only what all of them tell counts."""

    features: np.ndarray
    origin: str
    in_every_part: bool = False


@dataclass(frozen=True)
class FactorFinding:
    """A factor's table beside what was found in it."""

    name: str
    table: FactorTable
    association: Association
    finding: Finding


def balance(labels: Sequence[str]) -> Finding:
    """Pictures per class: an alarm from a ratio of IMBALANCE."""
    counts = Counter(labels)
    ratio = max(counts.values()) / min(counts.values())
    listed = ", ".join(f"{label}: {n}" for label, n in sorted(counts.items()))
    verdict = "uneven: " if ratio >= UNEVEN else "even: "
    advice = "add clips to the small classes or set class_weights; read balanced accuracy" if ratio >= UNEVEN else ""
    text = f"classes are {verdict}{listed} (largest over smallest {ratio:.2f})"
    return Finding("balance", "class balance", ratio >= IMBALANCE, text, advice, ratio)


def recordings(labels: Sequence[str], groups: Sequence[str], grouped: bool) -> Finding:
    """Recordings per class; fewer than 3 cannot be divided into train, validation and test."""
    per_class = {label: len({g for g, y in zip(groups, labels, strict=True) if y == label}) for label in set(labels)}
    listed = ", ".join(f"{label}: {n}" for label, n in sorted(per_class.items()))
    few = [label for label, n in sorted(per_class.items()) if n < 3]
    if few:
        text = f"recordings by class: {listed}; {', '.join(few)} cannot be in train, validation and test by recording"
        return Finding("recordings", "recordings", True, text, "add recordings, not chunks", min(per_class.values()))
    text = f"recordings by class: {listed} ({len(labels) / len(set(groups)):.1f} pictures per recording)"
    if not grouped:
        text += "; each picture counts as one, because neither names nor a manifest show which belong together"
    return Finding("recordings", "recordings", False, text, value=min(per_class.values()))


def factor_findings(
    labels: Sequence[str], units: Sequence[str], factors: Mapping[str, Sequence[str]]
) -> list[FactorFinding]:
    """Class by factor, counted in units (recordings): an alarm where a factor is tied to the class."""
    findings = []
    for name, values in factors.items():
        if name in IDENTIFIERS or len(set(values)) < 2 or list(values) == list(labels):
            continue
        table = factor_by_class(values, labels, units)
        association = cramers_v(table.counts)
        alarm = association.corrected >= STRONG and association.p < SIGNIFICANT
        share = table.exclusive_share
        measured = f"Cramer's V {association.corrected:.2f}, p {association.p:.2g}, {association.units} recordings"
        alone = share > 0 and (len(table.values) < association.units or name in PROGRAMMES)
        exclusive = f"; {share:.0%} of the recordings have a {name} that occurs in one class only" if alone else ""
        if not alarm and name in PROGRAMMES and share >= UNPAIRED:
            # with one recording a programme, association by chance is as large: nothing to be alarmed by or sure of
            text = f"this is no paired set: {name}s cannot be compared between classes ({measured}{exclusive})"
            advice = f"keep --split_by {name}; render every {name} in every class to know that layouts are heard"
        elif alarm:
            verb = "determines" if share > 0.99 or association.corrected > 0.9 else "is tied to"
            why = f"a model that hears the {name} scores without layouts"
            text = f"{name} {verb} the class ({measured}{exclusive}): {why}"
            advice = f"render every {name} in every class (a paired set), or test with --split_by {name}"
        else:
            text, advice = f"{name} is not tied to the class ({measured}{exclusive})", ""
        finding = Finding("confound", f"factor {name}", alarm, text, advice, association.corrected)
        findings.append(FactorFinding(name, table, association, finding))
    return findings


def names_finding(
    labels: Sequence[str], groups: Sequence[str], folds: np.ndarray, factors: Mapping[str, Sequence[str]]
) -> Finding | None:
    """How well the factors' values alone predict the class; None when there is no factor to read."""
    used = {n: v for n, v in factors.items() if n not in IDENTIFIERS and list(v) != list(labels) and len(set(v)) > 1}
    if not used:
        return None
    guess = guess_from_names(list(used.values()), labels, groups, folds)
    alarm = guess.lower_skill > SKILL
    text = f"the names alone ({', '.join(used)}) predict the class with {_measured(guess)}"
    text += (
        ": programme or listener give the class away, no picture needed"
        if alarm
        else ": not above chance, as it should be"
    )
    advice = (
        "render every programme in every class (a paired set); numbers on this set do not show that layouts are heard"
    )
    return _guessed("confound", "factor names", guess, alarm, text, advice if alarm else "")


def shortcut_findings(
    labels: Sequence[str], groups: Sequence[str], folds: np.ndarray, families: Mapping[str, Family]
) -> list[Finding]:
    """A tiny classifier on each family of file-level statistics, {name in SHORTCUTS: statistics}."""
    findings = []
    for family, statistics in families.items():
        called, advice = SHORTCUTS[family]
        features, origin = statistics.features, statistics.origin
        if (np.nanmax(features, axis=0) - np.nanmin(features, axis=0) < 1e-9).all():
            findings.append(Finding("shortcut", family, False, f"{called} is the same everywhere ({origin})"))
            continue
        look = guess_in_every_part if statistics.in_every_part else guess_from_statistics
        guess = look(features, labels, groups, folds)
        above = guess.lower_skill > SKILL
        alarm = above and family not in CONTENT
        text = f"{called} alone ({origin}) predicts the class with {_measured(guess)}"
        if alarm:
            text += f": a shortcut on {family}, not spatial content"
        elif above:
            text += ": this may be content, the cue maps of layouts compress differently"
        findings.append(_guessed("shortcut", family, guess, alarm, text, advice if above else ""))
    return findings


def leak_findings(
    groups: Sequence[str],
    parts: Sequence[str],
    labels: Sequence[str],
    identical: Sequence[Sequence[int]],
    near: Sequence[tuple[int, int, float]],
    divided: bool,
    group_name: str = "recording",
) -> list[Finding]:
    """Groups in two parts, and copies that are (or with another seed will be) in two parts or in two classes.

    identical: lists of rows with equal bytes; near: pairs of rows in different groups that look the same. divided: the
    parts come with the folder; else they are what training would draw with this seed.
    """
    seen: dict[str, set[str]] = {}
    for group, part in zip(groups, parts, strict=True):
        seen.setdefault(group, set()).add(part)
    shared = sorted(group for group, own in seen.items() if len(own) > 1)
    sides, across = (parts, "parts") if divided else (groups, "recordings")
    crossing = [rows for rows in identical if len({sides[row] for row in rows}) > 1]
    close = [pair for pair in near if sides[pair[0]] != sides[pair[1]]]
    torn = [rows for rows in identical if len({labels[row] for row in rows}) > 1]
    named = ", ".join(shared[:3]) + (", ..." if len(shared) > 3 else "")
    labelled_twice = "sets of identical pictures with two labels"
    leak = f"{len(shared)} of {len(seen)} {group_name} groups are in more than one part: {named}"
    text = leak if shared else f"no {group_name} is in two parts"
    return [
        _counted("groups across parts", shared, text, "divide with --split_by recording (or by programme, listener)"),
        _counted(
            "identical pictures",
            crossing,
            f"sets of identical pictures across {across}: {len(crossing)} (in all: {len(identical)})",
            "keep one of each set (duplicates.csv lists them)",
        ),
        _counted(
            "near-identical pictures",
            close,
            f"pairs of pictures that look the same, but for small differences, across {across}: {len(close)}",
            "look at them in the report; give copies one recording in a manifest, or remove them",
        ),
        _counted("one picture, two labels", torn, f"{labelled_twice}: {len(torn)}", "correct the labels"),
    ]


def _counted(check: str, cases: Sequence[object], text: str, advice: str) -> Finding:
    """A leak that counts its cases: an alarm with advice from the first one."""
    return Finding("leak", check, bool(cases), text, advice if cases else "", len(cases))


def _measured(guess: Guess) -> str:
    limits = "" if guess.low is None else f" [{guess.low:.2f}, {guess.high:.2f}]"
    return f"balanced accuracy {guess.accuracy:.2f}{limits} against {guess.chance:.2f} by chance"


def _guessed(kind: str, check: str, guess: Guess, alarm: bool, text: str, advice: str) -> Finding:
    return Finding(kind, check, alarm, text, advice, guess.accuracy, guess.low, guess.high, guess.chance)
