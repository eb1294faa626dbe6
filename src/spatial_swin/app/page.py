"""The page itself, in Gradio: one place to drop a file, a threshold, a choice of window, and what comes of it.

A predictor goes in, a `Page` comes out, which `app.serving` puts on this machine. Nothing leaves it: analytics are off
and the fonts are the reader's own. Answers come from `app.answers`, their HTML from `app.fragments`; a problem with a
file becomes a sentence in the page. Several files are judged in turns; an upload is removed once it is answered.
"""

import os
from dataclasses import dataclass
from functools import partial
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from spatial_swin.errors import SpatialSwinError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

try:
    import gradio as gr
except ImportError:
    raise SpatialSwinError("the page needs Gradio, which is not installed: pip install 'spatial-swin[app]'") from None

from spatial_swin.app import fragments, notes
from spatial_swin.app.answers import Answer, answer, at_window
from spatial_swin.app.turns import Left, Turns
from spatial_swin.app.uploads import Uploads
from spatial_swin.prediction.predictor import Predictor

TITLE = "Which layout was it mixed for?"
PLAYED = {".wav", ".flac", ".mp3", ".ogg", ".opus"}  # what browsers play
IDLE = (
    '<div class="ss-idle">The verdict appears here, below it the cues it was judged by and where the model looked.'
    "</div>"
)
# The visitor's own file is played from where it lies on their side: nothing has to come back from the server.
REMEMBER = """() => {
  const keep = (files) => {
    if (!files || !files.length) return;
    if (window.ssDropped) URL.revokeObjectURL(window.ssDropped);
    window.ssDropped = URL.createObjectURL(files[0]);
  };
  const ours = (event) => event.target.closest && event.target.closest("#upload");
  document.addEventListener("change", (event) => ours(event) && keep(event.target.files), true);
  document.addEventListener("drop", (event) => ours(event) && keep(event.dataTransfer.files), true);
}"""
PLAY = """() => {
  const player = document.querySelector("#player audio");
  if (player && window.ssDropped) player.src = window.ssDropped;
}"""


@dataclass(frozen=True)
class Limits:
    """What one file may be: seconds of sound, and bytes."""

    seconds: float = 3600.0
    bytes: int = 2_000_000_000

    def __str__(self) -> str:
        return f"{self.seconds / 60:g} minutes and {self.bytes / 1e6:g} MB"


@dataclass(frozen=True)
class Page:
    """Gradio's blocks with what stands behind them."""

    blocks: gr.Blocks
    turns: Turns
    uploads: Uploads
    limits: Limits

    def close(self) -> None:
        """End the work, the server, and the uploads."""
        self.turns.close()
        self.blocks.close(verbose=False)
        self.uploads.close()


@dataclass(frozen=True)
class Desk:
    """The page's functions: what a visitor dropped or chose comes in, new values of `shown` go out."""

    predictor: Predictor
    turns: Turns
    uploads: Uploads
    limits: Limits

    def dropped(
        self,
        path: str | None,
        least: float,
        request: gr.Request,
        progress: Any = gr.Progress(),  # noqa: B008  # Gradio's way
    ) -> list[Any]:
        """Judge what was dropped, or clear the page."""
        if path is None:
            self.turns.leave(_session(request))
            return shown_of(None, least)
        total, judged = self.predictor.window_count(path), 0

        def on_window() -> None:
            nonlocal judged
            judged += 1
            others = len(self.turns) - 1
            desc = f"in turns with {others} other{'s' * (others > 1)}" if others else None
            progress((judged, max(judged, total or 1)), desc=desc, unit="windows")

        file = Path(path)
        try:
            with self.uploads.held(file), self.turns.visit(_session(request)) as visit:
                if others := len(self.turns) - 1:
                    progress((0, max(1, total or 1)), desc=f"waiting; {others} before you", unit="windows")
                turn = partial(self.turns.turn, visit)
                return shown_of(answer(self.predictor, file, on_window, turn, self.limits.seconds), least)
        except SpatialSwinError as error:
            return shown_of(without_folder(str(error), file), least)
        except Left:
            return [gr.skip()] * 8

    def moved(self, given: Answer | None, number: float, request: gr.Request) -> list[Any]:
        """Look into another window."""
        if given is None:
            return [gr.skip()] * 4
        try:
            with self.turns.visit(f"{_session(request)} looks") as visit:
                given = at_window(self.predictor, given, int(number) - 1, partial(self.turns.turn, visit))
        except SpatialSwinError as error:
            return [given, gr.skip(), fragments.notice(str(error)), gr.skip()]
        except Left:
            return [gr.skip()] * 4
        return [given, timeline_of(given), mosaic_of(given), table_of(given)]

    def decided(self, given: Answer | None, least: float) -> Any:
        """Apply another threshold."""
        return gr.skip() if given is None else verdict_of(given, least)


