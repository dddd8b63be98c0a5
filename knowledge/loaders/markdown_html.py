"""HTML inside Markdown to what a reader sees of it. Knows only single tags, no documents.

Takes only the names of real elements for tags, so that placeholders such as <your-key> and types such as List<String>
stay; leaves code spans alone. Every step is linear in the length of the text.
"""

import html
import re

from knowledge.loaders.powers import sign_before

INLINE = "a|abbr|b|bdi|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|strong|sub|sup|tt|u|var|wbr"
BLOCK = (
    "address|article|aside|audio|blockquote|br|button|canvas|caption|center|col|colgroup|dd|details|div|dl|dt|embed|fieldset|"
    "figcaption|figure|footer|form|h[1-6]|head|header|hr|html|iframe|img|input|label|legend|li|link|main|meta|nav|noscript|"
    "object|ol|optgroup|option|p|path|picture|pre|progress|section|select|source|summary|svg|table|tbody|td|template|"
    "textarea|tfoot|th|thead|time|title|tr|track|ul|video|body"
)
CODE_SPAN = r"(?P<ticks>(?<!`)`{1,3}(?!`))[^`]*(?P=ticks)(?!`)"
IMAGE = r"!\[(?P<words>[^\[\]]*)\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)?\)|\[[^\[\]\n]*\])"
TAG = rf"</?(?:(?P<inline>{INLINE})|(?P<block>{BLOCK}))(?=[\s/>])(?P<rest>[^<>]*)>"
SEEN = re.compile(f"{CODE_SPAN}|{IMAGE}|{TAG}|&(?P<entity>[#a-zA-Z0-9]{{2,32}});", re.IGNORECASE)
RAISED = re.compile(rf"{CODE_SPAN}|(?P<before>.{{0,3}})<sup>(?P<raised>[^<>\n]{{1,20}})</sup>", re.IGNORECASE)
ALT = re.compile(r"""\salt\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
HIDDEN = (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>"))
BLANKS = re.compile(r"[ \t]+$|\n(?=\s*\n\s*\n)", re.MULTILINE)


def visible(source: str, line: str) -> str:
    """Return `source` without comments, scripts, tags and pictures' addresses; tags of blocks become `line`."""
    if "<" not in source and "![" not in source and "&" not in source:
        return source
    for begin, end in HIDDEN:
        source = without(source, begin, end)
    source = RAISED.sub(_sign, source) if "</sup>" in source else source
    text = SEEN.sub(lambda match: _seen(match, line), source)
    return BLANKS.sub("", text)


def _sign(match: re.Match[str]) -> str:
    raised = match["raised"]
    return match[0] if raised is None else f"{match['before']}{sign_before(match['before'], raised.strip())}{raised}"


def without(source: str, begin: str, end: str) -> str:
    """Return `source` without what stands between two marks; an open mark without its end is text."""
    if begin not in source:
        return source
    kept, position, lower = [], 0, source.lower()
    while (found := lower.find(begin, position)) >= 0 and (close := lower.find(end, found)) >= 0:
        kept.append(source[position:found])
        position = close + len(end)
    return "".join(kept) + source[position:]


def _seen(match: re.Match[str], line: str) -> str:
    if match["words"] is not None:
        return match["words"]
    if match["entity"]:
        return html.unescape(match[0])
    if match["inline"]:
        return ""
    if match["block"]:
        alt = ALT.search(match["rest"]) if match["block"].lower() == "img" else None
        return (alt[1] or alt[2] or "") if alt else line or " "
    return match[0]
