"""Plain text with names and headings, of the kind that people upload: documentation and encyclopedia articles.

`python -m starter.texts --work DIR` unpacks Debian's documentation packages below DIR and writes DIR/texts.jsonl, one
passage a line. The packages are never installed and never committed. Licences: each package's own (all in Debian main).
"""

import argparse
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lxml import etree, html

PACKAGES = (
    "anarchism", "aptitude-doc-en", "cockpit-doc", "debian-faq", "debian-handbook", "debian-kernel-handbook", "debian-policy",
    "debian-reference-en", "debmake-doc", "developers-reference", "frr-doc", "gimp-help-en", "git-doc", "gnucash-docs",
    "harden-doc", "installation-guide-amd64", "jargon-text", "kicad-doc-en", "libreoffice-help-en-us", "maint-guide",
    "postgresql-doc-15", "python-django-doc", "python-flask-doc", "python3.11-doc", "sqlite3-doc", "varnish-doc",
)  # fmt: skip
MOST_OF_A_PACKAGE = 700_000
"""Characters taken of one package, so that no manual is most of the world."""
LEAST, MOST = 160, 1400
"""Characters of a passage; the product's chunks have about 200 tokens."""
HELD_OUT_IN = 20
"""One file in this many is never trained on."""
COMMON = re.compile(r"\b(?:the|of|and|to|is|in|that)\b")


@dataclass(frozen=True)
class Text:
    """A passage as the product would cut it: `name` of its file, `headings` outermost first."""

    name: str
    headings: tuple[str, ...]
    text: str
    held_out: bool


def unpack(packages: Path) -> None:
    """Fetch and unpack the packages below `packages`; what is there already stays."""
    packages.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        if not (packages / name).exists():
            subprocess.run(["apt-get", "download", "-qq", name], cwd=packages, check=True)
            archive = next(packages.glob(f"{name}_*.deb"))
            subprocess.run(["dpkg", "-x", archive, packages / name], check=True)
            archive.unlink()


def held_out(name: str) -> bool:
    """Return whether a file or article is kept out of training, by its name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_OUT_IN == 0


def passages(folder: Path) -> Iterator[Text]:
    """Yield the English passages of the HTML files of one unpacked package."""
    taken = 0
    for path in sorted(folder.rglob("*.html")):
        if taken > MOST_OF_A_PACKAGE:
            return
        if path.is_file() and not path.is_symlink():
            for text in _of_file(path):
                taken += len(text.text)
                yield text


def _of_file(path: Path) -> Iterator[Text]:
    try:
        tree = html.parse(str(path), parser=html.HTMLParser(encoding="utf-8"))
    except (OSError, etree.LxmlError):
        return
    if tree.getroot() is None:
        return
    name = f"{path.stem.split('.')[0]}.md"
    headings: list[str] = []
    lines: list[str] = []
    for element in tree.iter("h1", "h2", "h3", "h4", "p", "li", "pre", "td", "dd", "dt"):
        if element.tag in ("li", "td", "dd") and element.find(".//p") is not None:
            continue
        text = element.text_content()
        text = text.strip("\n") if element.tag == "pre" else " ".join(text.split())
        if element.tag[0] == "h":
            yield from _cut(name, headings, lines)
            level = int(element.tag[1])
            headings, lines = [*headings[: level - 1], text.strip("¶ ")[:80]], []
        elif text and len(text) < 3 * MOST:
            lines.append(f"- {text}" if element.tag == "li" else text)
    yield from _cut(name, headings, lines)


def _cut(name: str, headings: list[str], lines: list[str]) -> Iterator[Text]:
    """Yield the lines below one heading in stretches of at most `MOST` characters."""
    stretch = ""
    for line in [*lines, ""]:
        if stretch and (not line or len(stretch) + len(line) > MOST):
            if len(stretch) >= LEAST and _is_english(stretch):
                yield Text(name, tuple(heading for heading in headings if heading), stretch[:MOST], held_out(name))
            stretch = ""
        stretch = f"{stretch}\n{line}" if stretch else line


def _is_english(text: str) -> bool:
    return text.isascii() and len(COMMON.findall(text)) >= len(text) / 120


def main() -> None:
    """Write texts.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work = parser.parse_args().work
    unpack(work / "packages")
    seen: set[str] = set()
    with (work / "texts.jsonl").open("w", encoding="utf-8") as file:
        for name in PACKAGES:
            for text in passages(work / "packages" / name):
                if text.text not in seen:
                    seen.add(text.text)
                    file.write(json.dumps(asdict(text)) + "\n")
    print(f"{len(seen)} passages, {sum(map(len, seen)):,} characters")


if __name__ == "__main__":
    main()
