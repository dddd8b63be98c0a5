"""One question to a knowledge base, with what it cites: `python examples/openai_responses.py ADDRESS BASE QUESTION`.

ADDRESS is like http://127.0.0.1:8000. Needs the package `openai`; the key is taken from OPENAI_API_KEY, where the server
wants one.
"""

import os
import sys

from openai import OpenAI


def main(address: str, base: str, question: str) -> None:
    """Print the answer as it comes, then the documents that it cites."""
    client = OpenAI(base_url=f"{address}/v1", api_key=os.environ.get("OPENAI_API_KEY", "none"))
    model = client.models.list().data[0].id
    search = {"type": "file_search", "vector_store_ids": [base]}
    with client.responses.stream(model=model, input=question, tools=[search]) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
    print()
    for item in stream.get_final_response().output:
        for part in item.content if item.type == "message" else []:
            for note in part.annotations:
                print(f"  {part.text[note.index :].partition(']')[0]}] {note.filename}")


if __name__ == "__main__":
    main(*sys.argv[1:])
