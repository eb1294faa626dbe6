"""Quality control of deliveries: levels against limits, the master against its declaration, the delivery against both.

In go a binaural file and what is declared, out comes a `Quality`: numbers, what fails in words, as lines of a table
and as JSON. The verdict of a model is no part of it. Nothing is printed or written here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spatial_swin.audio.comparison import Comparison, compare
from spatial_swin.audio.delivery import Limits, MasterReport, check_master
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.levels import LevelMeter, Levels
from spatial_swin.audio.programme import Programme
from spatial_swin.audio.sound_files import READABLE, open_sound
from spatial_swin.errors import AudioError, Problem, SpatialSwinError, printable
from spatial_swin.layouts import Layout
from spatial_swin.prediction.judging import as_problem

DIGITS = 3  # of numbers in JSON


@dataclass(frozen=True)
class Quality:
    """levels: of the binaural file; master and comparison: None when no master was given."""

    limits: Limits
    levels: Levels
    master: MasterReport | None = None
    comparison: Comparison | None = None

    @cached_property
    def failed(self) -> list[str]:
        """What does not pass, in words."""
        found = [f"binaural: {text}" for text in self.limits.exceeded(self.levels)]
        if self.master is not None:
            found += [f"master: {text}" for text in self.master.failures(self.limits)]
        if self.comparison is not None:
            listener = self.comparison.listener
            found += [
                f"delivery differs from the master heard by {listener} in {x}" for x in self.comparison.differs_in
            ]
        return found

    @property
    def verdict(self) -> str:
        return "failed" if self.failed else "passed"

    def as_lines(self) -> list[str]:
        """What a person wants to know: one line of numbers, then one for everything that fails."""
        parts = [f"binaural {_levels(self.levels)}"]
        if (master := self.master) is not None:
            objects = f" and {master.objects} object{'s' * (master.objects != 1)}" if master.objects else ""
            bed = f"bed {master.bed_title}" if master.bed else "no bed"
            parts.append(f"master ({bed}{objects}) {_levels(master.levels)}")
        if (found := self.comparison) is not None:
            how = "differs from" if found.differs_in else "consistent with"
            parts.append(f"{how} {found.listener} (coherence {found.mean_coherence:.2f}, {found.lag * 1e3:+.1f} ms)")
        return [printable(f"quality {self.verdict}: {'; '.join(parts)}"), *(printable(f"- {x}") for x in self.failed)]

    def as_json(self) -> dict[str, Any]:
        """Everything, rounded; null where there is no number, as for the loudness of silence."""
        limits = Levels(self.limits.loudness, self.limits.true_peak)
        return {
            "passed": not self.failed,
            "failed": self.failed,
            "limits": _json_levels(limits),
            "binaural": _json_levels(self.levels),
            "master": None if self.master is None else _json_master(self.master),
            "comparison": None if self.comparison is None else _json_comparison(self.comparison),
        }


@dataclass
class QualityControl:
    """Checks files against `limits`, and against a master in the declared layout, the first of `layouts`, if given.

    layouts: the declared one, then those that the file could have been rendered in instead.
    """

    limits: Limits
    programme: Programme | None = None
    layouts: Sequence[Layout] = ()
    listener: str = "kemar"

    @cached_property
    def _master(self) -> MasterReport | None:
        """Read once, whatever the number of deliveries."""
        return None if self.programme is None else check_master(self.programme, self.layouts[0])

    def check(self, path: Path) -> Quality:
        """Raises AudioError when the file, the master or the listener cannot be used."""
        with open_sound(path) as sound:
            if sound.channels != 2:
                raise AudioError(f"{path}: {sound.channels} channels; give a binaural file of 2 channels")
            meter, rate = LevelMeter(sound.sample_rate, [1.0, 1.0]), sound.sample_rate
            for block in sound.blocks:
                if not np.isfinite(block).all():
                    raise AudioError(f"{path}: NaN or infinite samples; repair it or leave it out")
                meter.add(block.T)
        if self.programme is None:
            return Quality(self.limits, meter.levels)
        if path.suffix.lower() not in READABLE:
            raise AudioError(f"{path}: cannot be read piece by piece, as its master is; convert it to WAV or FLAC")
        comparison = compare(self.programme, self.layouts, load_listener(self.listener, rate), path)
        return Quality(self.limits, meter.levels, self._master, comparison)

    def check_all(self, paths: Iterable[Path]) -> tuple[dict[Path, Quality], list[Problem]]:
        """The quality of every file that can be checked, and why the others cannot."""
        found, problems = {}, []
        for path in paths:
            try:
                found[path] = self.check(path)
            except SpatialSwinError as error:
                problems.append(as_problem(path, error))
        return found, problems


def _levels(levels: Levels) -> str:
    return f"{levels.loudness:.1f} LKFS, {levels.true_peak:.1f} dBTP"


def _json_levels(levels: Levels) -> dict[str, Any]:
    return {"loudness_lkfs": _number(levels.loudness), "true_peak_dbtp": _number(levels.true_peak)}


def _json_master(master: MasterReport) -> dict[str, Any]:
    return {
        "kind": master.kind,
        "declared": list(master.declared.names),
        "bed": list(master.bed),
        "objects": master.objects,
        **_json_levels(master.levels),
        "missing": list(master.missing),
        "extra": list(master.extra),
        "silent": list(master.silent),
        "copied": [list(pair) for pair in master.copied],
        "copied_inverted": [list(pair) for pair in master.inverted],
        "all_mid": master.all_mid,
        "lfe_above_200_hz_db": _number(master.lfe_above),
    }


def _json_comparison(found: Comparison) -> dict[str, Any]:
    return {
        "listener": found.listener,
        "consistent": not found.differs_in,
        "differs_in": found.differs_in,
        "lag_ms": _number(found.lag * 1e3),
        "length_difference_s": _number(found.length_difference),
        "level_difference_db": _numbers(found.level_difference),
        "residual_db": _number(found.residual),
        "coherence": _number(found.mean_coherence),
        "coherence_by_layout": {code: _number(value) for code, value in found.fits.items()},
        "bands": {
            "centre_hz": _numbers(found.bands),
            "level_difference_db": {
                ear: _numbers(found.band_difference[k]) for k, ear in enumerate(("left", "right"))
            },
            "coherence": {ear: _numbers(found.coherence[k]) for k, ear in enumerate(("left", "right"))},
        },
    }


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), DIGITS)


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(float(value)) for value in values]
