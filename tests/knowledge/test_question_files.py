"""Test questions survive, merge, are read from CSV and JSON lines, and runs of them are kept and come back as they were."""

import json
from pathlib import Path

import pytest

from knowledge import question_files, tokens
from knowledge.base import BaseInfo, KnowledgeError, Locator, Passage, Source, TooLarge
from knowledge.evaluation import BadQuestion, Question, evaluate
from knowledge.library import Library
from knowledge.question_files import QuestionFiles, rows_of
from knowledge.ranking import Mode
from tests.knowledge.conftest import finish

BASE = tokens.base()
INFO = BaseInfo("b", 2, 7, "stub")


@pytest.fixture
def files(tmp_path: Path) -> QuestionFiles:
    return QuestionFiles(tmp_path / "evaluation")


def test_questions_are_kept_and_the_same_one_gets_what_is_to_be_found_besides(files: QuestionFiles, tmp_path: Path) -> None:
    assert files.rows(BASE) == []
    assert files.add(BASE, [{"question": "who?", "file": "a.md"}, {"question": "where?", "phrase": "here"}]) == 2
    assert files.add(BASE, [{"question": "who?", "files": ["b.md", "a.md"]}]) == 0
    again = QuestionFiles(tmp_path / "evaluation")
    assert again.questions(BASE) == [
        Question("who?", files=frozenset({"a.md", "b.md"})),
        Question("where?", phrases=("here",)),
    ]
    again.remove(BASE, 0)
    again.remove(BASE, 17)
    assert [row["question"] for row in files.rows(BASE)] == ["where?"]
    files.forget(BASE)
    assert files.rows(BASE) == [] and list((tmp_path / "evaluation").iterdir()) == []


def test_a_question_may_hold_other_ends_of_lines(files: QuestionFiles) -> None:
    text = "who\u2028is\x85there\x0c?"
    assert files.add(BASE, [{"question": text, "phrase": "a\u2029b"}]) == 1
    assert files.questions(BASE) == [Question(text, phrases=("a\u2029b",))]


def test_a_wrong_question_changes_nothing(files: QuestionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.add(BASE, [{"question": "who?"}])
    with pytest.raises(BadQuestion):
        files.add(BASE, [{"question": "good?"}, {"question": ""}])
    with pytest.raises(BadQuestion, match="half a character"):
        files.add(BASE, [{"question": "good?", "phrase": "\ud800"}])
    monkeypatch.setattr(question_files, "MOST", 2)
    with pytest.raises(TooLarge):
        files.add(BASE, [{"question": "two?"}, {"question": "three?"}])
    assert [row["question"] for row in files.rows(BASE)] == ["who?"]


def test_no_name_becomes_a_path_and_a_damaged_file_is_said(files: QuestionFiles, tmp_path: Path) -> None:
    for name in ("../x", "default", "", "vs_../../x"):
        with pytest.raises(ValueError, match="id of a base"):
            files.add(name, [{"question": "who?"}])
    files.add(BASE, [{"question": "who?"}])
    path = tmp_path / "evaluation" / BASE / "questions.jsonl"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"questions\.jsonl is damaged"):
        files.rows(BASE)


@pytest.mark.parametrize(
    "data",
    [
        b"question,file,phrase\nwho?,a.md|b.md,\n,,\nwhere?,,here it is\n",
        b"\xef\xbb\xbfQuestion;File;Phrase\r\nwho?;a.md | b.md;\r\nwhere?;;here it is\r\n",
        "Phrase\tquestion\tfile\n\twho?\ta.md|b.md\nhere it is\twhere?\t\n".encode("utf-16"),
    ],
    ids=["commas", "a German spreadsheet", "tabs in UTF-16"],
)
def test_a_csv_file_is_read(data: bytes) -> None:
    assert rows_of(data, "q.csv") == [
        {"question": "who?", "files": ["a.md", "b.md"], "answer_phrases": []},
        {"question": "where?", "files": [], "answer_phrases": ["here it is"]},
    ]


def test_lines_of_json_are_read_and_chinese_csv_too() -> None:
    assert rows_of(b'{"question": "who?", "file": "a.md"}\n\n', "q.jsonl") == [{"question": "who?", "file": "a.md"}]
    told = "question,file\n仓库里的苹果箱子可以存放多长时间？,安装说明.md\n".encode("gb18030")
    assert rows_of(told, "q.csv")[0]["files"] == ["安装说明.md"]


@pytest.mark.parametrize(
    ("data", "name", "told"),
    [
        (b" \n", "q.csv", "the file is empty"),
        (b'question,file\n"who?,a.md\n', "q.csv", "a quotation mark is opened and never closed"),
        (b"who?,a.md\n", "q.csv", "the first line has to name the columns"),
        (b"question,file\n", "q.csv", "no question"),
        (b"question,file\n,a.md\n", "q.csv", "line 2: .*question"),
        (b'question,file\n"open\n', "q.csv", "line "),
        (b'{"question": "who?"}\n{"question": 3}\n', "q.jsonl", "line 2"),
        (b"[[[", "q.jsonl", "line 1: it is no JSON"),
        (b"x" * (8 * 1024 * 1024 + 1), "q.csv", "larger than 8 MiB"),
    ],
)
def test_what_cannot_be_read_says_where(data: bytes, name: str, told: str) -> None:
    with pytest.raises(BadQuestion, match=told):
        rows_of(data, name)


def test_runs_come_back_as_they_were_the_latest_first(files: QuestionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [Question("who?", files=frozenset({"a.md"})), Question("why?")]
    passages = [Passage(n, "text", Source("b", n, name), Locator(), 0.5) for n, name in enumerate(("b.md", "a.md"))]

    def ask(question: Question, mode: Mode) -> list[Passage]:
        return passages if mode == "hybrid" else passages[:1]

    made = files.keep(BASE, evaluate(questions, ask, ("hybrid", "dense")), INFO, "stub")
    assert [run.mode for run in made] == ["hybrid", "dense"]
    assert files.runs(BASE) == made
    assert (made[0].tried[0].place, made[1].tried[0].place) == (2, None)
    assert made[0].figures["recall@3"] == 1.0 and made[1].figures["recall@3"] == 0.0
    assert (made[0].documents, made[0].passages, made[0].tried[1].answerable) == (2, 7, False)
    monkeypatch.setattr(question_files, "KEPT_RUNS", 2)
    later = files.keep(BASE, evaluate(questions, ask, ("lexical",)), INFO, "stub")
    assert len(files.runs(BASE)) == 2 and later[0] in files.runs(BASE)


def test_a_damaged_run_is_left_out(files: QuestionFiles, tmp_path: Path) -> None:
    runs = tmp_path / "evaluation" / BASE / "runs"
    runs.mkdir(parents=True)
    (runs / "a.json").write_text("{", encoding="utf-8")
    (runs / "b.json").write_text(json.dumps({"id": "b", "tried": []}), encoding="utf-8")
    assert files.runs(BASE) == []


def test_they_go_with_their_base(library: Library) -> None:
    library.create("other")
    for base in ("default", "other"):
        token = library.card(base).id
        library.question_files.add(token, [{"question": "who?"}])
        library.add(base, "a.txt", b"text")
        finish(library, base)
        library.delete(base)
        assert library.question_files.rows(token) == []
