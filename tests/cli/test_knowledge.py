"""`knowledge`: a data folder filled, searched, looked over, copied and put back from a terminal, by the real model."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli.__main__ import main
from knowledge.library import Library
from knowledge.settings import KnowledgeSettings
from tests.cli.conftest import Program

ROOT = Path(__file__).resolve().parents[2]
Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "guide").mkdir()
    (folder / ".git").mkdir()
    (folder / "trees.txt").write_text("The oak sheds its leaves in autumn. Pines keep their needles all year.")
    (folder / "README.md").write_text("# Tools\n\nStart it with `tiny-tool serve`.")
    (folder / "guide" / "README.md").write_text("# Guide\n\nThe bank raised its rates to 4.25 percent in March.")
    (folder / ".git" / "hidden.txt").write_text("hidden")
    (folder / "picture.bin").write_bytes(b"\x00")
    return folder


@pytest.fixture(scope="module")
def data(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that tests leave as it is."""
    folder = tmp_path_factory.mktemp("filled") / "data"
    assert main(["knowledge", "add", str(documents), "--data-dir", str(folder)]) == 0
    return folder


def said(shown: Shown) -> Any:
    return json.loads(shown.readouterr().out)


def test_added_listed_found_and_whole(data: Path, capsys: Shown) -> None:
    assert main(["knowledge", "list", "--base", "default", "--data-dir", str(data), "--json"]) == 0
    told = said(capsys)
    assert [document["name"] for document in told["documents"]] == ["README.md", "guide - README.md", "trees.txt"]
    assert main(["knowledge", "list", "--data-dir", str(data)]) == 0
    assert "default  3 documents" in capsys.readouterr().out
    assert main(["knowledge", "search", "Which tree loses its foliage?", "--top-k", "1", "--data-dir", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "trees.txt, line 1" in shown and "The oak sheds" in shown
    assert main(["knowledge", "search", "How is the tool started?", "--top-k", "1", "--data-dir", str(data)]) == 0
    assert "README.md, Tools, line 3\n" in capsys.readouterr().out
    assert main(["knowledge", "verify", "--data-dir", str(data), "--json"]) == 0
    assert said(capsys) == {"wrong": 0, "findings": [], "in_use": ""}


def test_what_cannot_be_added_is_said_and_the_rest_is_there(documents: Path, tmp_path: Path, capsys: Shown) -> None:
    paths = [str(documents / name) for name in ("trees.txt", "picture.bin", "nowhere.txt")]
    twice = str(documents / "guide" / "README.md")
    line = ["knowledge", "add", *paths, str(documents / "README.md"), twice, "--data-dir", str(tmp_path / "data"), "--json"]
    assert main(line) == 1
    rows = said(capsys)["files"]
    assert [(row["stage"], Path(row["name"]).name) for row in rows] == [
        ("ready", "trees.txt"),
        ("ready", "README.md"),
        ("refused", "picture.bin"),
        ("refused", "nowhere.txt"),
        ("refused", "README.md"),
    ]
    assert ".bin files cannot be read" in rows[2]["detail"] and "has this name already" in rows[4]["detail"]
    assert main(["knowledge", "add", paths[0], "--data-dir", str(tmp_path / "data")]) == 0
    assert "skipped" in capsys.readouterr().out


def test_another_base_is_made_when_asked_for(documents: Path, tmp_path: Path, capsys: Shown) -> None:
    line = ["knowledge", "add", str(documents / "trees.txt"), "--base", "forest", "--data-dir", str(tmp_path / "data")]
    assert main(line) == 4
    assert "no knowledge base of this name" in capsys.readouterr().err
    assert main([*line, "--create"]) == 0
    assert (
        main(["knowledge", "remove", "trees.txt", "nothing.txt", "--base", "forest", "--data-dir", str(tmp_path / "data")]) == 1
    )
    shown = capsys.readouterr()
    assert "1 of 2 removed" in shown.out and "no document 'nothing.txt'" in shown.err
    assert main(["knowledge", "list", "--base", "forest", "--data-dir", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out == "nothing\n"


def test_backup_and_restore(data: Path, tmp_path: Path, capsys: Shown) -> None:
    assert main(["knowledge", "backup", str(tmp_path / "copy"), "--data-dir", str(data), "--json"]) == 0
    assert said(capsys)["documents"] == 3
    assert main(["knowledge", "backup", str(tmp_path / "copy"), "--data-dir", str(data)]) == 4
    assert "exists already" in capsys.readouterr().err
    assert main(["knowledge", "restore", str(tmp_path / "copy"), "--data-dir", str(tmp_path / "data")]) == 0
    assert main(["knowledge", "verify", "--data-dir", str(tmp_path / "data")]) == 0
    assert "0 wrong" in capsys.readouterr().out
    assert main(["knowledge", "restore", str(tmp_path), "--data-dir", str(tmp_path / "data")]) == 4
    assert "is no backup" in capsys.readouterr().err


def test_vectors_of_another_model_are_made_again(data: Path, tmp_path: Path, capsys: Shown) -> None:
    folder = str(tmp_path / "data")
    assert main(["knowledge", "backup", str(tmp_path / "copy"), "--data-dir", str(data)]) == 0
    assert main(["knowledge", "restore", str(tmp_path / "copy"), "--data-dir", folder]) == 0
    capsys.readouterr()
    assert main(["knowledge", "rebuild", "--data-dir", folder]) == 0
    assert capsys.readouterr().out == "nothing to rebuild\n"
    with closing(sqlite3.connect(tmp_path / "data" / "knowledge.db")) as connection:
        connection.execute("UPDATE bases SET embedder = 'gone (384 dimensions)', embedder_path = '/nowhere'")
        connection.commit()
    assert main(["knowledge", "search", "Which oak sheds leaves?", "--data-dir", folder]) == 0
    shown = capsys.readouterr()
    assert "searched by words only: this knowledge base was made with the embedding model gone" in shown.err
    assert "The oak sheds" in shown.out
    assert main(["knowledge", "rebuild", "--data-dir", folder, "--json"]) == 0
    assert said(capsys) == {"rebuilt": ["default"], "failed": {}}
    assert main(["knowledge", "search", "Which tree loses its foliage?", "--data-dir", folder, "--json"]) == 0
    assert said(capsys)["by_words"] == ""
    assert main(["knowledge", "rebuild", "--base", "nobody's", "--data-dir", folder]) == 4


def test_while_a_server_has_the_folder(data: Path, tmp_path: Path, capsys: Shown) -> None:
    library = Library(KnowledgeSettings(data_dir=data))
    library.open()
    try:
        for line in (["remove", "trees.txt"], ["add", "x.txt"], ["restore", str(tmp_path)]):
            (tmp_path / "knowledge.db").touch()
            assert main(["knowledge", *line, "--data-dir", str(data)]) == 3
            shown = capsys.readouterr().err
            assert "is in use by process" in shown and "over its API" in shown
        assert main(["knowledge", "list", "--data-dir", str(data)]) == 0
        assert "default  3 documents" in capsys.readouterr().out
        assert main(["knowledge", "search", "Which tree loses its foliage?", "--data-dir", str(data)]) == 0
        assert "The oak sheds" in capsys.readouterr().out
        assert main(["knowledge", "verify", "--data-dir", str(data)]) == 0
        assert "in use by process" in capsys.readouterr().out
        assert main(["knowledge", "backup", str(tmp_path / "copy"), "--data-dir", str(data)]) == 0
    finally:
        library.close()


HEAVY = {"torch", "sentence_transformers", "transformers", "gradio", "fastapi", "scipy", "sklearn", "langchain_core", "httpx"}
IMPORTED = """
import sys
from cli.__main__ import main
try:
    sys.exit(main(sys.argv[1:]))
finally:
    print(" ".join({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "line",
    [["search", "Which tree loses its foliage?"], ["list"], ["verify"], ["remove", "nothing.txt"], ["--help"]],
    ids=" ".join,
)
def test_what_needs_no_documents_read_imports_nothing_heavy(data: Path, line: list[str]) -> None:
    whole = ["knowledge", *line] if line == ["--help"] else ["knowledge", *line, "--data-dir", str(data)]
    done = subprocess.run([sys.executable, "-c", IMPORTED, *whole], capture_output=True, text=True, cwd=ROOT, check=False)
    imported = set(done.stderr.splitlines()[-1].split())
    assert done.returncode == int(line[0] == "remove"), done.stderr
    assert {"cli", "configs"} <= imported and not imported & HEAVY
    assert ("The oak sheds" in done.stdout) == (line[0] == "search")
    assert line != ["--help"] or "numpy" not in imported


def test_verify_lists_what_is_wrong(data: Path, tmp_path: Path, capsys: Shown) -> None:
    assert main(["knowledge", "backup", str(tmp_path / "copy"), "--data-dir", str(data)]) == 0
    assert main(["knowledge", "restore", str(tmp_path / "copy"), "--data-dir", str(tmp_path / "data")]) == 0
    with closing(sqlite3.connect(tmp_path / "data" / "knowledge.db")) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("DELETE FROM chunks WHERE id = (SELECT min(id) FROM chunks)")
        connection.commit()
    capsys.readouterr()
    assert main(["knowledge", "verify", "--data-dir", str(tmp_path / "data")]) == 1
    shown = capsys.readouterr().out
    assert "wrong     the document" in shown and "1 wrong in" in shown


WRONG_SEARCHES = [["search", " "], ["search", "x", "--top-k", "0"], ["search", "x", "--top-k=-1"]]
"""Each of them would find nothing, whatever there is."""


@pytest.mark.parametrize("line", [[], ["nothing"], ["add"], ["search"], ["search", "x", "--mode", "magic"], *WRONG_SEARCHES])
def test_a_wrong_line(line: list[str], capsys: Shown) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["knowledge", *line])
    assert "usage" in capsys.readouterr().err


def test_nothing_there_and_wrong_settings(tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = (["verify"], ["backup", str(tmp_path / "copy")], ["list"], ["search", "oak"])
    for command in (*reading, ["remove", "oak.txt"], ["passages", "oak.txt"], ["rebuild"]):
        assert main(["knowledge", *command, "--data-dir", str(tmp_path / "none")]) == 4
        assert "no knowledge base in" in capsys.readouterr().err and not (tmp_path / "none").exists()
    monkeypatch.setenv("CHAT_LLM_WEBUI_DATA_DIRR", "x")
    assert main(["knowledge", "list", "--data-dir", str(tmp_path / "none")]) == 2
    assert "DATA_DIR" in capsys.readouterr().err


def test_the_environment_names_the_folder(data: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_LLM_WEBUI_DATA_DIR", str(data))
    assert main(["knowledge", "list"]) == 0
    assert "3 documents" in capsys.readouterr().out


def test_a_passage_is_switched_off_and_on(documents: Path, tmp_path: Path, capsys: Shown) -> None:
    data = ["--data-dir", str(tmp_path / "data")]
    assert main(["knowledge", "add", str(documents / "trees.txt"), str(documents / "README.md"), *data]) == 0
    capsys.readouterr()
    assert main(["knowledge", "passages", "trees.txt", "--off", "1", *data]) == 0
    assert "1  switched off  " in capsys.readouterr().out
    search = ["knowledge", "search", "Which tree loses its foliage?", *data, "--json"]
    assert main(search) == 0
    assert {passage["source"]["name"] for passage in said(capsys)["passages"]} == {"README.md"}
    assert main(["knowledge", "list", "--base", "default", *data, "--json"]) == 0
    assert [document["switched_off"] for document in said(capsys)["documents"]] == [0, 1]
    assert main(["knowledge", "passages", "trees.txt", "--off", "2", *data]) == 4
    assert "has the passages 1 to 1, not 2" in capsys.readouterr().err
    assert main(["knowledge", "passages", "trees.txt", "--on", "1", *data, "--json"]) == 0
    assert [(passage["number"], passage["switched_off"]) for passage in said(capsys)["passages"]] == [(1, False)]
    assert main(search) == 0
    assert said(capsys)["passages"][0]["source"]["name"] == "trees.txt"


def test_what_is_no_file_is_refused_and_a_name_that_is_no_text_is_said(tmp_path: Path, program: Program) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "pipe.txt")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.txt")).write_text("The oak.", encoding="utf-8")
    line = ["knowledge", "add", str(folder), "/dev/zero", "--data-dir", str(tmp_path / "data"), "--json"]
    ended = program(*line, PYTHONIOENCODING="utf-8:strict")
    assert ended.returncode == 1
    rows = {Path(row["name"]).name: (row["stage"], row["detail"]) for row in json.loads(ended.stdout)["files"]}
    assert rows["pipe.txt"] == rows["zero"] == ("refused", "it is no regular file")
    assert rows["bad\udcff.txt"][0] == "refused"
