"""Before the page is made there is a word of waiting; a first visit is led to its language."""

import httpx
import pytest
from fastapi import FastAPI

from webui.mount import Door


def made() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def page() -> str:
        return "the page"

    return app


def client(door: Door, root_path: str = "") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(door, root_path=root_path)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_waiting_page_then_page() -> None:
    door = Door("")
    async with client(door) as browser:
        waiting = await browser.get("/")
        assert waiting.status_code == 200 and "Starting" in waiting.text
        assert (await browser.get("/anything")).status_code == 503
        await door.open(made)
        assert (await browser.get("/")).json() == "the page"
    await door.close()


async def test_a_page_that_cannot_be_made_says_why() -> None:
    def broken() -> FastAPI:
        raise RuntimeError("no gradio")

    with pytest.raises(RuntimeError, match="no gradio"):
        await Door("").open(broken)


@pytest.mark.parametrize(
    ("wanted", "cookie", "to"),
    [
        ("zh-CN,zh;q=0.9", "", "/zh/"),
        ("en-US", "", None),
        ("de", "", None),
        ("", "", None),
        ("zh-CN", "chat_llm_webui_language=en", None),
    ],
)
async def test_language_of_a_first_visit(wanted: str, cookie: str, to: str | None) -> None:
    door = Door("/pre")
    await door.open(made)
    async with client(door, "/pre") as browser:
        answer = await browser.get("/pre/", headers={"accept-language": wanted, "cookie": cookie})
        assert answer.headers.get("location") == (None if to is None else f"/pre{to}")
        english = await browser.get("/pre/?lang=en")
        assert english.headers["location"] == "/pre/" and "language=en" in english.headers["set-cookie"]
    await door.close()
