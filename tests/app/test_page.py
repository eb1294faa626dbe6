"""The page judges what is dropped, says what is wrong in a sentence, serves several visitors and keeps nothing."""

import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

gr = pytest.importorskip("gradio")

from spatial_swin.app.page import Limits, Page, build_page  # noqa: E402  # needs Gradio
from spatial_swin.app.serving import serve  # noqa: E402
from spatial_swin.errors import SpatialSwinError  # noqa: E402
from spatial_swin.prediction.predictor import Predictor, load_predictor  # noqa: E402

SPACE = Path(__file__).parents[2] / "space"
ME = SimpleNamespace(session_hash="me")


@pytest.fixture
def page(model_folder: Path) -> Iterator[Page]:
    made = build_page(load_predictor(model_folder, "cpu"), "runs/first")
    yield made
    made.close()


def handler(page: Page, name: str) -> Callable[..., Any]:
    """The function that the page calls on an event."""
    return next(f.fn for f in page.blocks.fns.values() if getattr(f.fn, "__name__", "") == name)


def test_a_dropped_recording_is_judged(page: Page, make_sound: Callable[..., Path]) -> None:
    path = make_sound("take.wav", 2.0)
    answer, verdict, player, timeline, window, mosaic, cues, table = handler(page, "dropped")(str(path), 0.0, ME)
    assert "Probability" in verdict
    assert player["visible"]
    assert timeline["visible"]
    assert "2 windows" in timeline["value"]
    assert (window["maximum"], window["value"]) == (2, answer.shown + 1)
    assert mosaic["value"].count("data:image/png") == 2
    assert cues["visible"]
    assert table.count("<tr>") == 17
    path.unlink()  # another window needs no recording any more
    moved = handler(page, "moved")(answer, 2 - answer.shown, ME)
    assert moved[0].shown == 1 - answer.shown
    assert moved[2] != mosaic["value"]


def test_the_threshold_turns_a_verdict_into_none(page: Page, make_sound: Callable[..., Path]) -> None:
    answer, *_ = handler(page, "dropped")(str(make_sound("take.wav")), 0.0, ME)
    best = float(np.max(answer.probabilities))
    decided = handler(page, "decided")
    assert "No verdict" not in decided(answer, best - 0.01)
    assert "No verdict" in decided(answer, best + 0.01)


def test_a_problem_is_a_sentence_in_the_page_and_hides_the_last_answer(
    page: Page, make_sound: Callable[..., Path]
) -> None:
    path = make_sound("mono.wav", channels=1)
    answer, verdict, player, timeline, *_, table = handler(page, "dropped")(str(path), 0.0, ME)
    assert answer is None
    assert "mono.wav: 1 channel; give a binaural file of 2 channels" in verdict
    assert str(path.parent) not in verdict
    assert not player["visible"]
    assert not timeline["visible"]
    assert table == ""


def test_a_recording_longer_than_the_limit_is_refused_with_its_length(
    model_folder: Path, make_sound: Callable[..., Path]
) -> None:
    page = build_page(load_predictor(model_folder, "cpu"), "first", Limits(seconds=120.0))
    try:
        _, verdict, *_ = handler(page, "dropped")(str(make_sound("long.wav", 150.0, rate=32_000)), 0.0, ME)
    finally:
        page.close()
    assert "long.wav: 2.5 minutes of sound; this page takes at most 2" in verdict


def test_a_name_cannot_put_anything_into_the_page(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    path.write_text("no picture")
    _, verdict, *_ = handler(page, "dropped")(str(path), 0.0, ME)
    assert "<img" not in verdict
    assert "&lt;img src=x" in verdict


def test_nothing_is_measured_and_nothing_is_public_by_default(page: Page) -> None:
    assert page.blocks.analytics_enabled is False
    assert page.blocks.share is False


def test_a_port_in_use_is_an_error_that_names_the_option(page: Page) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SpatialSwinError, match="--port"):
        serve(page, "127.0.0.1", other.getsockname()[1])


