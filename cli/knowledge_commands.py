"""What each command of `knowledge` does: `(line, settings) -> exit status`. The line itself it does not read."""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.settings import ServerSettings
from knowledge import backup as copies
from knowledge import data_folder
from knowledge.base import KnowledgeError, Passage, StoreInUse
from knowledge.catalog import DEFAULT
from knowledge.lock import FolderLock
from knowledge.read_only import ReadOnly
from knowledge.restore import put as put_back
from knowledge.verify import findings

if TYPE_CHECKING:
    from knowledge.library import Library

PAUSE = 0.2


def add(given: argparse.Namespace, settings: ServerSettings) -> int:
    """Add files and folders, wait until they are in the base, and say what became of each."""
    base, jobs, refused = given.base or DEFAULT, [], []
    with _opened(settings, load=True, new=True) as library:
        if given.create and base not in {one.name for one in library.bases()}:
            library.create(base)
        library.documents(base)
        named: dict[str, Path] = {}
        for name, path in _files(given.paths):
            if named.setdefault(name, path) != path:
                refused.append((path, f"{named[name]} has this name already: add one of them alone, or rename it"))
                continue
            if path.exists() and not path.is_file():  # a pipe would be waited for, and a device never ends
                refused.append((path, "it is no regular file"))
                continue
            try:
                jobs.append(library.add_file(base, name, path))
            except KnowledgeError as error:
                refused.append((path, str(error)))
        done = [library.wait(job.id) for job in jobs]
    rows = [{"name": job.name, "stage": job.stage, "chunks": job.chunks, "detail": job.detail} for job in done]
    rows += [{"name": str(path), "stage": "refused", "chunks": 0, "detail": reason} for path, reason in refused]
    _tell(given, {"base": base, "files": rows}, [f"{row['stage']:<9} {row['name']}  {row['detail']}" for row in rows])
    return int(any(row["stage"] not in ("ready", "skipped") for row in rows))


