"""`evaluate`: the figures of a small base by the real model, bars that hold and do not, and lines that are wrong."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cli.__main__ import main
from knowledge.library import Library
from knowledge.settings import KnowledgeSettings

DOCUMENTS = {
    "trees.txt": "The oak sheds its leaves in autumn. Pines keep their needles all year.",
    "money.txt": "The bank raised its rates to 4.25 percent in March.",
    "install.md": "# Install\n\nRun `pip install tiny-tool --no-deps` and start it with `tiny-tool serve`.",
    "tea.txt": "绿茶的冲泡温度是八十度，时间不超过三分钟。",
}
QUESTIONS: list[dict[str, Any]] = [
    {"question": "Which tree loses its foliage when summer is over?", "file": "trees.txt", "answer_phrases": ["oak"]},
    {"question": "tiny-tool --no-deps", "file": "install.md"},
    {"question": "绿茶用多少度的水？", "file": "tea.txt", "answer_phrases": ["八十度"]},
    {"question": "And in March?", "file": "money.txt", "history": [{"role": "user", "content": "What are the bank rates?"}]},
    {"question": "Who painted the ceiling?", "file": None},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evaluated")
    library = Library(KnowledgeSettings(data_dir=path / "data", min_free_disk=0))
    library.open()
    library.load(lambda what, part: None)
    for name, text in DOCUMENTS.items():
        library.add("default", name, text.encode())
    until = time.monotonic() + 120
    while any(not job.done for job in library.jobs("default")) and time.monotonic() < until:
        time.sleep(0.02)
    assert {job.stage for job in library.jobs("default")} == {"ready"}
    library.close()
    (path / "questions.jsonl").write_text("\n".join(json.dumps(row) for row in QUESTIONS), encoding="utf-8")
    return path


def line(folder: Path, *more: str) -> list[str]:
    return ["evaluate", str(folder / "questions.jsonl"), "--data-dir", str(folder / "data"), *more]


def test_figures_as_json_with_every_mode_and_a_bar_that_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line(folder, "--json", "--bar", "recall@5=1", "--bar", "phrase@5=1")) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["figures"]) == {"hybrid", "dense", "lexical"} and told["questions"] == 5
    assert told["figures"]["hybrid"]["recall@1"] == 1
    assert told["bars"]["recall@5"] == {"least": 1.0, "held": True}
    assert len(told["best_score_of_unanswerable"]) == 1 and told["best_score_of_unanswerable"][0] < 0.3


def test_under_a_bar_it_fails_and_says_by_how_much(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "hard.jsonl").open("w") as file:
        file.write(json.dumps({"question": "Which tree?", "file": "nowhere.txt"}))
    assert main(["evaluate", str(folder / "hard.jsonl"), "--data-dir", str(folder / "data"), "--bar", "recall@5=0.5"]) == 1
    shown = capsys.readouterr()
    assert "recall@5 is 0.0, under the bar of 0.5" in shown.err and "recall@5" in shown.out


def test_a_table_shows_where_modes_differ(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line(folder)) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("5 questions\n") and "hybrid" in shown and "ndcg@10" in shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ('{"question": "q", "file": null}', "holds no question"),
        ('{"question": "q", "file": "a"}\n{', "line 2: it is no JSON"),
        ('{"file": "a"}', 'line 1: "question" is missing'),
        ("[" * 100_000, "line 1: it is no JSON"),
    ],
)
def test_questions_that_are_none_are_refused_with_the_line(
    tmp_path: Path, text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.jsonl").write_text(text)
    assert main(["evaluate", str(tmp_path / "q.jsonl")]) == 2
    assert reason in capsys.readouterr().err


def test_a_base_or_a_measure_that_is_not_there_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line(folder, "--base", "other")) == 4
    assert "there is no knowledge base of this name" in capsys.readouterr().err
    for bar in ("beauty@5=0.5", "cpu_ms_p50=0.5"):  # of the time a search takes, more is not better
        assert main(line(folder, "--bar", bar)) == 2
        assert "there are: all@1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(line(folder, "--bar", "recall@5=2"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.csv", "question,file,phrase\nWhich tree loses its foliage?,trees.txt,oak\n"),
        ("q.json", '[{"question": "Which tree loses its foliage?",\n "file": "trees.txt", "phrase": "oak"}]'),
        ("q.txt", '{"question": "Which tree\u2028loses its foliage?", "file": "trees.txt", "phrase": "oak"}\r\n'),
    ],
    ids=["CSV", "an array", "a line that holds U+2028"],
)
def test_questions_in_the_forms_that_the_page_takes(
    folder: Path, tmp_path: Path, name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert main(["evaluate", str(tmp_path / name), "--data-dir", str(folder / "data"), "--bar", "phrase@5=1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["questions"] == 1


def test_the_environment_names_the_folder_and_a_wrong_one_is_not_made(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_LLM_WEBUI_DATA_DIR", str(folder / "data"))
    assert main(["evaluate", str(folder / "questions.jsonl"), "--bar", "recall@5=1"]) == 0
    monkeypatch.setenv("CHAT_LLM_WEBUI_DATA_DIR", str(tmp_path / "misspelt"))
    capsys.readouterr()
    assert main(["evaluate", str(folder / "questions.jsonl")]) == 4
    assert "there is no knowledge base in" in capsys.readouterr().err and not (tmp_path / "misspelt").exists()


def test_beside_a_server_that_has_the_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = Library(KnowledgeSettings(data_dir=folder / "data", min_free_disk=0))
    library.open()
    try:
        assert main(line(folder, "--bar", "recall@5=1")) == 0
    finally:
        library.close()
