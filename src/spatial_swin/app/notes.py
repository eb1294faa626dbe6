"""The words of the page: what it is, what the layouts are, how to read it and how far to trust it, as HTML."""

from html import escape

from spatial_swin.evaluation.domain_words import in_words
from spatial_swin.layouts import LAYOUTS, title_of
from spatial_swin.prediction.predictor import Predictor


def head(predictor: Predictor, title: str, name: str, limits: str) -> str:
    layouts = ", ".join(escape(title_of(c)) for c in predictor.class_names)
    return (
        f'<div class="ss-head"><h1>{escape(title)}</h1>'
        "<p>Drop a binaural recording (two channels, for headphones): WAV, FLAC, AIFF, OGG or MP3, 32 kHz or more, "
        f"at most {escape(limits)}. "
        f"The model distinguishes {layouts}.</p>"
        f'<p class="ss-model">Model {escape(name)}, pictures of {predictor.image_size} × {predictor.image_size}. '
        "The file stays on the machine that serves this page, and is removed there once it is judged.</p></div>"
    )


def notes(predictor: Predictor) -> str:
    return (
        f'<div class="ss-notes">{_layouts(predictor.class_names)}'
        f"<p><b>Probabilities.</b> {_calibration(predictor)} They hold for recordings like those of the "
        "validation part: other rooms, listeners and kinds of programme can make them too confident. A long "
        "recording is cut into windows; its verdict is the mean of their probabilities.</p>"
        f"<p><b>What it learnt from.</b> {escape(in_words(predictor.domain))}</p>"
        "<p><b>Threshold.</b> Below it the page gives no verdict. For quality control choose it from the "
        "risk-coverage or reliability figure of the run's report, not by eye.</p>"
        "<p><b>Mosaic.</b> Sound is brought to -23 LUFS by one gain for both ears, then every tile shows one binaural "
        "cue on a fixed scale: the same grey means the same value in every picture.</p>"
        "<p><b>Relevance.</b> Attention rollout through every block and merging: how much of the pooled tokens can "
        "have come from a patch. Values and MLPs are left out, and shifted windows mix neighbouring tiles.</p></div>"
    )


def _calibration(predictor: Predictor) -> str:
    if predictor.temperature is None:
        return "The plain softmax of the model: no temperature was fitted."
    text = f"The softmax of the model at the temperature {predictor.temperature:.2f}, fitted on the validation part."
    return f"{text} Caution: {escape(predictor.caution)}." if predictor.caution else text


def _layouts(class_names: list[str]) -> str:
    """What the layouts among the classes are, with their loudspeakers; nothing when none is known."""
    known = [LAYOUTS[name] for name in class_names if name in LAYOUTS]
    if not known:
        return ""
    rows = "".join(
        f"<tr><td>{escape(layout.code)}</td><td>{escape(layout.title)}</td>"
        f"<td>{escape(' '.join(layout.names))}</td></tr>"
        for layout in known
    )
    return (
        "<table><thead><tr><th>Code</th><th>Layout</th><th>Loudspeakers (ITU-R BS.2051)</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        "<p>M is the layer of the ears, U the one above; the number is the azimuth in degrees, + to the left.</p>"
    )
