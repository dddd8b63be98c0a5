"""`knowledge add|list|remove|passages|search|verify|rebuild|backup|restore`: the knowledge bases of a data folder.

For a terminal. Finds the data folder as the server does (flag, environment, --config), and works on it directly while no
server has it; `list`, `search`, `verify` and `backup` also while one has. Exit status: 0 done, 1 something could not be done
or is not as it should be, 2 the line is wrong, 3 another process has the data folder, 4 it cannot be used.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cli import chosen_folder
from configs.settings import SettingsError
from knowledge.base import KnowledgeError, StoreInUse

IN_USE = "; a running server's documents are changed on its page and over its API"
MODES = ("hybrid", "dense", "lexical")


def run(arguments: Sequence[str], program: str) -> int:
    """Do what the line says."""
    given = _line(program).parse_args(list(arguments))
    try:
        settings = chosen_folder.settings_of(given, program)
        _spare_threads(given.command)
        # Imported only now: `--help` and a wrong line need none of what reads and searches documents.
        from cli import knowledge_commands

        return knowledge_commands.COMMANDS[given.command](given, settings)
    except SettingsError as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 2
    except StoreInUse as error:
        sys.stderr.write(f"{program}: {error}{IN_USE}\n")
        return 3
    except KnowledgeError as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 4


def _spare_threads(command: str) -> None:
    """Let numpy multiply on one thread for a single question: threads that wait for one another cost more than they do.

    Measured on 2 busy cores: 16 ms of CPU a question, 420 ms with OpenBLAS's own number of threads. It looks once, when
    numpy is imported.
    """
    if command == "search" and "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _query(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is blank")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("give a number from 1 on")
    return int(text)


def _line(program: str) -> argparse.ArgumentParser:
    line = argparse.ArgumentParser(program, description="The knowledge bases of a data folder.")
    commands = line.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, what: str, base: bool = True) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        if base:
            one.add_argument("--base", metavar="NAME", help="the knowledge base (default: default)")
        chosen_folder.add_flags(one)
        one.add_argument("--json", action="store_true", help="print one line of JSON")
        return one

    add = command("add", "add files, and all that can be read in folders")
    add.add_argument("paths", metavar="PATH", type=Path, nargs="+", help="file or folder")
    add.add_argument("--create", action="store_true", help="make the knowledge base, if there is none of this name")
    command("list", "list the knowledge bases, or the documents of one (--base)")
    command("remove", "remove documents").add_argument("names", metavar="NAME", nargs="+", help="name of a document")
    passages = command("passages", "list the passages of a document, switch some off or on")
    passages.add_argument("name", metavar="NAME", help="name of a document")
    for flag, what in (("--off", "numbers of passages that no search shall find"), ("--on", "... that shall be found again")):
        passages.add_argument(flag, metavar="NUMBER", type=int, nargs="+", default=[], help=what)
    search = command("search", "show the passages that tell most about a question")
    search.add_argument("query", metavar="QUERY", type=_query)
    search.add_argument("--top-k", metavar="NUMBER", type=_count, default=5, help="passages (default: 5)")
    search.add_argument("--mode", choices=MODES, default="hybrid", help="by vector and words, or one of them alone")
    command("verify", "look whether all that is kept is whole", base=False)
    command("rebuild", "make the vectors again that were made by another embedding model than the present one")
    command("backup", "copy all that is kept to a new folder", base=False).add_argument("to", metavar="FOLDER", type=Path)
    restore = command("restore", "put a backup in the place of what is kept, which stays in a folder beside it", base=False)
    restore.add_argument("source", metavar="FOLDER", type=Path, help="a backup")
    return line
