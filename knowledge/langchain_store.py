"""A knowledge base shown to LangChain as a `VectorStore`: texts go in by the normal ingest and are found by the normal search.

For people who build chains; nothing of this program's own path uses it. A text is a document named by its id, its
metadata are the attributes of its file, and it is cut into passages where it is long. Documents that came in another
way are found as well; their id is their name. Metadata are plain values; nothing is revived from them.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from knowledge.base import BadName, EmptyBase, Job, KnowledgeError, Passage, UnknownDocument
from knowledge.file_base import Value
from knowledge.langchain_adapter import as_document
from knowledge.library import Library

ID = "langchain_id"
"""The attribute that tells a text that came in here from a file."""

TOGETHER = 100
"""Texts that wait in the queue at once: others have their turn between."""

Wanted = Callable[[Mapping[str, Value]], bool]


class LibraryVectorStore(VectorStore):
    """One knowledge base of a library that is open and loaded; raises what `Library` raises, but for an empty base."""

    def __init__(self, library: Library, base: str = "default") -> None:
        self._library = library
        self._base = base

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts and return their ids once all of them are found by the next search, and survive a power cut.

        A text of an id that is there takes its place. Raises `KnowledgeError` where one cannot be added, with its id;
        those before it stay. A text is there a moment before its metadata are.
        """
        given = list(texts)
        names = [one or str(uuid.uuid4()) for one in (ids or [""] * len(given))]
        facts = [_attributes(one) for one in (metadatas or [{}] * len(given))]
        rows = list(zip(names, given, facts, strict=True))
        for start in range(0, len(rows), TOGETHER):
            some = rows[start : start + TOGETHER]
            jobs = [self._library.add(self._base, _name(number), text.encode()) for number, text, _ in some]
            for job, (number, _, attributes) in zip(jobs, some, strict=True):
                self._finish(job, number)
                source = self._library.passages(self._base, _name(number))[0].source
                self._library.files.set_attributes(self._base, source.file, {**attributes, ID: number})
        return names

    def _finish(self, job: Job, number: str) -> None:
        now = self._library.wait(job.id)
        if now.stage not in ("ready", "skipped"):
            raise KnowledgeError(f"the text {number!r} could not be added: {now.detail or now.stage}")

    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """Add documents under their ids, or those of `ids`; see `add_texts`."""
        ids = kwargs.pop("ids", None) or [document.id for document in documents]
        return self.add_texts([one.page_content for one in documents], [one.metadata for one in documents], ids=ids, **kwargs)

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Remove documents for good, None: all of them; those that are not there are no error."""
        everything = [document.name for document in self._library.documents(self._base)] if ids is None else ()
        for name in everything or filter(None, map(self._known, ids or ())):
            self._library.remove(self._base, name)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents of these ids, each whole; those that are not there are left out."""
        return [self._whole(name) for name in filter(None, map(self._known, ids))]

    def _known(self, number: str) -> str | None:
        """Return the name of the document of an id."""
        for name in (_name(number), number):
            try:
                if self._library.passages(self._base, name):
                    return name
            except (UnknownDocument, BadName):
                continue
        return None

    def _whole(self, name: str) -> Document:
        """Return a document as it came in; one whose passages are not all to be found, without those."""
        passages = self._library.passages(self._base, name)
        document, found = self._documents(passages[:1])[0], [one for one in passages if not one.switched_off]
        if document.id == name or len(found) < len(passages):
            document.page_content = "\n\n".join(passage.text for passage in found)
        else:
            document.page_content = self._library.original(self._base, name).decode()
        return document

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the best `k` (at most 50) passages; `filter`: attributes they must have, or a function of them."""
        return [document for document, _ in self.similarity_search_with_score(query, k=k, **kwargs)]

    def similarity_search_with_score(self, *args: Any, **kwargs: Any) -> list[tuple[Document, float]]:
        """Return as `similarity_search`, with scores in [0, 1], higher is better."""
        return self._found(*args, **kwargs)

    def _similarity_search_with_relevance_scores(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        return self._found(query, k, **kwargs)

    def _found(
        self, query: str, k: int = 4, filter: Mapping[str, Value] | Wanted | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        among = None if filter is None else self._library.files.matching(self._base, _wanted(filter))
        try:
            passages = self._library.search(self._base, query, k, among)
        except EmptyBase:
            return []
        return list(zip(self._documents(passages), [passage.score for passage in passages], strict=True))

    def _documents(self, passages: Sequence[Passage]) -> list[Document]:
        entries = self._library.files.of_documents([passage.source.document_id for passage in passages])
        found = []
        for passage in passages:
            entry = entries.get(passage.source.document_id)
            attributes = dict(entry.attributes) if entry else {}
            if ID in attributes:
                found.append(Document(id=str(attributes.pop(ID)), page_content=passage.text, metadata=attributes))
            else:
                document = as_document(passage)
                found.append(
                    Document(id=passage.source.name, page_content=passage.text, metadata=document.metadata | attributes)
                )
        return found

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> "LibraryVectorStore":
        """Return the store of `library`, and of `base` if given, with these texts added; the library has its own model."""
        store = cls(**kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store


def _name(number: str) -> str:
    return f"{number}.txt"


def _attributes(metadata: Mapping[str, Any]) -> dict[str, Value]:
    """Return metadata as attributes of a file; raises `KnowledgeError` for a value that is not plain."""
    for key, value in metadata.items():
        if not isinstance(value, (str, int, float, bool)):
            raise KnowledgeError(
                f"the metadata {key!r} are of type {type(value).__name__}: only texts, numbers and bools are kept"
            )
    return dict(metadata)


def _wanted(wanted: Mapping[str, Value] | Wanted) -> Wanted:
    if callable(wanted):
        return wanted
    return lambda attributes: all(attributes.get(key) == value for key, value in wanted.items())
