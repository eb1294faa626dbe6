"""How wandb is to work is decided before it starts: key or none, network or none, folder writable or not."""

import http.server
import json
import os
import pty
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from spatial_swin.config import load_recipe
from spatial_swin.errors import RecipeError, WriteError
from spatial_swin.runs import RunFolder
from spatial_swin.tracking import weights_and_biases
from spatial_swin.tracking.boards import TrackioTracker
from spatial_swin.tracking.choice import choose_tracking
from spatial_swin.tracking.tracker import Tracker, Trackers
from spatial_swin.tracking.wandb_access import ask_server, choose_mode, find_key, writable_folder
from spatial_swin.tracking.weights_and_biases import WandbTracker
from spatial_swin.training import fine_tune

KEY = "0123456789abcdef" * 3
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")


class Server:
    """A wandb server that answers the first question with `status` and `content`, and every other one with 500."""

    def __init__(self, status: int, content: Any) -> None:
        self.heard: list[str | None] = []
        heard, body = self.heard, content if isinstance(content, bytes) else json.dumps(content).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                ours = b"query Viewer { viewer { id } }" in asked
                if ours:
                    heard.append(self.headers.get("Authorization"))
                self.send_response(status if ours else 500)
                self.end_headers()
                self.wfile.write(body if ours else b"{}")

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, Any], Server]]:
    servers: list[Server] = []

    def start(status: int, content: Any) -> Server:
        servers.append(Server(status, content))
        monkeypatch.setenv("WANDB_BASE_URL", servers[-1].url)
        return servers[-1]

    yield start
    for server in servers:
        server.server.shutdown()


KNOWN = {"data": {"viewer": {"id": "x"}}}


def test_without_a_key_it_is_offline() -> None:
    assert find_key() == (None, "")
    mode, why = choose_mode(*find_key())
    assert mode == "offline"
    assert "no key" in why


@pytest.mark.parametrize(
    ("name", "value", "mode"),
    [
        ("WANDB_MODE", "disabled", "disabled"),
        ("WANDB_DISABLED", "true", "disabled"),
        ("WANDB_MODE", "offline", "offline"),
        ("WANDB_MODE", "online", "offline"),  # asked for, but there is no key
    ],
)
def test_the_environment_may_choose(monkeypatch: pytest.MonkeyPatch, name: str, value: str, mode: str) -> None:
    monkeypatch.setenv(name, value)
    assert choose_mode(None, "")[0] == mode


def test_a_key_the_server_knows_is_online(serve: Callable[[int, Any], Server]) -> None:
    server = serve(200, KNOWN)
    assert choose_mode(KEY, "WANDB_API_KEY") == ("online", "")
    assert server.heard[0] is not None
    assert server.heard[0].startswith("Basic ")


@pytest.mark.parametrize(("status", "content"), [(401, {}), (403, {}), (200, {"data": {"viewer": None}})])
def test_a_wrong_key_fails_before_anything_is_computed(
    serve: Callable[[int, Any], Server],
    write_recipe: Write,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    content: Any,
) -> None:
    server = serve(status, content)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    recipe = load_recipe(write_recipe(report_to="wandb"))
    with pytest.raises(RecipeError, match="does not accept the key in WANDB_API_KEY; set the right one") as refused:
        fine_tune(recipe)
    assert KEY not in str(refused.value)
    assert server.url in str(refused.value)
    assert not (recipe.output_dir / "split.csv").exists()
    monkeypatch.setenv("WANDB_MODE", "offline")  # what the sentence advises works on the same folder
    choose_tracking(recipe, RunFolder(recipe.output_dir))


@pytest.mark.parametrize(
    ("status", "content", "why"), [(503, {}, "answers 503"), (200, b"<html>sign in</html>", "no")]
)
def test_a_server_that_is_not_well_means_offline(
    serve: Callable[[int, Any], Server], status: int, content: Any, why: str
) -> None:
    serve(status, content)
    mode, reason = choose_mode(KEY, "WANDB_API_KEY")
    assert mode == "offline"
    assert why in reason


def test_a_closed_port_means_offline() -> None:
    mode, why = choose_mode(KEY, "WANDB_API_KEY")
    assert mode == "offline"
    assert "no answer from http://127.0.0.1:9" in why


def test_a_silent_server_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        answer = ask_server(f"http://127.0.0.1:{silent.getsockname()[1]}", KEY, within=0.3)
        assert "no answer" in answer or "timed out" in answer
        assert time.monotonic() - began < 5


def test_the_key_is_found_in_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(
        f"machine github.com\n  login me\n  password other\nmachine api.wandb.ai\n  login user\n  password {KEY}\n"
    )
    netrc.chmod(0o600)
    assert find_key() == (KEY, str(netrc))
    netrc.write_text("machine github.com\n  login me\n  password other\n")
    assert find_key() == (None, "")
    netrc.write_text("not a netrc")
    assert find_key() == (None, "")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert find_key() == (KEY, "WANDB_API_KEY")


def test_a_folder_that_cannot_be_written_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir()
    assert writable_folder(run) == (run, "")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "file"))
    folder, remark = writable_folder(run)
    assert folder == run
    assert f"{tmp_path / 'file' / 'wandb'} cannot be written" in remark
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    assert writable_folder(run) == (tmp_path / "elsewhere", "")


