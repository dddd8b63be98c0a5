"""A real nginx in front of a server, with the example that users are given (`deploy/nginx.conf`)."""

import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.server_process import PATIENCE, ROOT, Server, free_port

PREFIX = "/api/predict/NAME"
PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
GLOBALS = """daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; {events}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
"""
REFUSED = 'if ($http_upgrade ~* "websocket") { return 403; }'


def example(folder: Path, port: int, behind: int, strip: bool = False, websocket: bool = True) -> str:
    """Return the example with these ports; `strip` the prefix, or refuse WebSockets."""
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    text = text.replace("server 127.0.0.1:8000;", f"server 127.0.0.1:{behind};").replace(
        "listen 80;", f"listen 127.0.0.1:{port};"
    )
    if strip:
        text = text.replace("proxy_pass http://chat;", "proxy_pass http://chat/;")
    if not websocket:
        text = text.replace("proxy_http_version", REFUSED + "\n proxy_http_version")
    head, events, inside = re.split(r"(?s)(events \{.*?\})\s*http \{", text, maxsplit=1)
    assert "worker_processes auto;" in head
    return "worker_processes 1;" + GLOBALS.format(folder=folder, events=events) + inside


@contextmanager
def nginx(folder: Path, server: Server, strip: bool = False, websocket: bool = True) -> Iterator[str]:
    """Start nginx in front of `server`; gives the address of the program behind it, without a slash at the end."""
    if PROGRAM is None:
        if os.environ.get("CI"):
            pytest.fail("no nginx on this machine: CI installs one")
        pytest.skip("no nginx on this machine (on Debian: apt-get install nginx-light)")
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text(example(folder, port, server.port, strip, websocket), encoding="utf-8")
    line = [PROGRAM, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(file)]
    process = subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE)
    url = f"http://127.0.0.1:{port}{PREFIX}"
    try:
        server.until(lambda: process.poll() is None and _answers(f"{url}/healthz"))
        yield url
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0, process.stderr and process.stderr.read()
        assert process.stderr is not None
        process.stderr.close()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
