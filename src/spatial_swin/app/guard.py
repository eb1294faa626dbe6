"""What the page's server lets in: an ASGI middleware around Gradio's app.

Requests for another host than ours (a foreign name that was pointed at this machine) or from another site's page are
refused before Gradio sees them, and so are uploads that are too large. The browser may fetch nothing from
anywhere else, and a visitor whose stream of answers breaks off has left.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil

NOWHERE_ELSE = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: data: blob:; worker-src 'self' blob:"
)
FORM_BYTES = 10_000  # what a form adds to the file in it


@dataclass(frozen=True)
class Guard:
    """What is let in, and what the browser may do.

    hosts: names we answer to (none: to every name); listed: those of them that were given, where a proxy may stand
    before us; tunnel: a domain of which every name is ours; policy: the Content-Security-Policy of every answer;
    leave: called with the session of a visitor who is gone.
    """

    app: Any
    hosts: frozenset[str]
    listed: frozenset[str]
    most_bytes: int
    leave: Callable[[str], None]
    tunnel: str = ""
    policy: str = NOWHERE_ELSE

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := self.refusal(headers) or self.too_large(scope["path"], headers):
            status, sentence = refusal
            return await _refuse(send, status, sentence)
        session = _session_of_stream(scope)

        async def heard() -> Any:
            message = await receive()
            if session and message["type"] == "http.disconnect":
                self.leave(session)
            return message

        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start" and self.policy:
                policy = (b"content-security-policy", self.policy.encode())
                message = {**message, "headers": [*message["headers"], policy]}
            await send(message)

        return await self.app(scope, heard, with_policy)

    def refusal(self, headers: dict[str, str]) -> tuple[int, str] | None:
        """Why a request for this host, or from a page of this origin, is not answered; None when it is."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self.hosts:
            return None
        through_tunnel = bool(self.tunnel) and name_of(host).endswith(f".{self.tunnel}")
        if name_of(host) not in self.hosts and not through_tunnel:
            return 421, f"this page is not served as {host!r}; start it with --allowed_hosts {name_of(host) or 'NAME'}"
        page = _netloc(origin) if origin is not None else host
        if page != host and name_of(page) not in self.listed:
            return 403, f"requests from pages of {origin!r} are refused"
        return None

    def too_large(self, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        size = headers.get("content-length", "")
        if path.rstrip("/").endswith("/upload") and size.isdigit() and int(size) > self.most_bytes + FORM_BYTES:
            return 413, f"{int(size) / 1e6:.0f} MB; this page takes files of at most {self.most_bytes / 1e6:g} MB"
        return None


def own_hosts(host: str | None) -> frozenset[str]:
    """The names under which a page that listens at `host` is reached: of this machine alone, or of its network."""
    here = {"localhost", "127.0.0.1", "::1"}
    if host is None or host in here:
        return frozenset(here)
    names = {host, socket.gethostname(), socket.getfqdn()}
    addresses = {address.address.partition("%")[0] for card in psutil.net_if_addrs().values() for address in card}
    return frozenset(name.lower() for name in here | names | addresses)


def name_of(host: str) -> str:
    """The name in a Host header, without the port: `[::1]:7860` is `::1`."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _session_of_stream(scope: Any) -> str:
    """The visitor whose answers flow through this request; "" for any other request."""
    if not scope["path"].endswith("/queue/data"):
        return ""
    parts: Sequence[str] = scope["query_string"].decode("latin-1").split("&")
    return next((part.partition("=")[2] for part in parts if part.startswith("session_hash=")), "")


async def _refuse(send: Any, status: int, sentence: str) -> None:
    body = f"{sentence}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
