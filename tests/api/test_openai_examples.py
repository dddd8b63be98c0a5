"""The examples for OpenAI's protocol, as a reader runs them."""

import asyncio
import os
import sys

from tests.api.live import Live, listening
from tests.server_process import PATIENCE, ROOT

QUESTION = "How heavy is the red fox?"


async def run(name: str, *arguments: str, said: str = "") -> str:
    """Return what an example prints; a failing one fails the test with its words."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", str(ROOT / "examples" / name), *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    out, error = await asyncio.wait_for(process.communicate(said.encode()), PATIENCE)
    assert process.returncode == 0, error.decode()
    return out.decode()


async def test_a_chat(server: Live) -> None:
    async with listening(server.app) as port:
        assert (
            await run("openai_chat.py", f"http://127.0.0.1:{port}", said="hello\nagain\n")
            == "You said: hello\nYou said: again\n"
        )


async def test_a_chat_with_documents(server: Live) -> None:
    server.fill()
    async with listening(server.app) as port:
        printed = await run("openai_chat.py", f"http://127.0.0.1:{port}", "default", said=QUESTION + "\n")
    assert printed.splitlines() == ["According to [1], The red fox weighs seven kilograms.", "  [1] animals.txt "]


async def test_a_response_with_its_citations(server: Live) -> None:
    server.fill()
    async with listening(server.app) as port:
        printed = await run("openai_responses.py", f"http://127.0.0.1:{port}", "default", QUESTION)
    assert printed.splitlines() == ["According to [1], The red fox weighs seven kilograms.", "  [1] animals.txt"]
