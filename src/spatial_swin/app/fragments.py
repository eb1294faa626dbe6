"""What the page shows, as HTML: verdict, probabilities, timeline, mosaic under its relevance, relevance of each cue.

Numbers and pixels go in, text goes out. Letters stay HTML, so that they are as large on a telephone as on a wide
screen and follow the reader's own theme; only pixels are pictures. Every name that comes from a file is escaped.
Nothing here computes a probability, and nothing refers to another server.
"""

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO

import matplotlib
import numpy as np
from PIL import Image

from spatial_swin.evaluation import domain_words
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.domain import Domain
from spatial_swin.evaluation.explanation import REST, Region
from spatial_swin.evaluation.steps import in_words, steps_of
from spatial_swin.layouts import title_of
from spatial_swin.reporting import style

HEAT = "inferno"  # as in the figures of `spatial-swin explain`
STRETCHES = 400  # of a timeline; more windows than this share a stretch


def notice(text: str) -> str:
    """A sentence, or several, about a file that cannot be judged."""
    head, *rest = (line.strip() for line in text.strip().splitlines())
    items = "".join(f"<li>{escape(line.removeprefix('- '))}</li>" for line in rest)
    more = f"<ul>{items}</ul>" if items else ""
    return f'<div class="ss-notice" role="alert"><p>{escape(head)}</p>{more}</div>'


def verdict(
    class_names: Sequence[str],
    probabilities: np.ndarray,
    threshold: float,
    about: str,
    notes: Sequence[str] = (),
    sets: PredictionSets | None = None,
) -> str:
    """The answer in large letters, or that there is none below `threshold`; probabilities float [K].

    Below it the verdict in two steps, where the classes have families, and the prediction set, where there are sets.
    """
    best = int(np.argmax(probabilities))
    name, value = class_names[best], float(probabilities[best])
    code = f" <span class='ss-code'>{escape(name)}</span>" if title_of(name) != name else ""
    if value < threshold:
        head = '<p class="ss-answer ss-none">No verdict</p>'
        sentence = f"The most likely layout, {escape(title_of(name))}, has {value:.2f}; you asked for {threshold:.2f}."
    else:
        head = f'<p class="ss-answer">{escape(title_of(name))}{code}</p>'
        sentence = f"Probability {value:.2f}. {escape(about)}"
    remarks = "".join(f'<p class="ss-remark">{escape(note)}</p>' for note in notes)
    shares, known = bars(class_names, probabilities, threshold), _known(class_names, probabilities, threshold, sets)
    return f'<div class="ss-verdict">{head}<p>{sentence}</p>{known}{shares}{remarks}</div>'


def domain(learnt: Domain | None) -> str:
    """What the model learnt from: a line that unfolds to the whole statement."""
    if learnt is None:
        return f'<p class="ss-remark">{escape(domain_words.NOTHING_TOLD)}</p>'
    whole, line = domain_words.in_words(learnt), domain_words.in_short(learnt)
    return f'<details class="ss-remark"><summary>{escape(line)}</summary>{escape(whole)}</details>'


def _known(
    class_names: Sequence[str], probabilities: np.ndarray, threshold: float, sets: PredictionSets | None
) -> str:
    """The steps and the set, each as a line; nothing where the model has neither."""
    lines = []
    if steps := steps_of(probabilities, class_names, threshold):
        lines.append(f"<p>In steps: {escape(in_words(steps))}.</p>")
    if sets is not None:
        labels = [title_of(name) for name in sets.names(probabilities, class_names)]
        rest = "no layout can be ruled out" if len(labels) == len(class_names) else "the others are ruled out"
        lines.append(f"<p>{sets.coverage:.0%} set: <b>{escape(', '.join(labels))}</b>; {rest} at this level.</p>")
    return "".join(lines)