def build_page(predictor: Predictor, name: str, limits: Limits | None = None) -> Page:
    """The page of one model; `name` is what people call it."""
    limits = limits or Limits()
    desk = Desk(predictor, Turns(), Uploads(), limits)
    with gr.Blocks(title=f"{TITLE} {name}", analytics_enabled=False) as blocks:
        gr.HTML(notes.head(predictor, TITLE, name, str(limits)))
        state = gr.State(None)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                upload = gr.File(label="Recording, or picture of its cues", elem_id="upload", height=190)
                player = gr.HTML("<audio controls></audio>", visible=False, elem_id="player")
            with gr.Column(scale=6, min_width=300):
                verdict = gr.HTML(IDLE, elem_id="verdict")
                least: dict[str, Any] = {
                    "label": "Least probability for a verdict",
                    "info": "Below it the page abstains.",
                }
                threshold = gr.Slider(0, 1, value=0, step=0.05, elem_id="threshold", **least)
        timeline = gr.HTML(visible=False, elem_id="timeline")
        window = gr.Slider(1, 2, value=1, step=1, label="Window shown", visible=False, elem_id="window")
        mosaic = gr.HTML(visible=False, elem_id="mosaic")
        with gr.Accordion("Relevance of each cue", open=True, visible=False, elem_id="relevance") as cues:
            table = gr.HTML()
        with gr.Accordion("Notes for experts", open=False, elem_id="notes"):
            gr.HTML(notes.notes(predictor))
        shown = [state, verdict, player, timeline, window, mosaic, cues, table]
        # visitors share the model by `Turns`, not by Gradio's queue; a second drop of the same one ends the first
        private: dict[str, Any] = {"concurrency_limit": None, "trigger_mode": "multiple", "api_visibility": "private"}
        blocks.load(None, js=REMEMBER)
        gr.on(
            [upload.upload, upload.clear],
            desk.dropped,
            [upload, threshold],
            shown,
            show_progress_on=verdict,
            **private,
        ).then(None, js=PLAY)
        window.release(
            desk.moved, [state, window], [state, timeline, mosaic, table], show_progress_on=mosaic, **private
        )
        threshold.change(desk.decided, [state, threshold], verdict, show_progress="hidden", **private)
    return Page(blocks, desk.turns, desk.uploads, limits)


def shown_of(given: Answer | str | None, least: float) -> list[Any]:
    """New values of everything shown, for an answer, a sentence about a problem, or nothing."""
    hidden = gr.update(visible=False)
    if not isinstance(given, Answer):
        return [None, IDLE if given is None else fragments.notice(given), *[hidden] * 5, ""]
    several = len(given.starts) > 1
    return [
        given,
        verdict_of(given, least),
        gr.update(visible=Path(given.name).suffix.lower() in PLAYED),
        gr.update(visible=several, value=timeline_of(given)),
        gr.update(visible=several, maximum=max(2, len(given.starts)), value=given.shown + 1),
        gr.update(visible=True, value=mosaic_of(given)),
        gr.update(visible=True),
        table_of(given),
    ]


def verdict_of(given: Answer, least: float) -> str:
    if not given.heard.any():
        return fragments.notice(f"{given.name}: every window is below -50 LUFS; there is nothing to judge")
    said = fragments.verdict(given.class_names, given.probabilities, least, given.about, given.notes, given.sets)
    return said + fragments.domain(given.domain)


def timeline_of(given: Answer) -> str:
    return fragments.timeline(given.class_names, given.starts, given.seconds, given.windows, given.shown)


def mosaic_of(given: Answer) -> str:
    return fragments.mosaics(*given.look)


def table_of(given: Answer) -> str:
    return fragments.relevance_table(given.look.regions, given.look.shares, len(given.look.picture))


def without_folder(text: str, path: Path) -> str:
    """The sentence with the name the person knows, not with the folder the upload was put into."""
    return text.replace(str(path), path.name).replace(f"{path.parent}{os.sep}", "")


def _session(request: gr.Request) -> str:
    return request.session_hash or ""


def theme() -> gr.themes.Base:
    """Quiet, legible in light and dark, in the reader's own typefaces: no font is fetched."""
    base = gr.themes.Base(
        primary_hue="blue",
        neutral_hue="zinc",
        radius_size="sm",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return base.set(
        body_text_color_subdued="*neutral_600",
        block_label_text_color="*neutral_700",
        block_title_text_color="*neutral_800",
        block_info_text_color="*neutral_600",
        slider_color="*primary_600",
        block_border_color="*neutral_300",
        border_color_primary="*neutral_300",
    )


def style_sheet() -> str:
    return (package_files("spatial_swin.app") / "page.css").read_text(encoding="utf-8")
