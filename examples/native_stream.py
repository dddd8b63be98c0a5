r"""Print an answer while it comes, by the native protocol: `python examples/native_stream.py http://127.0.0.1:8000 QUESTION`.

Needs only Python. The body is JSON objects with a byte `\0` behind each; every one holds the whole answer so far.
"""

import json
import sys
import urllib.request
from collections.abc import Iterator
from typing import IO, Any


def main() -> None:
    """Ask, and print the new part of each object."""
    url, question = sys.argv[1:3]
    body = json.dumps({"prompt": question, "use_stream_chat": True}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:  # noqa: S310  # the address is the caller's own
        text = ""
        for chunk in chunks(answer):
            if "error" in chunk:
                sys.exit(chunk["error"]["message"])
            print(chunk["response"][len(text) :], end="", flush=True)
            text = chunk["response"]
    print(f"\n({chunk['usage']['completion_tokens']} tokens)")


def chunks(answer: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the objects as they come."""
    rest = b""
    while data := answer.read1():  # type: ignore[attr-defined]  # what has come, without waiting for more
        *whole, rest = (rest + data).split(b"\0")
        yield from map(json.loads, whole)


if __name__ == "__main__":
    main()
