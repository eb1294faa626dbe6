"""The page itself, in Gradio: one place to drop a file, a threshold, a choice of window, and what comes of it.

A predictor goes in, `gr.Blocks` come out, and `serve` puts them on this machine. Nothing leaves it: analytics are
off, the fonts are Gradio's own files, and the browser is told to fetch nothing from anywhere else. Answers come from
`app.answers`, their HTML from `app.fragments`; a problem with a file becomes a sentence in the page.
"""

import os
import socket
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from spatial_swin.errors import HubError, SpatialSwinError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

try:
    import gradio as gr
except ImportError:
    raise SpatialSwinError("the page needs Gradio, which is not installed: pip install 'spatial-swin[app]'") from None

from spatial_swin.app import fragments, notes
from spatial_swin.app.answers import Answer, answer, at_window
from spatial_swin.prediction.predictor import Predictor, load_predictor

VARIABLE = "SPATIAL_SWIN_MODEL"
TITLE = "Which layout was it mixed for?"
PLAYED = {".wav", ".flac", ".mp3", ".ogg", ".opus"}  # what browsers play
PLAYED_BYTES = 60e6  # a longer recording would be decoded whole in the browser
KEPT_SECONDS = (3600, 6 * 3600)  # look every hour, forget uploads after six
LARGEST = "6gb"  # a little over three hours of 96 kHz, 32 bit, two channels
NOWHERE_ELSE = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: data: blob:; worker-src 'self' blob:"
)
IDLE = (
    '<div class="ss-idle">The verdict appears here, below it the cues it was judged by and where the model looked.'
    "</div>"
)


