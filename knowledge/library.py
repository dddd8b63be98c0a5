"""The room's face: knowledge bases, the documents in them, the files on their way in, and the search.

All methods block and may be called from any thread. Nothing heavy is imported before `load`, so a server can open its
port first. How any of it is done, the modules below know; who asks, nobody here does.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge import base_rows, catalog, data_folder, names, restore, retries, vector_rows, verify
from knowledge.attribute_filter import Condition
from knowledge.backups import Backups
from knowledge.base import (
    BadName,
    BaseInfo,
    Document,
    Embedded,
    EmbedderNotReady,
    Job,
    KnowledgeError,
    Passage,
    TextTooLong,
    TooLarge,
)
from knowledge.embedders import At, Embedders, computed_by
from knowledge.embeddings import Embedding
from knowledge.file_base import BaseCard, Part, Window
from knowledge.files import Files
from knowledge.index import LARGE, Indexes
from knowledge.ingest import Ingest
from knowledge.loaders import target_for
from knowledge.lock import FolderLock
from knowledge.mirror import Mirror
from knowledge.model_folder import Report
from knowledge.originals import MIB, Originals
from knowledge.pipeline import Pipeline, Read
from knowledge.question_files import QuestionFiles
from knowledge.ranking import Mode
from knowledge.rebuild import Rebuild, Rebuilds
from knowledge.reranker import Reranker
from knowledge.sandbox import Sandbox
from knowledge.search import Found
from knowledge.searches import Searches
from knowledge.shelf import Shelf
from knowledge.sources import Sources
from knowledge.store import Store
from knowledge.verify import Finding

if TYPE_CHECKING:
    from knowledge.settings import KnowledgeSettings

ROOT = Path(__file__).resolve().parent.parent
PART = MIB
PAUSE = 0.2
"""Seconds between two looks whether a job has ended: where it was not the worker that ended it, nobody is told."""

log = logging.getLogger(__name__)


def _no_fault(point: str) -> None:
    """Go on: tests stop here."""


class Library:
    """Everything that is kept below `settings.data_dir`.

    `read` turns a file into its text (default: the sandbox), `embedder` text into vectors (default: the settings'
    model), `embedder_at` finds the models that older bases were made with, and `fault` is told the name of each step of a
    change, so that tests can stop there. `pauses`: seconds before each further try of a file that met what may pass.
    `large`: passages from which on a base is not compared whole (`Index`).
    """

    def __init__(
        self,
        settings: "KnowledgeSettings",
        read: Read | None = None,
        embedder: Embedding | None = None,
        embedder_at: At | None = None,
        fault: Callable[[str], None] = _no_fault,
        pauses: Sequence[float] = retries.PAUSES,
        large: int = LARGE,
    ) -> None:
        folder = ROOT / settings.data_dir
        self.state = "not opened"
        self._folder = folder
        self._settings = settings
        at = embedder_at or computed_by(settings.embedding_engine)
        self._embedder: Embedding = embedder or at(settings.embedding_path)
        self._embedders = Embedders(self._embedder, settings.embedding_path, at)
        self._lock = FolderLock(folder / data_folder.LOCK)
        self._store = Store(folder / data_folder.DATABASE)
        self._indexes = Indexes(large)
        self._originals = Originals(folder / data_folder.ORIGINALS, settings.min_free_disk * MIB, fault)
        self._mirror = Mirror(self._store, self._indexes)
        self._shelf = Shelf(self._store, self._mirror, self._originals, fault)
        self._reranker = None if settings.reranker_path is None else Reranker(settings.reranker_path)
        self._searches = Searches(self._store, self._indexes, self._embedders, self._reranker, settings.document_share)
        self._sandbox = Sandbox()
        reader = read or self._sandbox.read
        pipeline = Pipeline(settings, self._store, self._originals, self._embedders, reader, fault)
        self._ingest = Ingest(self._store, self._shelf, self._embedders, pipeline, retries.Retries(pauses))
        self._rebuilds = Rebuilds(self._store, self._shelf, self._embedders, fault)
        self._loading = threading.Lock()
        self.files = Files(settings, self._store, self._shelf, self._originals, self._ingest)
        self.backups = Backups(folder)
        self.sources = Sources(settings, self._store, self._originals, self._sandbox)
        self.question_files = QuestionFiles(folder / data_folder.EVALUATION)

    # -- opened, loaded, closed ----------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the embedding model is loaded: else nothing can be searched, and jobs wait."""
        return self.state == "ready"

    @property
    def embedder_name(self) -> str:
        """The name of the embedding model."""
        return self._embedder.name

    def open(self) -> None:
        """Claim the data folder, open what is kept, and take up unfinished jobs.

        Raises `StoreInUse` when another process has it, `KnowledgeError` when it is damaged or cannot be written, and
        `RerankerUnusable`.
        """
        if self._reranker is not None:
            self._reranker.check()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise KnowledgeError(f"{self._folder} cannot be made: {error.strerror}") from error
        self._lock.acquire()
        try:
            restore.finish(self._folder)
            if self._store.is_new():
                self._originals.set_aside()
            self._store.open()
            self._originals.open()
            self._shelf.clean()
            if not any(base.name == catalog.DEFAULT for base in self.bases()):
                self.create(catalog.DEFAULT)
            self._ingest.start()
        except BaseException:
            self._store.close()
            self._lock.release()
            raise
        self.state = "the embedding model is not loaded yet"

    def load(self, report: Report) -> None:
        """Load the models and the indexes; blocks for seconds. Raises `EmbedderNotReady`, `RerankerUnusable` with the reason.

        `report` is told what is being done, and the part of it in [0, 1] where that is known.
        """
        with self._loading:
            self.state = "the embedding model is loading"
            try:
                self._embedder.load(report)
                if self._reranker is not None:
                    self._reranker.load(report)
                self._fill(report)
                self._rebuilds.resume()
            except Exception as error:
                self.state = str(error) or type(error).__name__
                raise
            self.state = "ready"
        self._ingest.allow()

    def _fill(self, report: Report) -> None:
        self._mirror.fill_terms(lambda part: report("making the word index of the knowledge bases", part))
        with self._store.read() as connection:
            numbers = catalog.base_ids(connection)
            made = vector_rows.bases(connection)
        self._embedders.take_up(made, report)
        for done, number in enumerate(numbers):
            report(f"reading knowledge base {done + 1} of {len(numbers)}", done / len(numbers))
            try:
                self._mirror.rebuild(number)
            except (KnowledgeError, ValueError):  # this one's rows are damaged, which a search of it will say
                log.exception("a knowledge base cannot be read; the others can be searched")
        self._keep_indexes()

    def close(self) -> None:
        """Stop the work within seconds and give the data folder up; unfinished jobs begin again at the next `open`."""
        loaded, self.state = self.ready, "closed"
        self._rebuilds.close()
        self._ingest.close()
        self._sandbox.close()
        self._indexes.close()
        if loaded:
            self._keep_indexes()
        self._store.close()
        self._lock.release()

    def _keep_indexes(self) -> None:
        try:
            self._mirror.keep_all()
        except KnowledgeError:  # a file that saves time is no reason not to end
            log.exception("the indexes were not written: the next start reads the database")

    # -- knowledge bases -----------------------------------------------------------------------------------------------

    def bases(self) -> list[BaseInfo]:
        """Return all knowledge bases by name."""
        identity = self._embedder.identity if self.ready else None
        with self._store.read() as connection:
            return catalog.bases(connection, identity)

    def base_named(self, given: str) -> str:
        """Return the name of the base whose id ("vs_...") or name is `given`; raises `UnknownBase`."""
        with self._store.read() as connection:
            return catalog.base_named(connection, given)

    def card(self, name: str) -> BaseCard:
        """Return what clients see of a base; raises `UnknownBase`."""
        with self._store.read() as connection:
            return base_rows.card(connection, catalog.base_id(connection, name))

    def cards(self, window: Window) -> Part[BaseCard]:
        """Return a part of all bases, by the time they were made."""
        with self._store.read() as connection:
            return base_rows.card_list(connection, window)

    def create(self, name: str, metadata: Mapping[str, str] | None = None) -> BaseInfo:
        """Make an empty knowledge base; raises `BadName`, also when there is one of this name."""
        plain = names.base_name(name)
        with self._store.write() as connection:
            catalog.create(connection, plain)
            base_rows.set_metadata(connection, catalog.base_id(connection, plain), metadata or {})
        return BaseInfo(plain, 0, 0, "")

    def change(self, name: str, new_name: str | None = None, metadata: Mapping[str, str] | None = None) -> BaseCard:
        """Give a base another name, other metadata, or both; its id stays. Raises `UnknownBase`, `BadName`."""
        plain = None if new_name is None else names.base_name(new_name)
        with self._store.write() as connection:
            number = catalog.base_id(connection, name)
            if plain is not None and plain != names.same(name):
                if names.same(name) == catalog.DEFAULT:
                    raise BadName(f"the knowledge base {catalog.DEFAULT!r} keeps its name")
                base_rows.rename(connection, number, plain)
            if metadata is not None:
                base_rows.set_metadata(connection, number, metadata)
            return base_rows.card(connection, number)

    def delete(self, name: str) -> None:
        """Remove a knowledge base with all it holds; in place of the one named "default" there is a new, empty one."""
        number, token = self._base(name), self.card(name).id
        self._shelf.clear(number, keep=names.same(name) == catalog.DEFAULT)
        self._ingest.stop_base(number)
        self.question_files.forget(token)

    # -- files on their way in -----------------------------------------------------------------------------------------

    def add(self, base: str, name: str, data: bytes) -> Job:
        """Hand in a file: safe on the disk when this returns, in the base when its job is ready.

        Raises `UnknownBase`, `BadName`, `UnsupportedFormat`, `TooLarge`, `StorageFull`.
        """
        return self._add(base, name, (data,))

    def add_file(self, base: str, name: str, path: Path) -> Job:
        """Hand in a file that lies at `path`, which is copied and may be removed afterwards; else as `add`."""
        try:
            with path.open("rb") as file:
                return self._add(base, name, iter(lambda: file.read(PART), b""))
        except OSError as error:
            raise KnowledgeError(f"the upload cannot be read: {error.strerror}") from error

    def _add(self, base: str, name: str, parts: Iterable[bytes]) -> Job:
        number, plain = self._base(base), names.document_name(name)
        target_for(plain)
        self._refuse_too_many(number, plain)
        self._shelf.jobs.refuse_long_queue()
        job = self._shelf.receive(number, plain, parts, self.files.largest, self._settings.cut)
        self._ingest.wake()
        return self._ingest.live(job)

    def _refuse_too_many(self, number: int, name: str) -> None:
        with self._store.read() as connection:
            others = catalog.others(connection, number, name)
        if others >= self._settings.max_documents:
            raise TooLarge(f"the knowledge base holds {others} documents, which is the most (--max-documents)")

    def jobs(self, base: str) -> list[Job]:
        """Return the unfinished jobs of a base and the latest finished ones, in the order of upload."""
        return [self._ingest.live(job) for job in self._shelf.jobs.of(self._base(base))]

    def job(self, number: int) -> Job:
        """Return one job; raises `KnowledgeError` when there is none of this number."""
        return self._ingest.live(self._shelf.jobs.get(number))

    def wait(self, number: int) -> Job:
        """Return a job when it has ended, however it did; raises as `job`."""
        while not (job := self.job(number)).done:
            self._ingest.await_end(PAUSE)
        return job

    def cancel(self, number: int) -> Job:
        """Give up a job, waiting or in work; one that is done stays as it is."""
        return self._ingest.cancel(number)

    def retry(self, number: int) -> Job:
        """Begin a failed or cancelled job again, or at once one that rests until a further try."""
        return self._ingest.retry(number)

    def dismiss(self, base: str) -> None:
        """Clear the finished jobs of a base from the list."""
        self._shelf.dismiss(self._base(base))

    # -- documents -----------------------------------------------------------------------------------------------------

    def documents(self, base: str) -> list[Document]:
        """Return the documents of a base by name."""
        with self._store.read() as connection:
            return catalog.documents(connection, catalog.base_id(connection, base))

    def remove(self, base: str, name: str) -> None:
        """Remove a document, and what waits under its name; when this returns it is never found again."""
        self._ingest.stop(self._shelf.remove(self._base(base), names.same(name)))

    def passages(self, base: str, name: str) -> list[Passage]:
        """Return all passages of a document in order, with score 0, those that are switched off among them."""
        with self._store.read() as connection:
            document = catalog.get(connection, catalog.base_id(connection, base), names.same(name))
            return catalog.passages(connection, document.id)

    def switch_passages(self, base: str, name: str, passages: Sequence[int], off: bool) -> None:
        """Switch passages (chunk ids) of a document off or on: when this returns, no search finds those that are off.

        They stay so over restarts and rebuilds, until the document is replaced. Raises `UnknownBase`, `UnknownDocument`.
        """
        self._shelf.switch_passages(self._base(base), names.same(name), passages, off)

    def original(self, base: str, name: str) -> bytes:
        """Return the bytes of a document as they were uploaded."""
        with self._store.read() as connection:
            document = catalog.get(connection, catalog.base_id(connection, base), names.same(name))
        return self._originals.read(document.sha256)

    # -- search --------------------------------------------------------------------------------------------------------

    def search(
        self,
        base: str,
        query: str,
        top_k: int,
        documents: Collection[int] | None = None,
        history: Sequence[str] = (),
        mode: Mode = "hybrid",
        where: Condition | None = None,
    ) -> list[Passage]:
        """Return the passages that `find` finds."""
        return self.find(base, query, top_k, documents, history, mode, where).passages

    def find(
        self,
        base: str,
        query: str,
        top_k: int,
        documents: Collection[int] | None = None,
        history: Sequence[str] = (),
        mode: Mode = "hybrid",
        where: Condition | None = None,
    ) -> Found:
        """Return up to `top_k` (at most 50) passages, the best first, and the question that was really searched for.

        `documents`: the ids of those that count; None: all. `where`: of those only documents whose files' attributes
        fulfil it (`knowledge.attribute_filter.condition` makes one). `history`: what the same person said before, the
        oldest first, for questions that are not to be understood alone. `mode`: see `Search.find`. Raises `UnknownBase`,
        `EmptyBase`, `EmbedderNotReady`, `EmbedderMismatch`.
        """
        self._refuse_until_ready()
        if where is not None:
            matching = self.files.matching(base, where)
            documents = matching if documents is None else matching & frozenset(documents)
        return self._searches.find(names.same(base), query, top_k, history, documents, mode)

    # -- models and their vectors --------------------------------------------------------------------------------------

    def rebuilds(self) -> list[Rebuild]:
        """Return the bases that another embedding model made than the present one, with what a rebuild would take.

        Raises `EmbedderNotReady`.
        """
        self._refuse_until_ready()
        return self._rebuilds.states()

    def rebuild(self, base: str) -> None:
        """Begin to make the vectors of a base again by the present model; until they are all there the old ones answer.

        Goes on after a restart. Raises `UnknownBase`, `EmbedderNotReady`.
        """
        self._refuse_until_ready()
        self._rebuilds.begin(self._base(base))

    def cancel_rebuild(self, base: str) -> None:
        """Give a rebuild up: the base keeps the vectors it has. Raises `UnknownBase`."""
        self._rebuilds.cancel(self._base(base))

    @property
    def embedding_dimension(self) -> int:
        """Length of the vectors of `embed`; raises `EmbedderNotReady`."""
        self._refuse_until_ready()
        return self._embedder.dimension

    def embed(self, texts: Sequence[str], step: Callable[[int], None] = lambda done: None) -> Embedded:
        """Return the vectors of texts as those of documents are made; raises `EmbedderNotReady`, `TextTooLong`.

        `step` is told after each few how many are done; it may raise to stop.
        """
        self._refuse_until_ready()
        counts, most = self._embedder.count(texts), self._embedder.max_tokens
        for number, count in enumerate(counts):
            if count > most:
                raise TextTooLong(f"text {number} has {count} tokens, but the embedding model reads {most}: cut it into parts")
        return Embedded(self._embedder.encode(texts, step), sum(counts))

    # -- is it whole ---------------------------------------------------------------------------------------------------

    def verify(self) -> list[Finding]:
        """Return what is not as it should be: nothing, in a library that is whole. Reads all that is kept.

        Twice where there is something: what only was on its way meanwhile is gone then.
        """
        found = self._looked_over()
        again = self._looked_over() if found else []
        return [finding for finding in found if finding in again]

    def _looked_over(self) -> list[Finding]:
        with self._store.read() as connection:
            found = [*verify.rows(connection), *verify.files(connection, self._originals)]
            numbers = catalog.base_ids(connection) if self.ready else []
        lost = [self._mirror.compare(number) for number in numbers]
        return [*found, *(Finding(text) for text in lost if text)]

    def _refuse_until_ready(self) -> None:
        if not self.ready:
            raise EmbedderNotReady(self.state)

    def _base(self, name: str) -> int:
        with self._store.read() as connection:
            return catalog.base_id(connection, name)
