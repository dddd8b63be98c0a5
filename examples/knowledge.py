"""Put documents into a knowledge base and search it, with OpenAI's own client.

Usage: python knowledge.py [BASE_URL] NAME QUESTION FILE...
"""

import os
import sys
from pathlib import Path

from openai import OpenAI


def main(base_url: str, name: str, question: str, paths: list[str]) -> None:
    """Put the files into the knowledge base, which is made if it is not there, and print what is nearest to the question."""
    with OpenAI(base_url=f"{base_url}/v1", api_key=os.environ.get("OPENAI_API_KEY", "none")) as client:
        store = next((store for store in client.vector_stores.list() if store.name == name), None)
        store = store or client.vector_stores.create(name=name)
        for path in paths:
            file = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=Path(path))
            print(f"{Path(path).name}: {file.status}", file.last_error.message if file.last_error else "")
        for result in client.vector_stores.search(store.id, query=question, max_num_results=3):
            print(f"{result.score:.2f} {result.filename}: {result.content[0].text}")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    url = arguments.pop(0) if arguments and arguments[0].startswith("http") else "http://127.0.0.1:8000"
    if len(arguments) < 2:
        sys.exit(__doc__)
    main(url.rstrip("/"), arguments[0], arguments[1], arguments[2:])