class OnlyThisHost:
    """ASGI middleware that forbids the browser every other host, whatever a library's page would like to load."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", NOWHERE_ELSE.encode())]
            await send(message)

        await self.app(scope, receive, with_policy if scope["type"] == "http" else send)


def build_page(predictor: Predictor, name: str) -> gr.Blocks:
    """The page of one model; `name` is what people call it. One prediction runs at a time."""
    with gr.Blocks(title=f"{TITLE} {name}", analytics_enabled=False, delete_cache=KEPT_SECONDS) as page:
        gr.HTML(notes.head(predictor, TITLE, name))
        state = gr.State(None)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                upload = gr.File(label="Recording, or picture of its cues", elem_id="upload", height=190)
                player = gr.Audio(
                    label="Listen (headphones)", interactive=False, visible=False, buttons=[], elem_id="player"
                )
            with gr.Column(scale=6, min_width=300):
                verdict = gr.HTML(IDLE, elem_id="verdict")
                threshold = gr.Slider(
                    0,
                    1,
                    value=0,
                    step=0.05,
                    label="Least probability for a verdict",
                    elem_id="threshold",
                    info="Below it the page abstains.",
                )
        timeline = gr.HTML(visible=False, elem_id="timeline")
        window = gr.Slider(1, 2, value=1, step=1, label="Window shown", visible=False, elem_id="window")
        mosaic = gr.HTML(visible=False, elem_id="mosaic")
        with gr.Accordion("Relevance of each cue", open=True, visible=False, elem_id="relevance") as cues:
            table = gr.HTML()
        with gr.Accordion("Notes for experts", open=False, elem_id="notes"):
            gr.HTML(notes.notes(predictor))

        shown = [state, verdict, player, timeline, window, mosaic, cues, table]

        def show(given: Answer | str | None, least: float, path: str | None = None) -> list[Any]:
            """New values of `shown`, for an answer, a sentence about a problem, or nothing."""
            if not isinstance(given, Answer):
                said = IDLE if given is None else fragments.notice(given)
                hidden = gr.update(visible=False)
                return [None, said, gr.update(visible=False, value=None), hidden, hidden, hidden, hidden, ""]
            several = len(given.starts) > 1
            return [
                given,
                verdict_of(given, least),
                gr.update(visible=True, value=path) if path and played(given, path) else gr.update(visible=False),
                gr.update(visible=several, value=timeline_of(given)),
                gr.update(visible=several, maximum=max(2, len(given.starts)), value=given.shown + 1),
                gr.update(visible=True, value=mosaic_of(given)),
                gr.update(visible=True),
                table_of(given),
            ]

        def dropped(path: str | None, least: float, progress: Any = gr.Progress()) -> list[Any]:  # noqa: B008
            if path is None:
                return show(None, least)
            total, done = predictor.window_count(path), 0

            def tell(more: int) -> None:
                nonlocal done
                done += more
                progress((done, max(done, total or 1)), unit="windows")

            try:
                return show(answer(predictor, Path(path), tell), least, path)
            except SpatialSwinError as error:
                return show(without_folder(str(error), Path(path)), least)

        def moved(given: Answer | None, number: float) -> list[Any]:
            if given is None:
                return [gr.skip()] * 4
            try:
                given = at_window(predictor, given, int(number) - 1)
            except SpatialSwinError as error:  # the file was forgotten in the meantime
                return [given, gr.skip(), fragments.notice(without_folder(str(error), given.path)), gr.skip()]
            return [given, timeline_of(given), mosaic_of(given), table_of(given)]

        def decided(given: Answer | None, least: float) -> Any:
            return gr.skip() if given is None else verdict_of(given, least)

        gr.on(
            [upload.upload, upload.clear],
            dropped,
            [upload, threshold],
            shown,
            concurrency_id="model",
            concurrency_limit=1,
            show_progress_on=verdict,
            api_visibility="private",
        )
        window.release(
            moved,
            [state, window],
            [state, timeline, mosaic, table],
            concurrency_id="model",
            show_progress_on=mosaic,
            api_visibility="private",
        )
        threshold.change(decided, [state, threshold], verdict, show_progress="hidden", api_visibility="private")
    return page


def verdict_of(given: Answer, least: float) -> str:
    if not given.heard.any():
        return fragments.notice(f"{given.path.name}: every window is below -50 LUFS; there is nothing to judge")
    return fragments.verdict(given.class_names, given.probabilities, least, given.about, given.notes)


def timeline_of(given: Answer) -> str:
    return fragments.timeline(given.class_names, given.starts, given.seconds, given.windows, given.shown)


def mosaic_of(given: Answer) -> str:
    return fragments.mosaics(given.picture, given.relevance, given.regions, given.shares)


def table_of(given: Answer) -> str:
    return fragments.relevance_table(given.regions, given.shares, given.picture.shape[0])


def played(given: Answer, path: str) -> bool:
    file = Path(path)
    return given.is_sound and file.suffix.lower() in PLAYED and file.stat().st_size < PLAYED_BYTES


def without_folder(text: str, path: Path) -> str:
    """The sentence with the name the person knows, not with the folder the upload was put into."""
    return text.replace(str(path), path.name).replace(f"{path.parent}{os.sep}", "")


def serve(
    page: gr.Blocks,
    host: str | None,
    port: int | None,
    share: bool = False,
    only_here: bool = True,
    block: bool = True,
) -> str:
    """Serve `page` and return its address; with `only_here` the browser is forbidden every other host.

    Raises:
        SpatialSwinError: the port is taken, or the host is not one of this machine.
    """
    from starlette.middleware import Middleware

    _no_proxy_to_ourselves()
    middleware = [Middleware(OnlyThisHost)] if only_here else []
    try:
        _, local, _ = page.queue(max_size=16).launch(
            server_name=host,
            server_port=_free_port(host) if port == 0 else port,
            share=share,
            inbrowser=False,
            quiet=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            footer_links=[],
            run_history=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            max_file_size=LARGEST,
            theme=theme(),
            css=style_sheet(),
            app_kwargs={"middleware": middleware},
        )
    except OSError as error:
        reason = str(error).split(". ")[0]
        raise SpatialSwinError(
            f"the page cannot be served at {host} ({reason}); choose another --port or --host"
        ) from None
    if block:
        page.block_thread()
    return local


def _free_port(host: str | None) -> int:
    with socket.socket() as probe:
        probe.bind((host or "127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _no_proxy_to_ourselves() -> None:
    """Gradio asks its own address whether it stands; a proxy in the environment would be asked in its place."""
    for name in ("NO_PROXY", "no_proxy"):
        known = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join(dict.fromkeys([*known, "localhost", "127.0.0.1", "::1"]))


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


def page_of_environment() -> gr.Blocks:
    """The page of the model that SPATIAL_SWIN_MODEL names: a folder, or an id on the Hub, which is then downloaded.

    Raises:
        SpatialSwinError: the variable is not set, or the model cannot be fetched.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if not named:
        raise SpatialSwinError(f"{VARIABLE} is not set; set it to the id of a model on the Hub, or to a model folder")
    folder = Path(named)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        try:
            folder = Path(snapshot_download(named, allow_patterns=["*.json", "*.safetensors"]))
        except (OSError, ValueError) as error:  # the Hub library's own errors are of these kinds
            raise HubError(f"{named}: the model cannot be fetched ({str(error).strip().splitlines()[0]})") from None
    return build_page(load_predictor(folder), named if not Path(named).is_dir() else folder.name)


def serve_space(page: gr.Blocks) -> None:
    """Serve as a Space expects: address and port from Gradio's variables, free to be framed by the Hub's page."""
    serve(page, None, None, only_here="SPACE_ID" not in os.environ)