def bars(class_names: Sequence[str], probabilities: np.ndarray, threshold: float) -> str:
    """One bar per class, most likely first, with the threshold as a line through them."""
    order = np.argsort(-probabilities, kind="stable")
    mark = f'<i style="left:{100 * threshold:.1f}%"></i>' if threshold > 0 else ""
    rows = "".join(
        f'<div class="ss-bar"><span class="ss-name">{escape(title_of(class_names[k]))}</span>'
        f'<span class="ss-track"><b style="width:{100 * probabilities[k]:.2f}%;background:{style.colour(k)}"></b>'
        f'{mark}</span><span class="ss-value">{probabilities[k]:.2f}</span></div>'
        for k in order
    )
    return f'<div class="ss-bars">{rows}</div>'


def timeline(
    class_names: Sequence[str], starts: np.ndarray, seconds: float, probabilities: np.ndarray, shown: int
) -> str:
    """Stacked probabilities of the windows of a recording: starts [W] s, probabilities [W, K]; nothing for one."""
    if len(starts) < 2:
        return ""
    stretches = _stretches(probabilities)
    width = 1000 / len(stretches)
    shapes = []
    for number, row in enumerate(stretches):
        top = 1.0
        for k, value in enumerate(row):
            top -= float(value)
            shapes.append(
                f'<rect x="{number * width:.2f}" width="{width + 0.3:.2f}" y="{1000 * max(top, 0):.1f}" '
                f'height="{1000 * float(value):.1f}" fill="{style.colour(k)}"/>'
            )
    keys = "".join(
        f'<span><b style="background:{style.colour(k)}"></b>{escape(title_of(name))}</span>'
        for k, name in enumerate(class_names)
    )
    end = float(starts[-1]) + seconds
    place = 100 * (shown + 0.5) / len(starts)
    share = 100 / len(starts)
    ticks = "".join(f"<span>{clock(end * part)}</span>" for part in (0, 0.25, 0.5, 0.75, 1))
    return (
        f'<div class="ss-timeline"><h3>Probabilities along the recording</h3><div class="ss-keys">{keys}</div>'
        '<div class="ss-plot"><div class="ss-axis"><span>1</span><span>0.5</span><span>0</span></div>'
        f'<div class="ss-canvas"><svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" '
        f'aria-label="probabilities of {len(starts)} windows">{"".join(shapes)}</svg>'
        f'<i style="left:{place - share / 2:.2f}%;width:max({share:.2f}%, 4px)"></i></div></div>'
        f'<div class="ss-ticks">{ticks}</div>'
        f"<p class='ss-remark'>{len(starts)} windows of {seconds:g} s; the framed one is shown below.</p></div>"
    )


def _stretches(probabilities: np.ndarray) -> np.ndarray:
    """Means of neighbouring windows, at most STRETCHES rows."""
    if len(probabilities) <= STRETCHES:
        return probabilities
    return np.stack([part.mean(axis=0) for part in np.array_split(probabilities, STRETCHES)])


