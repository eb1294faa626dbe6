"""What the validation part says of how far answers can be trusted: its predictions and split in, prediction sets out.

`spatial-swin evaluate` stores them beside the weights, a report and an upload fit the same from the same files. The
test part is never looked at, and nothing is written here.
"""

from collections.abc import Sequence
from dataclasses import replace

from spatial_swin.audio.virtual_heads import measured_name
from spatial_swin.data.factors import CHUNK_NAME
from spatial_swin.evaluation.calibration import apply_temperature
from spatial_swin.evaluation.combining import choose_rule
from spatial_swin.evaluation.conformal import PredictionSets, fit_sets
from spatial_swin.runs import Predictions, Sample

PROGRAMME = ("programme", "content", "recording")  # factors that name what was played, the first that is there


def sets_of(held: Predictions, samples: Sequence[Sample], temperature: float) -> PredictionSets:
    """The prediction sets that the validation predictions `held` come to at `temperature`, and the rule for windows.

    samples: of the split, which tells programme, listener and laboratory of a path; where it does not tell the
    programme, the group of the split stands for it.
    """
    programmes = next((found for name in PROGRAMME if (found := factor_of(held, samples, name))), held.groups)
    calibrated = apply_temperature(held.probabilities, temperature)
    sets = fit_sets(
        held.labels,
        calibrated,
        temperature,
        programmes,
        factor_of(held, samples, "listener"),
        factor_of(held, samples, "laboratory"),
        factor_of(held, samples, "condition"),
    )
    recordings = [CHUNK_NAME.sub("", path) for path in held.paths]
    return replace(sets, windows=choose_rule(held.labels, calibrated, recordings))


def factor_of(said: Predictions, samples: Sequence[Sample], name: str) -> list[str] | None:
    """The value of a factor for every item, None where one is missing; a virtual head is whom it was made from."""
    values = {sample.path: sample.factors.get(name, "") for sample in samples}
    found = [values.get(path, "") for path in said.paths]
    if not all(found):
        return None
    return [measured_name(value) for value in found] if name == "listener" else found
