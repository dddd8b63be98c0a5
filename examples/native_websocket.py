"""A conversation over a WebSocket: `python examples/native_websocket.py http://127.0.0.1:8000 [KEY]`, a question a line.

Needs `pip install websockets`. The server remembers the conversation as long as the connection is open.
"""

import sys

from websockets.sync.client import ClientConnection, connect


def main() -> None:
    """Answer each line of the input."""
    url, *key = sys.argv[1:]
    headers = {"Authorization": f"Bearer {key[0]}"} if key else {}
    with connect(url.replace("http", "ws", 1), additional_headers=headers) as socket:
        for line in sys.stdin:
            if line.strip():
                ask(socket, line.strip())


def ask(socket: ClientConnection, question: str) -> None:
    """Print the answer while it comes."""
    socket.send(question)
    while (frame := socket.recv()) != "<EOS>":
        print(frame, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
