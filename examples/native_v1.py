"""Ask by version 1 of the native protocol: `python examples/native_v1.py http://127.0.0.1:8000 QUESTION`; needs only Python.

The answer is HTML with the question before it.
"""

import html
import json
import sys
import urllib.request


def main() -> None:
    """Ask, and print question and answer as plain text."""
    url, question = sys.argv[1:3]
    body = json.dumps({"input_ids": question, "temperature": 0.95, "top_p": 0.01, "max_length": 512}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:  # noqa: S310  # the address is the caller's own
        print(html.unescape(answer.read().decode().replace("<br/>", "\n")))


if __name__ == "__main__":
    main()
