"""What the server lets in: its own names, its own pages, files of the allowed size; and who it notices leaving."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from spatial_swin.app.guard import Guard, own_hosts


def client(base: str = "http://localhost:7860", **options: Any) -> TestClient:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    options = {"hosts": own_hosts("127.0.0.1"), "listed": frozenset(), "most_bytes": 50_000, **options}
    guard = Middleware(Guard, leave=lambda session: None, **options)
    routes = [Route(path, answer, methods=["GET", "POST"]) for path in ("/", "/gradio_api/upload")]
    return TestClient(Starlette(routes=routes, middleware=[guard]), base_url=base)


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:7860", "LOCALHOST"])
def test_our_own_names_are_answered_with_the_policy(host: str) -> None:
    answered = client().get("/", headers={"host": host})
    assert answered.status_code == 200
    assert "default-src 'self'" in answered.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "localhost.evil.example", "192.0.2.7", "[::1", ""]
)
def test_a_foreign_host_is_refused_and_the_option_named(host: str) -> None:
    answered = client().get("/", headers={"host": host})
    assert answered.status_code == 421
    assert "--allowed_hosts" in answered.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999", "http://[::1", "garbage"])
def test_a_page_of_another_site_is_refused(origin: str) -> None:
    assert client().post("/gradio_api/upload", headers={"origin": origin}).status_code == 403
    assert client().post("/gradio_api/upload", headers={"origin": "http://localhost:7860"}).status_code == 200


def test_a_listed_name_is_answered_also_behind_a_proxy_that_changes_the_host() -> None:
    listed = frozenset({"page.example.org"})
    ours = client(hosts=own_hosts("127.0.0.1") | listed, listed=listed)
    for host in ("page.example.org", "127.0.0.1:7860"):
        assert ours.post("/", headers={"host": host, "origin": "https://page.example.org"}).status_code == 200


def test_a_page_for_the_network_answers_to_this_machines_addresses_and_no_others() -> None:
    hosts = own_hosts("0.0.0.0")
    assert {"localhost", "127.0.0.1", "::1", "0.0.0.0"} <= hosts
    assert "evil.example" not in hosts


def test_names_below_the_tunnel_are_answered_only_where_there_is_one() -> None:
    assert client().get("/", headers={"host": "abc.gradio.live"}).status_code == 421
    assert client(tunnel="gradio.live").get("/", headers={"host": "abc.gradio.live"}).status_code == 200
    assert client(tunnel="gradio.live").get("/", headers={"host": "evilgradio.live"}).status_code == 421


def test_a_file_that_is_too_large_is_refused_before_it_is_read() -> None:
    answered = client().post("/gradio_api/upload", content=b"x" * 70_000)
    assert answered.status_code == 413
    assert "at most 0.05 MB" in answered.text
    assert client().post("/gradio_api/upload", content=b"x" * 40_000).text == "40000"


@pytest.mark.parametrize(("path", "session"), [("/gradio_api/queue/data", ["s1"]), ("/gradio_api/upload", [])])
def test_a_stream_of_answers_that_breaks_off_is_a_visitor_who_left(path: str, session: list[str]) -> None:
    left: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    guard = Guard(app, own_hosts(None), frozenset(), 10, left.append)
    scope = {
        "type": "http",
        "path": path,
        "query_string": b"a=b&session_hash=s1",
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(guard(scope, receive, lambda message: asyncio.sleep(0)))
    assert left == session
