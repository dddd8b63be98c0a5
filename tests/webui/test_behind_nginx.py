"""The page below a path, behind a real nginx that refuses WebSockets, and its endpoint for programs."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.nginx import PREFIX, nginx
from tests.server_process import Server, serving
from tests.webui.conftest import visit

pytestmark = pytest.mark.filterwarnings("ignore")
PATIENCE = 60_000
WEBUI = "webui/webui_server.py"
CLIENT = """
import sys
from gradio_client import Client
from gradio_client.exceptions import AppError
client = Client(sys.argv[1], verbose=False)
print(sorted(client.view_api(return_format="dict", print_info=False)["named_endpoints"]))
print(client.predict("Is anybody there?", api_name="/chat"))
job = client.submit("one two three four five six", api_name="/chat")
print(job.result(), len(job.outputs()))
for wrong in ("", "x" * 200_001, {"a": 1}):
    try:
        print("answered:", client.predict(wrong, api_name="/chat"))
    except AppError as error:
        print("refused:", error)
try:
    client.predict("x", "nowhere", api_name="/chat")
except AppError as error:
    print("refused:", error)
"""
"""In a process of its own: the client leaves threads and sockets to the end of its process."""


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--backend=echo", "--echo-delay=0.02", f"--root-path={PREFIX}", "--trusted-proxy=127.0.0.1")
    with serving(tmp_path_factory.mktemp("behind"), WEBUI, *flags) as server:
        server.until(lambda: "gradio" in server.get(f"{PREFIX}/")[1])
        yield server


@pytest.fixture(scope="module", params=["kept", "stripped"])
def gateway(request: pytest.FixtureRequest, behind: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nginx(tmp_path_factory.mktemp("nginx"), behind, strip=request.param == "stripped", websocket=False) as url:
        yield url


def test_the_page_and_what_it_consists_of(gateway: str) -> None:
    with httpx.Client(timeout=60) as client:
        page = client.get(f"{gateway}/")
        assert page.status_code == 200
        parts = set(re.findall(r'(?:src|href)="([^"#]+\.(?:js|css)(?:\?[^"]*)?)"', page.text))
        assert parts
        for part in parts:
            answer = client.get(str(page.url.join(part)))
            assert answer.status_code == 200, part
            assert "html" not in answer.headers["content-type"], part


async def test_the_page_in_a_browser(gateway: str, browser: Browser) -> None:
    page, asked = await visit(browser, f"{gateway}/")
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await page.locator("#chat-mode input").click()
    await page.get_by_role("option", name="Chat").click()
    await page.fill("#chat-input textarea", "[[count 30]]")
    await page.press("#chat-input textarea", "Enter")
    talk = page.locator("#chat-talk .bot.message").last
    await expect(talk).to_contain_text("28 29 30", timeout=PATIENCE)
    await page.reload()
    await expect(page.locator("#chat-talk .bot.message").last).to_contain_text("28 29 30", timeout=PATIENCE)
    assert [url for url in asked if not url.startswith((f"{gateway}/", "data:", "blob:"))] == []
    assert sockets == []


def test_a_program_that_speaks_to_gradio_pages(gateway: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENT, f"{gateway}/"],
        cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    named, whole, streamed, *refused = done.stdout.splitlines()
    assert named == "['/chat']", "nothing else of the page is an endpoint"
    assert whole == "You said: Is anybody there?"
    text, _, updates = streamed.rpartition(" ")
    assert text == "You said: one two three four five six" and int(updates) > 3
    assert len(refused) == 4 and all(line.startswith("refused: ") and len(line) < 2048 for line in refused), refused
    assert "nowhere" in refused[3] or "knowledge base" in refused[3]
