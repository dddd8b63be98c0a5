"""A chat in the terminal over OpenAI's protocol: `python examples/openai_chat.py http://127.0.0.1:8000 [KNOWLEDGE_BASE]`.

Needs the package `openai`. The key is taken from OPENAI_API_KEY, where the server wants one.
"""

import os
import sys
from typing import Any

from openai import OpenAI


def main(address: str, base: str | None = None) -> None:
    """Answer each line of the input, and remember what was said before."""
    client = OpenAI(base_url=f"{address}/v1", api_key=os.environ.get("OPENAI_API_KEY", "none"))
    model = client.models.list().data[0].id
    turns: list[Any] = []
    for line in sys.stdin:
        turns.append({"role": "user", "content": line.strip()})
        answer, sources = "", []
        name = f"{model}@{base}" if base else model
        for chunk in client.chat.completions.create(model=name, messages=turns, stream=True):
            new = chunk.choices[0].delta.content or ""
            print(new, end="", flush=True)
            answer += new
            sources = chunk.to_dict().get("sources") or sources
        print()
        for source in sources:
            if source["cited"]:
                print(f"  [{source['number']}] {source['filename']} {source['where']}")
        turns.append({"role": "assistant", "content": answer})


if __name__ == "__main__":
    main(*sys.argv[1:])
