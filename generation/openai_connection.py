"""The connection to an OpenAI-compatible engine: its address, our key, its models.

The key is read from a file, sent to this address alone, and shown nowhere. Redirects are not followed. Knows no prompt.
"""

import ipaddress
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from generation.base import ModelUnusable
from generation.openai_errors import from_answer, from_transport
from generation.settings import GenerationSettings

LOG = logging.getLogger(__name__)
LARGEST_LISTING = 8 * 1024 * 1024
REACH_SECONDS = 10.0
LENGTH_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length")
"""What vLLM and SGLang, OpenRouter, Groq and Mistral call the tokens that a model reads in all."""


class Connection:
    """Opens clients for the address that the settings name; the file of the key is read when it is made."""

    def __init__(self, settings: GenerationSettings) -> None:
        self.base = settings.api_base or ""
        self.key = _key(settings.remote_key_file)
        self._connect_seconds = settings.remote_connect_seconds
        url = httpx.URL(self.base)
        self._here = _is_here(url.host)
        if self.key and url.scheme == "http" and not self._here:
            LOG.warning("--api-base %s is not https: the key travels readable for everybody on the way.", self.base)

    def options(self, read_seconds: float | None) -> dict[str, Any]:
        """Return the arguments of a client; `read_seconds` None: the caller watches the time."""
        headers = {"Accept-Encoding": "identity", "User-Agent": "chat-llm-webui"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return {
            "headers": headers,
            "timeout": httpx.Timeout(read_seconds, connect=self._connect_seconds),
            "follow_redirects": False,
            "trust_env": not self._here,  # HTTPS_PROXY and SSL_CERT_FILE count, but never a proxy to this machine itself
            "limits": httpx.Limits(max_connections=None),
        }

    def models(self) -> dict[str, int | None]:
        """Return the names of the models there, and the context length of each that tells it; raises `ModelUnusable`."""
        with httpx.Client(**self.options(REACH_SECONDS)) as client:
            try:
                with client.stream("GET", f"{self.base}/models") as answer:
                    body = _bounded(answer)
            except httpx.HTTPError as error:
                raise self._unusable(str(from_transport(error)).partition(". ")[0]) from error
        if answer.status_code == 404:
            hint = "" if self.base.endswith("/v1") else f" Most engines want the address to end in /v1: {self.base}/v1."
            raise self._unusable(f"It has no list of models at {self.base}/models (404).{hint}")
        if answer.status_code != 200:
            raise self._unusable(str(from_answer(answer.status_code, answer.headers, body, self.key)))
        return self._listed(body)

    def _listed(self, body: str) -> dict[str, int | None]:
        try:
            return listed(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise self._unusable("It does not answer with a list of models there; is this the address of its API?") from error

    def _unusable(self, why: str) -> ModelUnusable:
        return ModelUnusable(f"--api-base {self.base} cannot be used. {why.rstrip('.')}.")


def listed(document: Any) -> dict[str, int | None]:
    """Return name -> context length (None where it is not told) of the JSON of `GET /models`; raises `ValueError`."""
    entries = document.get("data") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise ValueError("no list of models")
    models = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    return {entry["id"]: _length(entry) for entry in models}


def refusal(model: str, models: Mapping[str, int | None]) -> str:
    """Return a sentence for a model that is not among `models`."""
    names = sorted(models)
    more = f", and {len(names) - 10} more" if len(names) > 10 else ""
    there = f"it has {', '.join(names[:10])}{more}" if names else "it has none at present"
    return f"The remote engine has no model {model!r}; {there}."


def _length(entry: Mapping[str, Any]) -> int | None:
    values = [entry.get(key) for key in LENGTH_KEYS]
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool) and value > 0), None)


def _bounded(answer: httpx.Response) -> str:
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > LARGEST_LISTING:
            break
    return body.decode("utf-8", "replace")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(path: Path | None) -> str | None:
    """Return the one line of the file, or None without a file; raises `ModelUnusable`, which never shows it."""
    if path is None:
        return None
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ModelUnusable(f"--remote-key-file {path} cannot be read: {reason}.") from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    if len(lines) != 1 or not lines[0].isascii() or not lines[0].isprintable() or " " in lines[0]:
        raise ModelUnusable(f"--remote-key-file {path} must hold one key, alone on its line.")
    return lines[0]