def test_the_space_builds_from_a_model_folder(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIAL_SWIN_MODEL", str(model_folder))
    assert isinstance(runpy.run_path(str(SPACE / "app.py"))["demo"], gr.Blocks)
    monkeypatch.delenv("SPATIAL_SWIN_MODEL")
    with pytest.raises(SpatialSwinError, match="SPATIAL_SWIN_MODEL is not set"):
        runpy.run_path(str(SPACE / "app.py"))


# -- served, and spoken to as a browser does --


class Visitor:
    """A browser's side of Gradio's protocol, for one session."""

    def __init__(self, page: Page, address: str, session: str) -> None:
        self.client = httpx.Client(base_url=f"{address}gradio_api", timeout=60)
        self.session = session
        named = {getattr(f.fn, "__name__", ""): number for number, f in page.blocks.fns.items()}
        self.dropped = named["dropped"]

    def drop(self, path: Path) -> Path:
        """Upload and ask; returns where the server put it."""
        with path.open("rb") as file:
            answered = self.client.post("/upload", files={"files": (path.name, file)})
        answered.raise_for_status()
        stored = answered.json()[0]
        data = {"path": stored, "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}
        question = {"data": [data, 0.0], "fn_index": self.dropped, "session_hash": self.session}
        self.client.post("/queue/join", json=question).raise_for_status()
        return Path(stored)

    @contextmanager
    def listen(self) -> Iterator[Iterator[dict[str, Any]]]:
        """The messages of this session, until the stream ends or the visitor leaves."""
        with self.client.stream("GET", "/queue/data", params={"session_hash": self.session}) as stream:
            yield (json.loads(line[5:]) for line in stream.iter_lines() if line.startswith("data:"))

    def verdict(self) -> str:
        with self.listen() as messages:
            done = next(message for message in messages if message["msg"] == "process_completed")
        return str(done["output"]["data"][1])


@pytest.fixture
def visitor(page: Page) -> Callable[[str], Visitor]:
    address = serve(page, "127.0.0.1", 0)
    return lambda session: Visitor(page, address, session)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def test_an_upload_is_removed_once_it_is_answered(
    page: Page, visitor: Callable[[str], Visitor], make_sound: Callable[..., Path]
) -> None:
    me = visitor("me")
    stored = me.drop(make_sound("take.wav", 2.0))
    assert page.uploads.folder in stored.parents
    assert "Probability" in me.verdict()
    assert not stored.parent.exists()


def test_a_picture_is_answered_while_a_long_recording_is_judged_and_leaving_ends_the_rest(
    page: Page,
    visitor: Callable[[str], Visitor],
    make_sound: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged, gate = [], threading.Semaphore(0)
    plain = Predictor.of_pixels

    def slowly(predictor: Predictor, pixels: Any, *heard: Any) -> Any:
        judged.append(len(pixels))
        assert gate.acquire(timeout=60)
        return plain(predictor, pixels, *heard)

    monkeypatch.setattr(Predictor, "of_pixels", slowly)
    Image.new("L", (32, 32), 90).save(tmp_path / "cues.png")
    long, short = visitor("long"), visitor("short")
    stored = long.drop(make_sound("long.wav", 20.0, rate=32_000))
    with long.listen() as messages:
        gate.release()
        until(lambda: len(judged) == 2)  # its second window
        short.drop(tmp_path / "cues.png")
        until(lambda: len(page.turns) == 2)
        gate.release(), gate.release()
        assert "Probability" in short.verdict()
        assert len(judged) <= 4, "the window that was being judged, the picture, and the next window"
        progress = next(message["progress_data"] for message in messages if message["msg"] == "progress")
        assert progress[0]["unit"] == "windows"
    # the stream is closed: the visitor has left
    gate.release()
    until(lambda: len(page.turns) == 0)
    assert len(judged) < 20
    until(lambda: not stored.exists())


def test_one_file_more_than_there_are_places_is_refused_with_how_many_there_are(
    page: Page, visitor: Callable[[str], Visitor], make_sound: Callable[..., Path]
) -> None:
    me = visitor("me")
    with page.turns.visit("a"):
        page.turns.most = 1
        stored = me.drop(make_sound("take.wav"))
        assert "1 files of other visitors are being judged" in me.verdict()
    assert not stored.exists()


def test_a_file_over_the_limit_and_a_foreign_page_are_refused(
    model_folder: Path, make_sound: Callable[..., Path]
) -> None:
    page = build_page(load_predictor(model_folder, "cpu"), "first", Limits(bytes=100_000))
    try:
        address = serve(page, "127.0.0.1", 0)
        files = {"files": ("take.wav", make_sound("take.wav", 2.0).read_bytes())}
        answered = httpx.post(f"{address}gradio_api/upload", files=files)
        assert answered.status_code == 413
        assert "at most 0.1 MB" in answered.text
        for headers, status in (({"host": "evil.example"}, 421), ({"origin": "http://evil.example"}, 403)):
            assert httpx.get(address, headers=headers).status_code == status
        assert list(page.uploads.folder.rglob("*.wav")) == []
    finally:
        page.close()


@pytest.mark.slow
def test_sigterm_amid_a_recording_ends_the_command_as_it_should_and_leaves_no_upload(
    page: Page, model_folder: Path, make_sound: Callable[..., Path], tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "spatial_swin.cli", "app", str(model_folder), "--port", "0"]
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert child.stdout is not None
    address = next(line.split()[1] for line in child.stdout if line.startswith("open "))
    me = Visitor(page, address, "me")
    stored = me.drop(make_sound("long.wav", 300.0, rate=32_000))
    assert temporary in stored.parents
    with me.listen() as messages:
        next(message for message in messages if message["msg"] == "progress" and message["progress_data"][0]["index"])
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=120)
    assert child.returncode == 143, said
    assert "Traceback" not in said
    assert [path for path in temporary.rglob("*") if path.is_file()] == []


@pytest.fixture
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_a_dropped_file_is_judged_and_no_other_host_is_asked(
    page: Page, browser: Any, make_sound: Callable[..., Path], tmp_path: Path, width: int
) -> None:
    address = serve(page, "127.0.0.1", 0)
    tab = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    broken: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: broken.append(str(error)))
    answered = tab.goto(address)
    assert "default-src 'self'" in answered.headers["content-security-policy"]
    tab.wait_for_selector("#upload input[type=file]", state="attached", timeout=60_000)
    tab.set_input_files("#upload input[type=file]", make_sound("take.wav", 3.0))
    tab.wait_for_selector("#verdict .ss-answer", timeout=120_000)
    tab.wait_for_selector("#mosaic img")
    assert "Probability" in tab.inner_text("#verdict")
    assert "3 windows" in tab.inner_text("#timeline")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.wait_for_function("document.querySelector('#player audio').duration > 2.9")  # played from the visitor's side
    tab.screenshot(path=tmp_path / "page.png", full_page=True)
    assert (tmp_path / "page.png").stat().st_size > 20_000

    tab.click("#upload button[aria-label*='lear'], #upload button[aria-label*='emove']")
    tab.wait_for_selector("#verdict .ss-idle")
    tab.set_input_files("#upload input[type=file]", make_sound("mono.wav", channels=1))
    tab.wait_for_selector("#verdict .ss-notice", timeout=60_000)
    assert "give a binaural file of 2 channels" in tab.inner_text("#verdict")
    assert not tab.is_visible("#mosaic img")
    strangers = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not strangers
    assert not broken
