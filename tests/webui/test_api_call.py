"""The command line says to the shell exactly what was searched for."""

import json
import shlex

from webui.api_call import search


def test_quotes_and_line_ends_reach_the_api_as_they_are() -> None:
    query = 'it\'s "here"\n$(rm -rf /) 苹果'
    words = shlex.split(search("https://host/gateway", "vs_1", query, 4, 0.25))
    assert words[:2] == ["curl", "https://host/gateway/v1/vector_stores/vs_1/search"]
    body = json.loads(words[words.index("-d") + 1])
    assert body == {"query": query, "max_num_results": 4, "ranking_options": {"score_threshold": 0.25}}


def test_no_threshold_is_none() -> None:
    assert "ranking_options" not in search("http://h", "vs_1", "why?", 4, 0.0)
