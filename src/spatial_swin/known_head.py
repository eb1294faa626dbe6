"""The one head that a model was adapted to: sound as that head heard it in, logits out.

A model of many heads has to guess what a head does to sound; who was told it need not. `audio.arrivals` says from
which loudspeakers the sound comes, given the head, and a logistic regression on that tells the layouts apart. It looks
at the sound itself and so has nothing to say of a picture. How much it has to say, its file tells, which lies beside
the weights; without it a model answers as before.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatial_swin import files
from spatial_swin.audio.arrivals import BANDS, PLACES, VERSION, WINDOW, arrivals
from spatial_swin.errors import RunError
from spatial_swin.evaluation.calibration import softmax
from spatial_swin.evaluation.opinions import KNOWN_HEAD, with_second_opinion

SAY = 0.65  # chosen by CIPIC 009 and 044 (docs/adapt.md)
FLOOR = 0.01  # share of a place; below it all are nothing
STRENGTH = 0.03  # of the regression, inverse to its ridge
LEAST_SCALE = 1e-3


@dataclass(frozen=True)
class KnownHead:
    """patterns: of `audio.arrivals`. mean, scale [F], weights [K, F] and bias [K] of the regression, whose rows are
    `layouts`; say: its share in an answer; sample_rate: of the sound, in Hz."""

    patterns: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    layouts: Sequence[str]
    sample_rate: int
    say: float = SAY

    def hear(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """Arrivals float32 [B, BANDS, PLACES + 1] of clips float32 [2, N] each."""
        return np.stack([arrivals(sound, self.sample_rate, self.patterns) for sound in sounds])

    def shares(self, heard: np.ndarray) -> np.ndarray:
        """Probabilities of the layouts, float64 [B, K], of what `hear` gives."""
        shares: np.ndarray = softmax((_features(heard) - self.mean) / self.scale @ self.weights.T + self.bias)
        return shares

    def decide(self, logits: np.ndarray, heard: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
        """Logits float64 [B, C] of the other models, whose classes are `class_names`, with what this one says."""
        at = [class_names.index(layout) for layout in self.layouts]
        return with_second_opinion(logits, self.shares(heard), at, self.say)

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save

        named = {name: getattr(self, name) for name in ("patterns", "mean", "scale", "weights", "bias")}
        tensors = {name: np.ascontiguousarray(array, np.float32) for name, array in named.items()}  # as they are read
        about = {
            "layouts": json.dumps(list(self.layouts)),
            "say": repr(self.say),
            "sample_rate": str(self.sample_rate),
            "arrivals": str(VERSION),
        }
        files.write_bytes(folder / KNOWN_HEAD, save(tensors, about))


def read_known_head(folder: Path, class_names: Sequence[str]) -> KnownHead:
    """What the model in `folder` knows of its head. Raises RunError for a damaged file."""
    file = folder / KNOWN_HEAD
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:
            about = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        head = _of_file(about, tensors)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(f"{file}: damaged or of another version ({reason}); copy the model's folder again") from None
    if unknown := sorted(set(head.layouts) - set(class_names)):
        raise RunError(f"{file}: answers {', '.join(unknown)}, which the model does not know; it is of another model")
    return head


def _of_file(about: dict[str, str], tensors: dict[str, np.ndarray]) -> KnownHead:
    """Raises ValueError, KeyError or TypeError for what `save` did not write."""
    if about["arrivals"] != str(VERSION):
        raise ValueError(f"it reads arrivals of version {about['arrivals']}, this program makes {VERSION}")
    layouts, features = list(map(str, json.loads(about["layouts"]))), BANDS * (PLACES + 1)
    shapes = {
        "patterns": (PLACES, 4, WINDOW // 2 + 1),
        "mean": (features,),
        "scale": (features,),
        "weights": (len(layouts), features),
        "bias": (len(layouts),),
    }
    for name, shape in shapes.items():
        if tensors[name].shape != shape or not np.isfinite(tensors[name]).all():
            raise ValueError(f"its {name} are not {shape} finite numbers")
    say, rate = float(about["say"]), int(about["sample_rate"])
    if not 0 <= say <= 1 or tensors["scale"].min() <= 0 or rate <= 0:
        raise ValueError("a say, a scale or a rate is none")
    mean, scale, weights, bias = (tensors[name].astype(np.float64) for name in ("mean", "scale", "weights", "bias"))
    return KnownHead(tensors["patterns"], mean, scale, weights, bias, layouts, rate, say)


def learn_head(patterns: np.ndarray, heard: np.ndarray, labels: Sequence[str], sample_rate: int) -> KnownHead:
    """What tells the layouts apart for the head of `patterns`, of the arrivals [N, ...] of pictures with `labels`.

    The same arrivals give the same. Needs two layouts or more.
    """
    from sklearn.linear_model import LogisticRegression

    layouts = sorted(set(labels))
    features = _features(heard)
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), LEAST_SCALE)
    model = LogisticRegression(C=STRENGTH, max_iter=1000)
    model.fit((features - mean) / scale, [layouts.index(label) for label in labels])
    weights, bias = model.coef_, model.intercept_
    if len(layouts) == 2:  # scikit-learn gives the second's row alone
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return KnownHead(patterns, mean, scale, weights, bias, layouts, sample_rate)


def _features(heard: np.ndarray) -> np.ndarray:
    """Arrivals [N, BANDS, PLACES + 1] as the regression takes them, float64 [N, F]."""
    return np.log(np.asarray(heard, np.float64) + FLOOR).reshape(len(heard), -1)
