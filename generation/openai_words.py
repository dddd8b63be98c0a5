"""The words of a remote engine's error, taken from its JSON and made fit to be shown. Knows no error class."""

import json
from typing import Any

LONGEST_WORDS = 300
DEEPEST = 6


def words(answer: Any) -> str:
    """Return the sentence in an error's JSON (OpenAI's, vLLM's older, FastAPI's, or a bare one); "" if there is none."""
    place = ""
    for _ in range(DEEPEST):
        if isinstance(answer, list) and answer and isinstance(answer[0], dict):
            answer = answer[0]
            place = ".".join(str(part) for part in answer.get("loc", ())) + ": "
        elif isinstance(answer, dict):
            answer = next((answer[key] for key in ("error", "detail", "message", "msg") if answer.get(key)), "")
    return place.removeprefix(": ") + answer.strip() if isinstance(answer, str) else ""


def redacted(text: str, key: str | None = None) -> str:
    """Return the first line of `text`, cut, without control characters, the key, and the dot at its end."""
    if key:
        text = text.replace(key, "***").replace(json.dumps(key)[1:-1], "***")
    line = next((line for line in text.splitlines() if line.strip()), "")
    return "".join(character for character in line if character.isprintable())[:LONGEST_WORDS].rstrip(". ")
