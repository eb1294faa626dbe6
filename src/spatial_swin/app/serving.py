"""Serving the page: Gradio's blocks go in, an address comes out, with our guard in front of Gradio.

The page of a Space is made here too, from the model that SPATIAL_SWIN_MODEL names.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatial_swin.app.guard import NOWHERE_ELSE, Guard, own_hosts
from spatial_swin.app.page import Page, build_page, style_sheet, theme
from spatial_swin.errors import STOPPED, SpatialSwinError
from spatial_swin.hub import fetch_model
from spatial_swin.prediction.predictor import load_predictor

VARIABLE = "SPATIAL_SWIN_MODEL"
TUNNEL = "gradio.live"


def serve(
    page: Page, host: str | None, port: int | None, allowed_hosts: Sequence[str] = (), share: bool = False
) -> str:
    """Start serving `page` in the background; return its address.

    Args:
        allowed_hosts: names under which the page is reached beside this machine's own, by a proxy for instance.
        share: open a public tunnel through Gradio's servers too.

    Raises:
        SpatialSwinError: the port is taken, or the host is not one of this machine.
    """
    _no_proxy_to_ourselves()
    _end_by_sigterm()
    guard = _guard(page, host, frozenset(name.lower() for name in allowed_hosts), share)
    try:
        _, local, _ = page.blocks.queue(max_size=page.turns.most * 4).launch(
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
            max_file_size=page.limits.bytes,
            theme=theme(),
            css=style_sheet(),
            app_kwargs={"middleware": [guard]},
        )
    except OSError as error:
        reason = str(error).split(". ")[0]
        raise SpatialSwinError(
            f"the page cannot be served at {host} ({reason}); choose another --port or --host"
        ) from None
    return local


def _guard(page: Page, host: str | None, listed: frozenset[str], share: bool) -> Any:
    """Our guard as a Starlette middleware, with what it lets through."""
    from starlette.middleware import Middleware

    in_space = "SPACE_ID" in os.environ  # there the Hub's own proxy stands before us, and its page frames ours
    return Middleware(
        Guard,
        hosts=frozenset() if in_space else own_hosts(host) | listed,
        listed=listed,
        tunnel=TUNNEL if share else "",
        policy="" if in_space or share else NOWHERE_ELSE,
        most_bytes=page.limits.bytes,
        leave=page.turns.leave,
    )


def _free_port(host: str | None) -> int:
    with socket.socket() as probe:
        probe.bind((host or "127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _no_proxy_to_ourselves() -> None:
    """Gradio requests its own address once; with a proxy in the environment the request would go there."""
    for name in ("NO_PROXY", "no_proxy"):
        known = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join(dict.fromkeys([*known, "localhost", "127.0.0.1", "::1"]))


def _end_by_sigterm() -> None:
    """On SIGTERM exit as usual, which removes the uploads; a handler that is already there stays."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))


def page_of_environment() -> Page:
    """The page of the model that SPATIAL_SWIN_MODEL names: a folder, or an id on the Hub, which is then downloaded.

    Raises:
        SpatialSwinError: the variable is not set, or the model cannot be fetched.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if not named:
        raise SpatialSwinError(f"{VARIABLE} is not set; set it to the id of a model on the Hub, or to a model folder")
    title = Path(named).name if Path(named).is_dir() else named
    return build_page(load_predictor(fetch_model(named)), title)


def serve_space(page: Page) -> None:
    """Serve as a Space expects, until the end: address and port from Gradio's variables."""
    try:
        serve(page, None, None)
        page.blocks.block_thread()
    finally:
        page.close()