def test_trackio_without_a_folder_is_left_out_and_its_variable_named(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    utils = pytest.importorskip("trackio.utils")
    monkeypatch.setattr(utils, "TRACKIO_DIR", Path("/proc/nowhere"))
    recipe = load_recipe(write_recipe(report_to="trackio"))
    tracker = TrackioTracker(recipe, RunFolder(recipe.output_dir))
    sentence = tracker.start({})
    assert sentence == "trackio: not used (/proc/nowhere cannot be written; set TRACKIO_DIR to a folder that can)"
    assert not tracker.active


def test_wandb_without_a_home_to_write_to_keeps_its_cache_in_the_run(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    recipe = load_recipe(write_recipe(report_to="wandb"))
    (run := RunFolder(recipe.output_dir)).path.mkdir(parents=True)
    tracker = WandbTracker(recipe, run)
    try:
        assert "wandb: offline" in tracker.start({})
        assert os.environ["WANDB_CACHE_DIR"] == str(run.path / "wandb" / "cache")
    finally:
        tracker.finish(0)
    assert "WANDB_CACHE_DIR" not in os.environ


def test_a_tracker_that_cannot_keep_its_name_does_not_end_the_training(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(Tracker):
        name = "full"

        def start(self, config: Any) -> str:
            raise WriteError("tracking.json: the disk is full")

    with Trackers([Full()]) as trackers:
        trackers.start({})
        assert not trackers
    assert "full: start failed (tracking.json: the disk is full)" in capsys.readouterr().err


def test_without_any_folder_training_goes_on_untracked(
    write_recipe: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(write_recipe(report_to="wandb", num_train_epochs=2, head_only_epochs=1))
    fine = choose_tracking(recipe, RunFolder(recipe.output_dir))
    assert len(fine.trackers) == 1
    run = RunFolder(recipe.output_dir)
    (run.path / "wandb").rmdir()
    monkeypatch.setattr(weights_and_biases, "writable_folder", lambda run: (None, f"{run}/wandb cannot be written"))
    assert fine_tune(recipe).state() == "finished"
    said = capsys.readouterr().out
    assert "wandb: not used (" in said
    assert "/wandb cannot be written)" in said


def test_a_tracker_that_is_not_installed_is_named_before_training(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(write_recipe(report_to=["wandb", "trackio"]))
    monkeypatch.setattr("spatial_swin.tracking.choice.find_spec", lambda name: name == "wandb" or None)
    with pytest.raises(RecipeError, match=r"trackio is not installed; pip install 'spatial-swin\[track\]'"):
        choose_tracking(recipe, RunFolder(recipe.output_dir))


def test_a_tracker_of_transformers_that_is_not_installed_is_named_too(write_recipe: Write) -> None:
    if find_spec("codecarbon") is not None:
        pytest.skip("codecarbon is installed here")
    recipe = load_recipe(write_recipe(report_to="codecarbon"))
    with pytest.raises(RecipeError, match="report_to: codecarbon is not installed"):
        choose_tracking(recipe, RunFolder(recipe.output_dir))


@pytest.mark.slow
def test_a_recipe_without_trackers_imports_none(write_recipe: Write) -> None:
    program = (
        "import sys\nfrom spatial_swin.config import load_recipe\nfrom spatial_swin.training import fine_tune\n"
        f"fine_tune(load_recipe({str(write_recipe(num_train_epochs=2, head_only_epochs=1))!r}))\n"
        "print('imported:', [name for name in ('wandb', 'trackio', 'tensorboard') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "imported: []" in done.stdout


@pytest.mark.slow
def test_a_server_that_dies_after_the_first_question_means_offline(
    serve: Callable[[int, Any], Server], write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(200, KNOWN)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(weights_and_biases, "INIT_TIMEOUT", 2.0)
    recipe = load_recipe(write_recipe(report_to="wandb"))
    recipe.output_dir.mkdir(parents=True)
    tracker = WandbTracker(recipe, RunFolder(recipe.output_dir))
    assert tracker.mode == "online"
    sentence = tracker.start({})
    tracker.finish(0)
    assert "offline (the server could not be used:" in sentence
    assert RunFolder(recipe.output_dir).read_tracking()["wandb"]["id"] in sentence


@pytest.mark.slow
def test_at_a_terminal_without_network_nothing_is_asked_and_little_is_said(write_recipe: Write) -> None:
    """A real terminal, a key, a server that cannot be reached: training runs to its end by itself."""
    recipe = write_recipe(report_to="wandb", num_train_epochs=2, head_only_epochs=1)
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "spatial_swin.cli", "train", "--config", str(recipe)]
    environment = {**os.environ, "WANDB_API_KEY": KEY, "WANDB_MODE": "online", "COLUMNS": "120"}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    said = b""
    try:
        while chunk := os.read(main, 4096):
            said += chunk
    except OSError:  # the terminal's end
        pass
    assert process.wait(timeout=120) == 0, said.decode()
    lines = [line for line in said.decode().splitlines() if "wandb" in line]
    assert len(lines) == 1, lines
    assert "offline (no answer from http://127.0.0.1:9" in lines[0]
    assert KEY not in said.decode()
