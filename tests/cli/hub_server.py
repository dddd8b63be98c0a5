"""A small hub: the part of the Hugging Face hub's HTTP that its client needs to download one model, `tiny/llama`."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer(ThreadingHTTPServer):
    """Serves the files of `folder`; `digests` replaces what it says of a file's SHA-256, `asked` holds the paths."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Hub)
        self.folder = folder
        self.digests: dict[str, str] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def siblings(self) -> list[dict[str, Any]]:
        return [self._sibling(path) for path in sorted(self.folder.iterdir())]

    def digest(self, path: Path) -> str:
        return self.digests.get(path.name) or hashlib.sha256(path.read_bytes()).hexdigest()

    def _sibling(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {"rfilename": path.name, "size": path.stat().st_size, "blobId": "0" * 40}
        if path.suffix == ".safetensors":
            found["lfs"] = {"size": path.stat().st_size, "sha256": self.digest(path), "pointerSize": 134}
        return found


class _Hub(BaseHTTPRequestHandler):
    server: HubServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path == "/api/models/tiny/llama":
            whole = {"_id": "x", "id": "tiny/llama", "sha": COMMIT, "siblings": self.server.siblings(), "private": False}
            self._answer(json.dumps(whole).encode(), "application/json")
        elif path.startswith(f"/tiny/llama/resolve/{COMMIT}/"):
            file = self.server.folder / path.rpartition("/")[2]
            self._answer(file.read_bytes(), "application/octet-stream", self.server.digest(file))
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def _answer(self, content: bytes, kind: str, etag: str = "") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if etag:
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def hub_of(folder: Path) -> Iterator[HubServer]:
    """Serve the model in `folder` until the block ends."""
    with HubServer(folder) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
