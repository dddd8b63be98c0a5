"""Who asks, as far as it matters for fair turns: the key, or else the address. Knows no right and no name."""

import hashlib

from starlette.requests import HTTPConnection

from api.keys import bearer


def principal(request: HTTPConnection, has_keys: bool) -> str:
    """Return what stands for whoever sent `request`, which the guard has let in.

    Without keys the header Authorization can hold anything, so it must not make one client into many.
    """
    token = bearer(request.headers.get("authorization", ""))
    if has_keys and token:
        return "key:" + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"address:{request.client.host if request.client else ''}"
