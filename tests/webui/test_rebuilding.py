"""The line above a base that another embedding model made."""

from dataclasses import replace

import pytest

from knowledge.rebuild import Rebuild
from webui import rebuilding
from webui.texts import LANGUAGES

EN = LANGUAGES["en"]
STATE = Rebuild("b", "old<b>", "new", 4000, 0, running=False, seconds=130.0, by_words=False)


def test_what_it_is_how_long_it_takes_and_the_link() -> None:
    html = rebuilding.line(STATE, EN)
    assert "model old&lt;b&gt;, and the server now uses new" in html and EN.rebuild_by_words not in html
    assert "takes about 2 min (passages: 4,000)" in html and 'href="#act/rebuild/0"' in html


@pytest.mark.parametrize("texts", LANGUAGES.values())
def test_what_is_not_known_is_not_said_and_what_is_wrong_is(texts) -> None:  # type: ignore[no-untyped-def]
    html = rebuilding.line(replace(STATE, seconds=0.0, by_words=True, error="no memory"), texts)
    assert texts.rebuild_by_words in html and texts.rebuild_failed.format("no memory") in html
    assert texts.rebuild_takes.partition("{}")[0] not in html and "{}" not in html


def test_while_it_goes_on_there_is_a_bar_and_a_way_back() -> None:
    html = rebuilding.line(replace(STATE, running=True, done=1000, seconds=43.0), EN)
    assert "width:25%" in html and "1,000 of 4,000 passages · about 45 s" in html
    assert 'href="#act/keep-old/0"' in html and "act/rebuild" not in html
    assert "width:0%" in rebuilding.line(replace(STATE, running=True, passages=0), EN)
