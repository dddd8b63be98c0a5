"""The page and the native protocol at one address: GET, POST and WebSocket at `/` go to whom they are for."""

from pathlib import Path

import requests
import websocket

from tests.server_process import serving

SECONDS = 60


def test_page_and_protocol_share_the_address(tmp_path: Path) -> None:
    with serving(tmp_path, "webui/webui_server.py", "--backend=echo") as server:
        server.until(lambda: "gradio" in server.get("/")[1])
        socket = websocket.create_connection(server.url.replace("http", "ws") + "/", timeout=SECONDS)
        socket.send("hello")
        frames = []
        while (frame := socket.recv()) != "<EOS>":
            frames.append(str(frame))
        socket.close()
        assert "".join(frames) == "You said: hello"
        assert requests.post(server.url + "/", data="hello", timeout=SECONDS).text == "You said: hello"
        assert requests.get(server.url + "/chat", {"prompt": "hello"}, timeout=SECONDS).text == "hello\nYou said: hello"
        assert "gradio" in requests.get(server.url + "/", timeout=SECONDS).text
