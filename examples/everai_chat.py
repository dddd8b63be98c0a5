"""Ask by EverAI's protocol: `python examples/everai_chat.py http://127.0.0.1:8000 QUESTION [KEY]`; needs only Python.

Reads Server-Sent Events: lines `data: ...`, an empty line after each event.
"""

import json
import sys
import urllib.request


def main() -> None:
    """Ask, and print question and answer while they come."""
    url, question, *key = sys.argv[1:]
    headers = {"Authorization": f"Bearer {key[0]}"} if key else {}
    body = json.dumps({"prompt": question}).encode()
    request = urllib.request.Request(f"{url.rstrip('/')}/sse", body, headers)  # noqa: S310  # the address is the caller's own
    with urllib.request.urlopen(request) as events:  # noqa: S310
        kind, lines = "message", []
        for raw in events:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                lines.append(value)
            else:
                show(kind, "\n".join(lines))
                kind, lines = "message", []
    print()


def show(kind: str, data: str) -> None:
    """Print the text of an event; an error ends the program."""
    if kind == "error":
        sys.exit(json.loads(data)["error"]["message"])
    print(data, end="", flush=True)


if __name__ == "__main__":
    main()
