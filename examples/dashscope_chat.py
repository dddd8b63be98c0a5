"""Talk to the server by DashScope's protocol: `python examples/dashscope_chat.py http://127.0.0.1:8000 MODEL [KEY]`.

Needs `pip install dashscope`. A model `NAME@BASE` answers from the knowledge base BASE and names its sources.
"""

import sys

import dashscope


def main() -> None:
    """Answer each line of the input, and keep the conversation."""
    url, model, *key = sys.argv[1:]
    dashscope.base_http_api_url = f"{url.rstrip('/')}/api/v1"
    dashscope.api_key = key[0] if key else "none"
    messages: list[dict[str, str]] = []
    for line in sys.stdin:
        messages.append({"role": "user", "content": line.strip()})
        print("> ", end="", flush=True)
        text, sources = ask(model, messages)
        messages.append({"role": "assistant", "content": text})
        print()
        for source in sources:
            print(f"[{source['index_id']}] {source['doc_name']} {source['where']}")


def ask(model: str, messages: list[dict[str, str]]) -> tuple[str, list[dict[str, str]]]:
    """Print the answer while it comes; return it, and the passages that it cites."""
    text, sources = "", []
    stream = dashscope.Generation.call(
        model, messages=messages, stream=True, incremental_output=True, result_format="message", temperature=0
    )
    for part in stream:
        if part.status_code != 200:
            sys.exit(f"{part.code}: {part.message}")
        new = part.output.choices[0].message.content
        print(new, end="", flush=True)
        text += new
        sources = part.output.get("doc_references") or []
    return text, [source for source in sources if source["cited"]]


if __name__ == "__main__":
    main()
