"""A Hugging Face Hub on 127.0.0.1 that speaks the endpoints pushing and downloading use, and keeps what it is given.

Not a fake of the hub library: the library talks to it over HTTP. `failures` makes an endpoint answer badly a number of
times; `requests` has every request in order. Xet is not spoken: HF_HUB_DISABLE_XET sends large files the LFS way.
"""

import base64
import hashlib
import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_" + "theRightTokenOfTheTests"


@dataclass
class Repository:
    private: bool
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    commits: list[str] = field(default_factory=list)

    def sha(self, revision: str) -> str:
        content = self.files(revision)
        return hashlib.sha1(
            repr(sorted((n, hashlib.sha1(c).digest()) for n, c in content.items())).encode()
        ).hexdigest()

    def files(self, revision: str) -> dict[str, bytes]:
        if revision in self.branches:
            return self.branches[revision]
        return next(files for name, files in self.branches.items() if self.sha(name) == revision)


class Hub:
    """The server and what it holds. `failures[endpoint]`: statuses to answer first; endpoints as in `requests`."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.failures: dict[str, list[int]] = defaultdict(list)
        self.requests: list[str] = []
        self.html = False  # failures as a proxy words them
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, content = hub.answer(self.command, self.path, body, self.headers)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_HEAD = handle_any

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, dict[str, str], bytes]:
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        kind = endpoint_of(parts)
        self.requests.append(kind)
        writes = method in ("POST", "PUT") or kind == "whoami"
        if writes and kind != "object" and headers.get("Authorization") != f"Bearer {TOKEN}":
            return as_json(401, {"error": "Invalid username or password."})
        if self.failures[kind]:
            status = self.failures[kind].pop(0)
            if self.html:
                return status, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>"
            return as_json(status, {"error": "Internal Error - We're working hard to fix this as soon as possible!"})
        try:
            return getattr(self, f"on_{kind}")(parts, body)
        except (KeyError, StopIteration):
            return 404, {"X-Error-Code": "EntryNotFound", "Content-Type": "text/plain"}, b"Entry not found"

    def on_whoami(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        return as_json(200, {"name": "me", "type": "user"})

    def on_create(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        wish = json.loads(body)
        name = f"{wish['organization'] or 'me'}/{wish['name']}"
        if not name.startswith("me/"):
            return as_json(403, {"error": f"You don't have the rights to create a model under {name}"})
        known = name in self.repositories
        if not known:
            self.repositories[name] = Repository(private=wish.get("visibility") == "private")
        return as_json(409 if known else 200, {"url": f"{self.endpoint}/{name}", "name": name})

    def on_branch(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        repository = self.repositories["/".join(parts[2:4])]
        if parts[5] in repository.branches:
            return as_json(409, {"error": "Reference already exists"})
        repository.branches[parts[5]] = dict(repository.branches["main"])
        return as_json(200, {})

    def on_yaml(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        head = yaml.safe_load(json.loads(body)["content"].split("---\n")[1])
        if not isinstance(head.get("license"), str):
            return as_json(400, {"errors": [{"message": '"license" must be a string'}], "warnings": []})
        return as_json(200, {"errors": [], "warnings": []})

    def on_preupload(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        stored = self.repositories["/".join(parts[2:4])].files(parts[5])
        answers = []
        for file in json.loads(body)["files"]:
            mode = "lfs" if file["path"].endswith((".safetensors", ".png")) else "regular"
            oid = object_id(stored[file["path"]], mode) if file["path"] in stored else None
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return as_json(200, {"files": answers})

    def on_batch(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        objects = []
        for item in json.loads(body)["objects"]:
            if item["oid"] in self.objects:
                objects.append(item)
                continue
            actions = {
                "upload": {"href": f"{self.endpoint}/object/{item['oid']}"},
                "verify": {"href": f"{self.endpoint}/verify"},
            }
            objects.append({**item, "actions": actions})
        return as_json(200, {"transfer": "basic", "objects": objects})

    def on_object(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        assert hashlib.sha256(body).hexdigest() == parts[1]
        self.objects[parts[1]] = body
        return as_json(200, {})

    def on_verify(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        return as_json(200 if json.loads(body)["oid"] in self.objects else 404, {})

    def on_commit(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        name = "/".join(parts[2:4])
        repository = self.repositories[name]
        files = repository.branches[parts[5]]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.objects[value["oid"]]
            else:
                repository.commits.append(value["summary"])
        sha = repository.sha(parts[5])
        return as_json(200, {"commitUrl": f"{self.endpoint}/{name}/commit/{sha}", "commitOid": sha})

    def on_info(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        name = "/".join(parts[2:4])
        repository = self.repositories[name]
        revision = parts[5] if len(parts) > 5 else "main"
        siblings = [{"rfilename": path} for path in repository.files(revision)]
        info = {"id": name, "sha": repository.sha(revision), "private": repository.private, "siblings": siblings}
        return as_json(200, info)

    def on_tree(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        files = self.repositories["/".join(parts[2:4])].files(parts[5])
        below = "/".join(parts[6:])
        if below:
            raise KeyError(below)
        return as_json(
            200,
            [
                {"type": "file", "path": path, "size": len(content), "oid": object_id(content, "regular")}
                for path, content in files.items()
            ],
        )

    def on_resolve(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        repository = self.repositories["/".join(parts[:2])]
        content = repository.files(parts[3])["/".join(parts[4:])]
        headers = {"ETag": f'"{object_id(content, "regular")}"', "X-Repo-Commit": repository.sha(parts[3])}
        return 200, headers, content

    def on_other(self, parts: list[str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        raise KeyError("/".join(parts))


def endpoint_of(parts: list[str]) -> str:
    """The name of an endpoint from its path."""
    match parts:
        case ["api", "whoami-v2"]:
            return "whoami"
        case ["api", "repos", "create"]:
            return "create"
        case ["api", "validate-yaml"]:
            return "yaml"
        case ["api", "models", _, _, ("preupload" | "commit" | "branch" | "tree") as kind, *_]:
            return kind
        case ["api", "models", _, _] | ["api", "models", _, _, "revision", _]:
            return "info"
        case [_, _, "info", "lfs", "objects", "batch"]:
            return "batch"
        case ["object", _]:
            return "object"
        case ["verify"]:
            return "verify"
        case [_, _, "resolve", _, *_]:
            return "resolve"
    return "other"


def as_json(status: int, value: Any) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def object_id(content: bytes, mode: str) -> str:
    """What git calls a file: the SHA-1 of a blob, or the SHA-256 of a large file."""
    if mode == "lfs":
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
