"""What a model wrote is shown without tags and pictures; code and citations keep their meaning."""

import pytest

from webui.markup import answer, flat, note


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain **bold**", "plain **bold**"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("</script><!-- x", "&lt;/script>&lt;!-- x"),
        ("1 < 2 and a<b", "1 < 2 and a&lt;b"),
        ("![alt](http://leak.invalid/x.png)", "[alt](http://leak.invalid/x.png)"),
        ("![alt][ref]", "[alt][ref]"),
        ("`<b>` and ```\n<i>\n``` <u>", "`<b>` and ```\n<i>\n``` &lt;u>"),
    ],
)
def test_tags_and_pictures_are_text(text: str, shown: str) -> None:
    assert answer(text, 0, "k") == shown


def test_citations_are_links_to_their_cards_outside_code() -> None:
    shown = answer("So it is [2]. See `a[1]` and [1, 9].", 2, "k")
    assert shown == ('So it is <a class="cite" href="#k-2">2</a>. See `a[1]` and <a class="cite" href="#k-1">1</a>.')


def test_without_passages_brackets_are_text() -> None:
    assert answer("the list [1]", 0, "k") == "the list [1]"


def test_flat_leaves_nothing_for_markdown() -> None:
    assert flat('a\n\n<b> & "c"') == "a&#10;&#10;&lt;b&gt; &amp; &quot;c&quot;"
    assert note("x\ny", "note error") == '<div class="note error">x&#10;y</div>'
