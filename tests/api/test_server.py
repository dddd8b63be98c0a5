"""The socket that the server listens on."""

import asyncio
import socket

from api.server import _bind, _listen
from api.settings import ServerSettings


async def test_small_packets_are_sent_at_once() -> None:
    """Asyncio forbids a connection to wait (Nagle) only if its socket says that it is TCP; the wait is 40 ms a request."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = ServerSettings(port=port)
    listener = _bind(settings)
    _listen(listener, settings)
    accepted: asyncio.Queue[int] = asyncio.Queue()

    def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(serve, sock=listener):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await accepted.get()
        writer.close()
        await writer.wait_closed()
