"""Would the server start? Its model, its data folder, its port and its keys, looked at without starting it."""

import http.client
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from api.settings import ServerSettings
from cli.finding import Finding
from cli.machine import nearest
from generation.base import ModelUnusable
from generation.settings import backend
from knowledge.base import KnowledgeError, RerankerUnusable, StoreInUse
from knowledge.lock import FolderLock

LOCK = "knowledge.lock"


def findings(settings: ServerSettings) -> Iterator[Finding]:
    """Yield what a start with `settings` would meet."""
    yield _model(settings)
    yield from _reranker(settings)
    yield _data(settings.data_dir)
    yield _port(settings)
    yield from _keys(settings)
    yield _scaling(settings)


def _model(settings: ServerSettings) -> Finding:
    if settings.model is None and settings.backend != "echo":
        return Finding("model", "warning", "none is wanted: only Retrieval answers", "--model-path FOLDER or hub id")
    name = settings.model or settings.backend
    try:
        backend(settings).check()
    except ModelUnusable as error:
        return Finding("model", "wrong", f"{name} cannot be served", str(error))
    if settings.backend == "transformers" and not Path(name).expanduser().is_dir():
        if _is_cached(settings):
            return Finding("model", "ok", f"{name}, from the hub's cache")
        return Finding("model", "warning", f"{name} will be downloaded first", f"chat-llm-webui prepare {name}, beforehand")
    what = "a safe and whole folder" if settings.backend == "transformers" else f"by the engine {settings.backend}"
    return Finding("model", "ok", f"{name}, {what}")


def _is_cached(settings: ServerSettings) -> bool:
    from generation import hub

    return hub.locate(settings.model or "", settings.hub_cache) is not None


def _reranker(settings: ServerSettings) -> Iterator[Finding]:
    if settings.reranker_path is not None:
        from knowledge.reranker import Reranker

        try:
            Reranker(settings.reranker_path).check()
            yield Finding("reranker", "ok", f"{settings.reranker_path}, a cross-encoder with safe weights")
        except RerankerUnusable as error:
            yield Finding("reranker", "wrong", str(error), "give the folder of a cross-encoder with .safetensors weights")


def _data(folder: Path) -> Finding:
    there = nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            """Made only to learn whether it may be."""
    except OSError as error:
        fix = "give the user who runs the server the right to write there, or choose another --data-dir"
        return Finding("data folder", "wrong", f"{there} cannot be written: {error.strerror}", fix)
    if not (folder / LOCK).exists():
        return Finding("data folder", "ok", f"{folder} can be written" if folder.exists() else f"{folder} can be made")
    lock = FolderLock(folder / LOCK)
    try:
        lock.acquire()
    except StoreInUse as error:
        return Finding("data folder", "warning", str(error).partition(":")[0], "only one server can have it at a time")
    except KnowledgeError as error:
        return Finding("data folder", "wrong", str(error), "choose another --data-dir")
    lock.release()
    return Finding("data folder", "ok", f"{folder} can be written, and no server has it")


def _port(settings: ServerSettings) -> Finding:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, settings.port))
            probe.listen()
        except OSError as error:
            return _taken(settings.port, error)
    return Finding("port", "ok", f"{settings.port} is free on {settings.address}")


def _taken(port: int, error: OSError) -> Finding:
    if _is_ours(port):
        return Finding("port", "warning", f"{port}: a server of this program answers there already", "--port for a second one")
    return Finding("port", "wrong", f"{port} cannot be used: {error.strerror}", "end what has it, or choose another --port")


def _is_ours(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status == 200 and b"status" in answer.read(1000)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _keys(settings: ServerSettings) -> Iterator[Finding]:
    if settings.listen and not settings.keys:
        yield Finding(
            "keys", "warning", "--listen without a key: everybody who reaches the port may ask", "--api-key-file FILE"
        )
    for flag, file in (("--api-key-file", settings.api_key_file), ("--remote-key-file", settings.remote_key_file)):
        if file is not None and os.name == "posix" and file.expanduser().exists() and file.expanduser().stat().st_mode & 0o077:
            yield Finding("keys", "warning", f"{flag} {file} can be read by other users", f"chmod 600 {file}")


def _scaling(settings: ServerSettings) -> Finding:
    detail = (
        f"{settings.min_workers} to {settings.max_workers} servers, {settings.scale_up_step} more at a time when over "
        f"{settings.max_queue_size} questions wait, one less after {settings.max_idle_time} s without any; "
        "nothing scales by itself yet"
    )
    return Finding("scaling", "ok", detail)
