"""Five hundred operations in an order that nobody chose: a base holds what it should, and finds nothing else."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from knowledge.base import EmptyBase, UnknownDocument
from knowledge.index import LARGE
from knowledge.library import Library
from tests.knowledge import stubs
from tests.knowledge.checks import check, check_open
from tests.knowledge.conftest import finish, reach
from tests.knowledge.stubs import StubEmbedder, read_text, story

EXAMPLES, STEPS = 14, 50
MODELS = [("stub", 256), ("wide", 300), ("other", 256)]
NAMES = st.sampled_from(["a.txt", "b.txt", "c.txt", "d.md"])
WORDS = st.sampled_from(["apple", "brick", "cloud", "dwarf", "eagle", "flute"])


class Operations(RuleBasedStateMachine):
    """A library, and what a dictionary says that it should hold: name -> the word of all its passages."""

    large = LARGE

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.held: dict[str, str] = {}
        self.off: set[int] = set()
        self.model = MODELS[0]

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self) -> None:
        embedder = StubEmbedder(*self.model)
        self.library = Library(stubs.settings(self.folder), read=read_text, embedder=embedder, large=self.large)
        self.library.open()
        self.library.load(lambda what, part: None)

    @rule(name=NAMES, word=WORDS)
    def add(self, name: str, word: str) -> None:
        """New, replaced, or the same bytes again."""
        job = self.library.add("default", name, story(word, 3))
        stage = {job.id: job for job in finish(self.library)}[job.id].stage
        assert stage == ("skipped" if self.held.get(name) == word else "ready")
        self.held[name] = word

    @rule(name=NAMES, words=st.lists(WORDS, min_size=2, max_size=3))
    def add_quickly(self, name: str, words: list[str]) -> None:
        """The last of several versions counts, however far the earlier ones came."""
        for word in words:
            self.library.add("default", name, story(word, 3))
        finish(self.library)
        self.held[name] = words[-1]

    @rule(name=NAMES, places=st.sets(st.integers(0, 5), min_size=1), off=st.booleans())
    def switch(self, name: str, places: set[int], off: bool) -> None:
        """Some passages of a document, or all, off or on."""
        if name in self.held:
            some = [one.chunk_id for at, one in enumerate(self.library.passages("default", name)) if at in places]
            self.library.switch_passages("default", name, some, off)
            self.off = self.off | set(some) if off else self.off - set(some)

    @rule(name=NAMES)
    def add_broken(self, name: str) -> None:
        """What cannot be read leaves what was there."""
        job = self.library.add("default", name, b"BROKEN")
        assert {job.id: job for job in finish(self.library)}[job.id].stage == "failed"

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        try:
            self.library.remove("default", name)
        except UnknownDocument:
            assert name not in self.held
        self.held.pop(name, None)

    @rule(name=NAMES, word=WORDS)
    def add_and_cancel(self, name: str, word: str) -> None:
        """It is there or it is not, as the job says."""
        job = self.library.cancel(self.library.add("default", name, story(word, 3)).id)
        assert job.stage in ("cancelled", "ready", "skipped")
        finish(self.library)
        if job.stage == "ready":
            self.held[name] = word

    @rule(name=NAMES, word=WORDS)
    def add_and_remove(self, name: str, word: str) -> None:
        self.library.add("default", name, story(word, 3))
        self.library.remove("default", name)
        finish(self.library)
        self.held.pop(name, None)

    @rule()
    def reopen(self) -> None:
        self.library.close()
        check(self.folder)
        self.open()

    @rule(model=st.sampled_from(MODELS), stop=st.booleans(), word=WORDS)
    def change_model(self, model: tuple[str, int], stop: bool, word: str) -> None:
        """By words only, then by the new vectors, also where the process ends meanwhile."""
        self.model = model
        self.reopen()
        self.search(word)
        self.library.rebuild("default")
        if stop:
            self.reopen()
        reach(lambda: not self.library.rebuilds())
        assert not any(base.outdated for base in self.library.bases())

    @rule(name=NAMES, word=WORDS)
    def close_at_work(self, name: str, word: str) -> None:
        """What was accepted is taken up by the next process."""
        self.library.add("default", name, story(word, 3))
        self.library.close()
        self.open()
        finish(self.library)
        self.held[name] = word

    @rule()
    def clear(self) -> None:
        self.library.delete("default")
        self.held.clear()

    @rule()
    def dismiss(self) -> None:
        self.library.dismiss("default")

    @rule(word=WORDS)
    def search(self, word: str) -> None:
        try:
            found = self.library.search("default", word, 3)
        except EmptyBase:
            assert not self.held
            return
        assert {passage.source.name for passage in found} <= self.held.keys()
        assert not {passage.chunk_id for passage in found} & self.off
        some = [name for name, held in self.held.items() if held == word]
        if any(not one.switched_off for name in some for one in self.library.passages("default", name)):
            assert found[0].text.startswith(word)

    def passages(self, name: str) -> list[str]:
        return [passage.text for passage in self.library.passages("default", name)]

    @invariant()
    def it_holds_what_it_should(self) -> None:
        if hasattr(self, "library"):
            done.append(1)
            assert {document.name for document in self.library.documents("default")} == self.held.keys()
            for name, word in self.held.items():
                assert {text.split()[0] for text in self.passages(name)} == {word}
            held = [one for name in self.held for one in self.library.passages("default", name)]
            assert {one.chunk_id for one in held if one.switched_off} == self.off & {one.chunk_id for one in held}

    def teardown(self) -> None:
        if hasattr(self, "library"):
            check_open(self.library)
            reach(lambda: self.library.verify() == [])
            self.library.close()
            check(self.folder)
        shutil.rmtree(self.folder)


class InLists(Operations):
    """The same about the bound from which on vectors are in lists."""

    large = 6


done: list[int] = []


@pytest.mark.parametrize(("machine", "examples", "least"), [(Operations, EXAMPLES, 500), (InLists, 4, 100)])
def test_hundreds_of_operations(machine: type[Operations], examples: int, least: int) -> None:
    done.clear()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert len(done) >= least