def _files(paths: list[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the files with their names, and of folders those that can be read and do not begin with a dot.

    A file in a folder within a folder is named with it ("guide - install.md"), for there may be several README.md.
    """
    from knowledge.loaders import LOADERS

    for path in paths:
        if not path.is_dir():
            yield path.name, path
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                file = Path(folder, name)
                if not name.startswith(".") and file.suffix.lower() in LOADERS:
                    yield " - ".join(file.relative_to(path).parts), file


def show(given: argparse.Namespace, settings: ServerSettings) -> int:
    """List the bases, or the documents of one with the files that did not become any."""
    with _reading(settings) as library:
        if given.base is None:
            bases = [asdict(base) for base in library.bases()]
            lines = [f"{b['name']}  {b['documents']} documents, {b['chunks']} passages  {b['embedder']}" for b in bases]
            _tell(given, {"bases": bases}, lines)
            return 0
        documents = [asdict(document) for document in library.documents(given.base)]
        jobs = [asdict(job) for job in library.jobs(given.base) if job.stage not in ("ready", "skipped")]
    lines = [f"{d['name']}  {d['size']:,} bytes, {d['chunks']} passages" for d in documents]
    lines += [f"{job['name']}  {job['stage']}: {job['detail']}" for job in jobs]
    _tell(given, {"documents": documents, "jobs": jobs}, lines or ["nothing"])
    return 0


def remove(given: argparse.Namespace, settings: ServerSettings) -> int:
    """Remove documents; those that are not there are said, and the others go."""
    unknown = []
    with _opened(settings) as library:
        for name in given.names:
            try:
                library.remove(given.base or DEFAULT, name)
            except KnowledgeError as error:
                unknown.append(str(error))
    for text in unknown:
        sys.stderr.write(f"{text}\n")
    removed = len(given.names) - len(unknown)
    _tell(given, {"removed": removed}, [f"{removed} of {len(given.names)} removed"])
    return int(bool(unknown))


def passages(given: argparse.Namespace, settings: ServerSettings) -> int:
    """List the passages of a document, when those that are named are switched off or on."""
    base = given.base or DEFAULT
    with _opened(settings) as library:
        held = library.passages(base, given.name)
        if wrong := sorted({number for number in (*given.off, *given.on) if not 1 <= number <= len(held)}):
            raise KnowledgeError(f"{given.name!r} has the passages 1 to {len(held)}, not {', '.join(map(str, wrong))}")
        for numbers, off in ((given.off, True), (given.on, False)):
            if numbers:
                library.switch_passages(base, given.name, [held[number - 1].chunk_id for number in numbers], off)
        found = library.passages(base, given.name)
    rows = [{"number": number, **asdict(passage)} for number, passage in enumerate(found, 1)]
    lines = [
        f"{row['number']}{'  switched off' * row['switched_off']}  {row['tokens']} tokens\n{row['text']}\n" for row in rows
    ]
    _tell(given, {"base": base, "name": given.name, "passages": rows}, lines)
    return 0


def search(given: argparse.Namespace, settings: ServerSettings) -> int:
    """Print the best passages."""
    with _reading(settings) as library:
        found = library.find(given.base or DEFAULT, given.query, given.top_k, given.mode)
    lines = []
    for passage in found.passages:
        lines.append(f"{passage.score:.2f}  {_place(passage)}\n{passage.text}\n")
    if found.by_words:
        sys.stderr.write(f"searched by words only: {found.by_words}\n")
    _tell(
        given,
        {"query": found.query, "by_words": found.by_words, "passages": [asdict(one) for one in found.passages]},
        lines or ["nothing was found"],
    )
    return 0


def _place(passage: Passage) -> str:
    """Return where a passage stands: its document, its headings, and its page or line."""
    where = passage.locator
    line = f"page {where.page}" if where.page else f"line {where.first_line}" if where.first_line else ""
    return ", ".join(filter(None, (passage.source.name, " > ".join(where.headings), line)))


def verify(given: argparse.Namespace, settings: ServerSettings) -> int:
    """Look at all that is kept, changing nothing; twice, where something is found while a server works on it."""
    folder = settings.data
    _refuse_nothing(folder)
    lock, holder = FolderLock(folder / data_folder.LOCK), ""
    try:
        lock.acquire()
    except StoreInUse as error:
        holder = str(error).partition(":")[0]
    try:
        found = findings(folder)
        if found and holder:
            again = findings(folder)
            found = [finding for finding in found if finding in again]
    finally:
        lock.release()
    wrong = [finding for finding in found if not finding.harmless]
    lines = [holder] if holder else []
    lines += [f"{'harmless' if finding.harmless else 'wrong':<9} {finding.text}" for finding in found]
    lines.append(f"{len(wrong)} wrong in {folder}")
    _tell(given, {"wrong": len(wrong), "findings": [asdict(one) for one in found], "in_use": holder}, lines)
    return int(bool(wrong))


def rebuild(given: argparse.Namespace, settings: ServerSettings) -> int:
    """Make the vectors again of the bases that another model made, or of the one that is named; wait until they count."""
    with _opened(settings, load=True) as library:
        bases = [given.base] if given.base else [one.base for one in library.rebuilds()]
        for base in bases:
            library.rebuild(base)
        told = ""
        while running := [one for one in library.rebuilds() if one.base in bases and not one.error]:
            one = running[0]
            if told != (told := f"{one.base}: {one.done:,} of {one.passages:,} passages"):
                sys.stderr.write(f"{told}, about {one.seconds:.0f} s left\n")
            time.sleep(PAUSE)
        failed = {one.base: one.error for one in library.rebuilds() if one.base in bases}
    lines = [f"{base}  {failed.get(base, 'rebuilt')}" for base in bases]
    _tell(given, {"rebuilt": [base for base in bases if base not in failed], "failed": failed}, lines or ["nothing to rebuild"])
    return int(bool(failed))


def backup(given: argparse.Namespace, settings: ServerSettings) -> int:
    """Copy all that is kept, also while a server uses it."""
    made = copies.write(settings.data, given.to.expanduser().absolute())
    told = {**asdict(made), "path": str(made.path)}
    _tell(given, told, [f"{made.path}: {made.documents} documents, {made.files} files, {made.size:,} bytes"])
    return 0


def restore(given: argparse.Namespace, settings: ServerSettings) -> int:
    """Put a backup in the place of what is kept."""
    before = put_back(given.source.expanduser().absolute(), settings.data)
    kept = f"; what was there before is in {before}" if before else ""
    _tell(given, {"data_dir": str(settings.data), "before": before and str(before)}, [f"{settings.data} is restored{kept}"])
    return 0


def _refuse_nothing(folder: Path) -> None:
    if not (folder / data_folder.DATABASE).is_file() and not (folder / data_folder.RESTORED).is_dir():
        raise KnowledgeError(f"there is no knowledge base in {folder}")


@contextlib.contextmanager
def _opened(settings: ServerSettings, load: bool = False, new: bool = False) -> "Iterator[Library]":
    """Give the library; `new`: also where there is nothing yet, which else is a misspelt folder."""
    from knowledge.library import Library  # only now: whoever lists and searches needs nothing of what reads files

    if not new:
        _refuse_nothing(settings.data)
    library = Library(settings, pauses=())  # whoever waits at a terminal is told at once, and tries again when he likes
    library.open()
    try:
        if load:
            library.load(lambda what, part: None)
        yield library
    finally:
        library.close()


@contextlib.contextmanager
def _reading(settings: ServerSettings) -> Iterator[ReadOnly]:
    library = ReadOnly(settings, settings.data)
    library.open()
    try:
        yield library
    finally:
        library.close()


def _tell(given: argparse.Namespace, whole: Mapping[str, Any], lines: list[str]) -> None:
    text = json.dumps(whole, ensure_ascii=False, default=str) if given.json else "\n".join(lines)
    known = sys.stdout.encoding or "utf-8"  # the name of a file may hold bytes that are no text, or what a terminal has not
    sys.stdout.write(text.encode(known, "backslashreplace").decode(known) + "\n")


COMMANDS: Mapping[str, Callable[[argparse.Namespace, ServerSettings], int]] = {
    "add": add,
    "list": show,
    "remove": remove,
    "passages": passages,
    "search": search,
    "verify": verify,
    "rebuild": rebuild,
    "backup": backup,
    "restore": restore,
}
