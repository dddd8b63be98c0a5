"""The table says what became of every file, and shows names as text."""

import time
from dataclasses import replace

import pytest

from knowledge.base import Document, Job, Retry
from webui.documents import SHOWN, Refused, table
from webui.texts import LANGUAGES

EN = LANGUAGES["en"]


def job(name: str, stage: str, **more: object) -> Job:
    values = {"id": 7, "base": "b", "size": 1, "part": 0.5, "chunks": 0, "seconds": 1.25, **more}
    return Job(name=name, stage=stage, **values)  # type: ignore[arg-type]


def document(name: str, identity: int = 3) -> Document:
    return Document(identity, "b", name, "0" * 64, 10, 100, 41, None, 1, 0.0, ("guessed encoding gb18030",))


def test_nothing_yet_says_what_to_do() -> None:
    assert "Vectorize" in table([], [], [], EN)


def test_a_row_per_file_with_stage_bar_reason_and_actions() -> None:
    going = job("a.pdf", "embedding", detail="64 of 188 passages", chunks=188)
    failed = job("b.pdf", "failed", id=8, detail="needs OCR: 12 of 12 pages are images")
    html = table([document("c.md")], [going, failed], [Refused("d.exe", "unsupported", "no loader")], EN)
    assert "width:50%" in html and "embedding 50\u00a0%, 64 of 188 passages" in html and "#act/cancel/7" in html
    assert "failed: needs OCR: 12 of 12 pages are images" in html and "#act/retry/8" in html
    assert (
        "c.md" in html
        and "guessed encoding gb18030" in html
        and "#act/delete/3" in html
        and "#act/passages/3" in html
        and ">41<" in html
    )
    assert "d.exe" in html and "no loader" in html


@pytest.mark.parametrize(("language", "words"), [("en", "failed: password-protected"), ("zh", "失败: 文件有密码保护")])
def test_why_a_file_failed_is_said_in_the_language_of_the_page(language: str, words: str) -> None:
    locked = job("a.pdf", "failed", code="encrypted", detail="the file <a> is encrypted")
    html = table([], [locked], [], LANGUAGES[language])
    assert f"{words}<" in html and "the file &lt;a&gt; is encrypted" in html
    refused = table([], [], [Refused("a.exe", "unsupported", "no <loader>")], LANGUAGES[language])
    assert f": {LANGUAGES[language].reasons['unsupported']}<" in refused and "no &lt;loader&gt;" in refused
    resting = replace(locked, stage="waiting", code="storage_full", retry=Retry(time.time(), 1, 5))
    assert f"{LANGUAGES[language].reasons['storage_full']}: the file" in table([], [resting], [], LANGUAGES[language])


@pytest.mark.parametrize(
    ("language", "words"), [("en", "waiting, trying again at {} (2 of 5)"), ("zh", "将于 {} 重试（第 2/5 次）")]
)
def test_a_file_that_rests_says_why_and_when_it_is_tried_again(language: str, words: str) -> None:
    at = time.time() + 600
    resting = job("a.pdf", "waiting", detail="the disk is <full>", retry=Retry(at, 2, 5))
    html = table([], [resting], [], LANGUAGES[language])
    assert words.format(time.strftime("%H:%M", time.localtime(at))) in html
    assert "the disk is &lt;full&gt;" in html and "#act/retry/7" in html and "#act/cancel/7" in html


def test_a_file_that_rests_is_seen_beside_the_later_one_that_waits_for_it() -> None:
    resting = job("a.pdf", "waiting", id=1, detail="the disk is full", retry=Retry(time.time(), 1, 5))
    html = table([], [resting, job("a.pdf", "waiting", id=2)], [], EN)
    assert html.count("a.pdf") == 2 and "the disk is full" in html and "#act/cancel/1" in html and "#act/cancel/2" in html


def test_all_failed_files_are_tried_again_at_once_where_there_are_several() -> None:
    failed = [job(f"{number}.pdf", "failed", id=number) for number in range(2)]
    assert "#act/retryall/0" in table([], failed, [], EN)
    assert "#act/retryall/0" not in table([], failed[:1], [], EN)


def test_a_file_on_its_way_hides_the_version_it_replaces_and_a_failed_one_does_not() -> None:
    assert table([document("a.md")], [job("a.md", "reading")], [], EN).count("a.md") == 1
    assert table([document("a.md")], [job("a.md", "failed", detail="x")], [], EN).count("a.md") == 2


def test_only_the_latest_try_of_a_file_counts() -> None:
    html = table([document("a.md")], [job("a.md", "failed", id=1), job("a.md", "ready", id=2)], [], EN)
    assert "failed" not in html and "ready" in html


def test_names_are_text() -> None:
    html = table([document("<img src=x>.md")], [], [], EN)
    assert "<img" not in html and "&lt;img src=x&gt;.md" in html


def test_passages_that_are_switched_off_are_counted() -> None:
    html = table([replace(document("c.md"), switched_off=2), document("d.md", 4)], [], [], EN)
    assert html.count("switched off") == 1 and '41<div class="muted">2 switched off</div>' in html


def test_names_are_found_and_the_table_is_no_longer_than_a_person_reads() -> None:
    many = [document(f"Report {number}.md", number) for number in range(SHOWN + 20)]
    html = table(many, [job("letter.pdf", "reading")], [], EN)
    assert html.count("<tr>") == SHOWN + 1 and EN.more_documents.format("21") in html and "letter.pdf" in html
    found = table(many, [job("letter.pdf", "reading")], [], EN, " report 11 ")
    assert "Report 11.md" in found and "letter.pdf" not in found and "Report 12.md" not in found
    assert EN.none_named.format("&lt;nobody&gt;") in table(many, [], [], EN, "<nobody>")


def test_what_is_for_all_failed_files_stands_above_them() -> None:
    html = table([document("a.md")], [job("b.pdf", "failed")], [Refused("c.exe", "failed", "no loader")], EN)
    assert html.index("#act/dismiss/0") < html.index("b.pdf") and "#act/retryall/0" not in html
    assert "#act/dismiss" not in table([document("a.md")], [job("b.pdf", "reading")], [], EN)
