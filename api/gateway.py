"""Who is at the other end of a gateway. Its headers are believed only from an address that the settings name (threats S-49)."""

import ipaddress

from starlette.datastructures import Headers
from starlette.types import Scope

SUBSCRIBER = 64
"""Bits of an IPv6 address that tell one subscriber from another; the rest is the subscriber's own to choose (RFC 6177)."""


def behind(scope: Scope, trusted: tuple[str, ...]) -> Scope:
    """Return `scope` with the client and the scheme that the gateway tells of, if it comes from one in `trusted`."""
    if address_of(scope) not in trusted:
        return scope
    headers = Headers(scope=scope)
    secure = headers.get("x-forwarded-proto", "").strip().lower() == "https"
    kind = "ws" if scope["type"] == "websocket" else "http"
    client = (_client(scope, ",".join(headers.getlist("x-forwarded-for")), trusted), scope["client"][1])
    return {**scope, "client": client, "scheme": kind + "s" * secure}


def address_of(scope: Scope) -> str:
    """Return the address of the client, "" where there is none, as on a Unix socket."""
    return str((scope.get("client") or ("",))[0])


def subscriber(address: str) -> str:
    """Return what stands for all the addresses that one client can choose from."""
    if ":" not in address or not _is_address(address):
        return address
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/{SUBSCRIBER}", strict=False))


def _client(scope: Scope, told: str, trusted: tuple[str, ...]) -> str:
    address = address_of(scope)
    # Read from the end: the last one was written by our gateway, whatever stands before it by anybody.
    for hop in reversed([part.strip() for part in told.split(",")]):
        if not _is_address(hop):
            break
        address = hop
        if hop not in trusted:
            break
    return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
