"""The login page of a server with keys: one field, one button, a cookie that scripts cannot read."""

from html import escape
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope

from api.keys import COOKIE, Keys

LOGIN_PATH = "/login"
LONGEST_FORM = 8192

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>chat-llm-webui</title><style>
:root{{color-scheme:light dark}}body{{font:15px/1.55 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;
background:light-dark(#f7f7f5,#17181a);color:light-dark(#1d1f23,#ececea)}}
form{{display:grid;gap:12px;width:min(320px,90vw)}}h1{{font-size:18px;margin:0}}p{{margin:0;color:light-dark(#5d626a,#a5a9b0)}}
input,button{{font:inherit;padding:10px 12px;border-radius:8px;border:1px solid light-dark(#d6d6d0,#3a3c40)}}
button{{background:#0f6e5c;color:#fff;border:0;font-weight:600}}.wrong{{color:light-dark(#b3261e,#f2a7a1)}}</style>
<form method="post" action="{action}"><h1>chat-llm-webui</h1><p class="{kind}">{text}</p>
<label for="key">Key</label><input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Open</button></form></html>"""


def login_page(root_path: str, wrong: bool = False) -> Response:
    """Return the login page, status 401."""
    text = "This key is not known here." if wrong else "This server asks for a key."
    page = PAGE.format(action=escape(root_path + LOGIN_PATH), kind="wrong" if wrong else "", text=text)
    return HTMLResponse(page, 401)


async def login(scope: Scope, receive: Receive, keys: Keys, root_path: str) -> Response:
    """Answer the login form: the cookie and the way to the page, or the form again."""
    request = Request(scope, receive)
    if not keys.has_keys:
        return RedirectResponse(root_path + "/", 303)
    if request.method != "POST":
        return login_page(root_path)
    key = await _key(request)
    if not keys.knows(key):
        return login_page(root_path, wrong=True)
    answer = RedirectResponse(root_path + "/", 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, keys.session(key), httponly=True, samesite="strict", secure=secure, path=root_path or "/")
    return answer


async def _key(request: Request) -> str:
    """Return the key in the form, or "" where there is none or more than a form."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_FORM:
                return ""
    except ClientDisconnect:
        return ""
    return parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0].strip()
