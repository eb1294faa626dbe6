"""The page judges what is dropped, says what is wrong in a sentence, asks no other host, and runs as a Space."""

import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

gr = pytest.importorskip("gradio")

from spatial_swin.app.page import build_page, serve  # noqa: E402  # needs Gradio
from spatial_swin.errors import SpatialSwinError  # noqa: E402
from spatial_swin.prediction.predictor import load_predictor  # noqa: E402

SPACE = Path(__file__).parents[2] / "space"


@pytest.fixture
def page(model_folder: Path) -> Any:
    return build_page(load_predictor(model_folder, "cpu"), "runs/first")


def handler(page: Any, name: str) -> Callable[..., Any]:
    """The function that the page calls on an event."""
    return next(f.fn for f in page.fns.values() if f.fn.__name__ == name)


def test_a_dropped_recording_is_judged(page: Any, make_sound: Callable[..., Path]) -> None:
    path = make_sound("take.wav", 2.0)
    answer, verdict, player, timeline, window, mosaic, cues, table = handler(page, "dropped")(str(path), 0.0)
    assert "Probability" in verdict
    assert player["value"] == str(path)
    assert timeline["visible"]
    assert "2 windows" in timeline["value"]
    assert (window["maximum"], window["value"]) == (2, answer.shown + 1)
    assert mosaic["value"].count("data:image/png") == 2
    assert cues["visible"]
    assert table.count("<tr>") == 17
    moved = handler(page, "moved")(answer, 2 - answer.shown)
    assert moved[0].shown == 1 - answer.shown
    assert moved[2] != mosaic["value"]


def test_the_threshold_turns_a_verdict_into_none(page: Any, make_sound: Callable[..., Path]) -> None:
    answer, *_ = handler(page, "dropped")(str(make_sound("take.wav")), 0.0)
    best = float(np.max(answer.probabilities))
    decided = handler(page, "decided")
    assert "No verdict" not in decided(answer, best - 0.01)
    assert "No verdict" in decided(answer, best + 0.01)


def test_a_problem_is_a_sentence_in_the_page_and_hides_the_last_answer(
    page: Any, make_sound: Callable[..., Path]
) -> None:
    path = make_sound("mono.wav", channels=1)
    answer, verdict, player, timeline, *_, table = handler(page, "dropped")(str(path), 0.0)
    assert answer is None
    assert "mono.wav: 1 channel; give a binaural file of 2 channels" in verdict
    assert str(path.parent) not in verdict
    assert not player["visible"]
    assert not timeline["visible"]
    assert table == ""


def test_nothing_is_measured_and_nothing_is_public_by_default(page: Any) -> None:
    assert page.analytics_enabled is False
    assert page.share is False


def test_a_port_in_use_is_told(page: Any, model_folder: Path) -> None:
    address = serve(page, "127.0.0.1", 0, block=False)
    try:
        port = int(address.rstrip("/").rsplit(":", 1)[1])
        other = build_page(load_predictor(model_folder, "cpu"), "other")
        with pytest.raises(SpatialSwinError, match="--port"):
            serve(other, "127.0.0.1", port, block=False)
    finally:
        page.close(verbose=False)


def test_the_space_builds_from_a_model_folder(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIAL_SWIN_MODEL", str(model_folder))
    assert isinstance(runpy.run_path(str(SPACE / "app.py"))["demo"], gr.Blocks)
    monkeypatch.delenv("SPATIAL_SWIN_MODEL")
    with pytest.raises(SpatialSwinError, match="SPATIAL_SWIN_MODEL is not set"):
        runpy.run_path(str(SPACE / "app.py"))


@pytest.fixture
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_a_dropped_file_is_judged_and_no_other_host_is_asked(
    page: Any, browser: Any, make_sound: Callable[..., Path], tmp_path: Path, width: int
) -> None:
    address = serve(page, "127.0.0.1", 0, block=False)
    try:
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
    finally:
        page.close(verbose=False)
