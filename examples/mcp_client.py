"""Search and ask a knowledge base over MCP, with the protocol's own client.

Usage: python mcp_client.py [BASE_URL] QUESTION [KNOWLEDGE_BASE]
"""

import asyncio
import os
import sys
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client


async def main(base_url: str, question: str, base: str) -> None:
    """Print the passages that are nearest to the question, and the answer."""
    key = os.environ.get("API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=600) as http,
        Client(streamable_http_client(f"{base_url}/mcp", http_client=http)) as client,
    ):
        print("tools:", ", ".join(tool.name for tool in (await client.list_tools()).tools))
        for passage in (await call(client, "kb_search", query=question, knowledge_base=base))["passages"]:
            print(f"{passage['score']:.2f} {passage['filename']}: {passage['text']}")
        print((await call(client, "kb_ask", question=question, knowledge_base=base))["answer"])


async def call(client: Client, tool: str, **arguments: str) -> dict[str, Any]:
    """Return what a tool gives; ends the program with its words when it refuses."""
    result = await client.call_tool(tool, arguments)
    if result.is_error or result.structured_content is None:
        sys.exit(f"{tool}: {result.content[0].text}")
    return result.structured_content


if __name__ == "__main__":
    words = sys.argv[1:]
    url = words.pop(0) if words and words[0].startswith("http") else "http://127.0.0.1:8000"
    if not words:
        sys.exit(__doc__)
    asyncio.run(main(url.rstrip("/"), words[0], words[1] if len(words) > 1 else "default"))
