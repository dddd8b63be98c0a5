"""A search of the page as a command line that calls the API. Pure functions; knows no component."""

import json
import shlex


def search(origin: str, base: str, query: str, results: int, least: float) -> str:
    """Return the `curl` command that searches the vector store with the id `base`; `origin` has no slash at its end."""
    body: dict[str, object] = {"query": query, "max_num_results": results}
    if least:
        body["ranking_options"] = {"score_threshold": round(least, 2)}
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    return "\n".join(
        [
            f"curl {shlex.quote(f'{origin}/v1/vector_stores/{base}/search')} \\",
            '  -H "Authorization: Bearer $API_KEY" -H "Content-Type: application/json" \\',
            f"  -d {data}",
        ]
    )
