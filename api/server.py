"""From a command line to a server that listens, or to one sentence and an exit status.

Exit status: 2 settings, 3 data folder in use, 4 model, 5 port, 6 the engine died twice.
"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from api.settings import ServerSettings, read
from configs import library_environment
from configs.settings import SettingsError

if TYPE_CHECKING:
    import uvicorn

    from api.app import Page

CONNECTIONS = 512
CLOSE_SECONDS = 5
"""For connections when all answers have ended: an open page holds a stream that never ends by itself."""


class StartError(Exception):
    """The server cannot start, or not go on; the text is one sentence, `status` the exit status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def main(arguments: Sequence[str], program: str, page: "Callable[[ServerSettings], Page] | None" = None) -> int:
    """Run the server until it is told to stop, with the page that `page` makes, if any; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "sentence_transformers", "transformers", "faiss"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    library_environment.complete(os.environ)
    try:
        settings = read(arguments, program)
        _serve(settings, page)
    except SettingsError as error:
        return _refuse(program, 2, str(error))
    except StartError as error:
        return _refuse(program, error.status, str(error))
    except KeyboardInterrupt:
        return 0
    return 0


def _refuse(program: str, status: int, message: str) -> int:
    sys.stderr.write(f"{program}: {message}\n")
    return status


def _serve(settings: ServerSettings, page: "Callable[[ServerSettings], Page] | None") -> None:
    # Imported after the flags are parsed: --help and a wrong flag must not wait for them.
    import uvicorn

    from api.app import build
    from api.draining import DrainingServer
    from api.guard import LONGEST_HEADERS
    from api.http_protocol import Deadlines, protocol
    from api.refusals import refusals
    from api.repeats import quieten
    from api.websocket_protocol import options
    from generation.base import ModelUnusable
    from generation.engine import Engine
    from knowledge.base import KnowledgeError, RerankerUnusable
    from knowledge.library import Library

    listener = _bind(settings)
    page_maker = page(settings) if page else None
    engine, library = Engine(settings), Library(settings)
    try:
        engine.check()
        library.open()
    except (ModelUnusable, RerankerUnusable) as error:
        raise StartError(4, str(error)) from error
    except KnowledgeError as error:
        raise StartError(3, str(error)) from error
    _listen(listener, settings)
    _announce(settings, page is not None)
    app = build(settings, engine, library, page_maker)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        http=protocol(Deadlines.of(settings), refusals(settings.root_path)),
        timeout_graceful_shutdown=CLOSE_SECONDS,
        **options(settings.max_message, settings.request_timeout),
    )
    quieten()  # after uvicorn has set up its own logging
    server = DrainingServer(config, app.assistant.runs, settings.drain_seconds)
    engine.on_giving_up = lambda: setattr(server, "should_exit", True)
    _run(server, listener)
    if app.assistant.engine.given_up:  # it may be another one than at the start
        raise StartError(6, app.assistant.engine.state.detail)


def _run(server: "uvicorn.Server", listener: socket.socket) -> None:
    """Serve until the engine is given up, or a signal asks for the end: then leave with `KeyboardInterrupt`."""
    # When uvicorn has drained, it raises the signal once more for whoever listened before it; being asked is a good end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.run(sockets=[listener])


def _bind(settings: ServerSettings) -> socket.socket:
    """Return a socket bound to the port, not yet listening."""
    # With the number of TCP, or asyncio lets small packets wait for others: 40 ms for every answer on an open connection.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.address, settings.port))
    except OSError as error:
        raise _port_error(listener, settings, error) from error
    return listener


def _listen(listener: socket.socket, settings: ServerSettings) -> None:
    # Two servers that start at the same time can both bind; only one of them can listen.
    try:
        listener.listen()
    except OSError as error:
        raise _port_error(listener, settings, error) from error


def _port_error(listener: socket.socket, settings: ServerSettings, error: OSError) -> StartError:
    listener.close()
    return StartError(5, f"port {settings.port} cannot be used: {error.strerror}; choose another with --port.")


def _announce(settings: ServerSettings, with_page: bool) -> None:
    what = "Page and API" if with_page else "API"
    sys.stdout.write(f"{what}: http://127.0.0.1:{settings.port}{settings.root_path}/  (Ctrl+C ends it)\n")
    sys.stdout.flush()
    if settings.listen and not settings.keys:
        sys.stderr.write(
            "WARNING: --listen without --api-key: everybody who reaches this machine's port "
            f"{settings.port} can read and delete the documents. Set a key with --api-key-file FILE.\n"
        )