def clock(seconds: float) -> str:
    """ "7.5 s", "1:05" or "2:03:00"."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def mosaics(picture: np.ndarray, relevance: np.ndarray, regions: Sequence[Region], shares: np.ndarray) -> str:
    """The picture with the names of its tiles, and the same under its relevance with each tile's multiple.

    picture: uint8 [S, S] or [S, S, 3]; relevance: [h, w] summing to 1; shares: [R] of `regions`.
    """
    size = picture.shape[0]
    factors = multiples(regions, shares, size)
    named = [
        (r, f"{escape(_title(r))}", f"{_title(r)}: {f:.2f} times its even share")
        for r, f in zip(regions, factors, strict=True)
    ]
    weighed = [
        (r, f"×{f:.2f}", f"{_title(r)}: {f:.2f} times its even share") for r, f in zip(regions, factors, strict=True)
    ]
    low, high = _limits(relevance)
    return (
        '<div class="ss-pair">'
        f"<figure><figcaption>What the model was shown</figcaption>{_tiled(_data_url(picture), named, size)}"
        '<p class="ss-remark">Time runs to the right, low frequency is at the bottom; every tile has a fixed scale.'
        "</p></figure>"
        "<figure><figcaption>Where it looked</figcaption>"
        f"{_tiled(_data_url(overlay(picture, relevance)), weighed, size)}"
        f'<div class="ss-scale"><span>×{low:.2f}</span><b style="background:{_gradient()}"></b>'
        f'<span>×{high:.2f}</span></div><p class="ss-remark">Attention relevance, times the even share: colours of '
        "patches, numbers of tiles.</p></figure></div>"
    )


def multiples(regions: Sequence[Region], shares: np.ndarray, size: int) -> np.ndarray:
    """Relevance of each region over its share of the area, [R]; 1 is neither more nor less than any other place."""
    areas = np.array([r.width * r.height for r in regions]) / size**2
    areas = np.where(areas > 0, areas, max(1 - areas.sum(), 1e-9))  # the rest has no rectangle
    return shares / areas


def overlay(picture: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """The picture under its relevance as uint8 [S, S, 3]; what is relevant covers the picture."""
    size = picture.shape[0]
    grey = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    low, high = _limits(relevance)
    strength = np.clip((relevance * relevance.size - low) / (high - low), 0, 1)
    strength = np.asarray(Image.fromarray(strength.astype(np.float32)).resize((size, size), Image.Resampling.NEAREST))
    heat = matplotlib.colormaps[HEAT](strength)[..., :3] * 255
    cover = (0.3 + 0.55 * strength)[..., None]
    return (cover * heat + (1 - cover) * grey).round().astype(np.uint8)


def relevance_table(regions: Sequence[Region], shares: np.ndarray, size: int) -> str:
    """The regions by relevance: share of the whole, and times the even share."""
    factors = multiples(regions, shares, size)
    most = max(float(factors.max()), 1.0)
    rows = "".join(
        f"<tr><td>{escape(_title(regions[i]))}</td><td class='ss-number'>{100 * shares[i]:.1f} %</td>"
        f"<td class='ss-number'>×{factors[i]:.2f}</td><td class='ss-wide'><span class='ss-track'>"
        f'<b style="width:{100 * factors[i] / most:.1f}%"></b><i style="left:{100 / most:.1f}%"></i></span></td></tr>'
        for i in np.argsort(-factors, kind="stable")
    )
    return (
        '<table class="ss-table"><thead><tr><th>Cue</th><th class="ss-number">Share</th>'
        f'<th class="ss-number">× even</th><th class="ss-wide"></th></tr></thead><tbody>{rows}</tbody></table>'
        '<p class="ss-remark">The line marks the even share. Attention is not cause: '
        "<code>spatial-swin explain</code> checks it by hiding each cue.</p>"
    )


def _title(region: Region) -> str:
    return "Outside the tiles" if region.name == REST else region.title


def _limits(relevance: np.ndarray) -> tuple[float, float]:
    """The same colour scale as the figures of an explanation: single patches may stand out, not rule."""
    low, high = np.percentile(relevance * relevance.size, [1, 99.7])
    return float(low), float(max(high, low + 1e-6))


def _gradient() -> str:
    stops = [matplotlib.colors.to_hex(matplotlib.colormaps[HEAT](part)) for part in np.linspace(0, 1, 7)]
    return f"linear-gradient(90deg,{','.join(stops)})"


def _tiled(source: str, labels: Sequence[tuple[Region, str, str]], size: int) -> str:
    """A picture with a box over each region; (region, text that is already HTML, tooltip)."""
    boxes = "".join(
        f'<span style="left:{100 * r.x / size:.3f}%;top:{100 * r.y / size:.3f}%;width:{100 * r.width / size:.3f}%;'
        f'height:{100 * r.height / size:.3f}%" title="{escape(tip)}"><em>{text}</em></span>'
        for r, text, tip in labels
        if r.name != REST
    )
    return f'<div class="ss-mosaic"><img src="{source}" alt="mosaic of cue maps">{boxes}</div>'


def _data_url(pixels: np.ndarray) -> str:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
