"""Two runs side by side: what each measure gained, and which questions moved."""

from knowledge.evaluation import Question
from knowledge.question_files import RunOf, Tried
from webui import evaluation
from webui.texts import LANGUAGES

EN = LANGUAGES["en"]


def run(mode: str, recall: float, *places: int | None) -> RunOf:
    tried = [Tried(f"question {number} <b>?", place, 0.5, True) for number, place in enumerate(places)]
    tried.append(Tried("unanswerable?", None, 0.1, False))
    return RunOf("1", 0.0, mode, "stub", 1, 2, {"recall@5": recall, "cpu_ms_p50": 10 * recall}, tried)  # type: ignore[arg-type]


def test_a_run_alone_tells_what_it_missed() -> None:
    html = evaluation.comparison(run("hybrid", 0.5, 1, 3, None), None, EN)
    assert "<td>0.500</td>" in html and "5.0 ms" in html and EN.run_other not in html
    assert "does not come first: 2 of 4" in html and html.index("question 2") < html.index("question 1")
    assert "not in the first 10" in html and "&lt;b&gt;" in html and "unanswerable" not in html


def test_two_runs_tell_their_difference_and_the_questions_that_moved() -> None:
    html = evaluation.comparison(run("hybrid", 0.75, 1, 3, 2), run("dense", 0.5, 1, None, 1), EN)
    assert f"<th>{EN.run_one} · both</th><th>{EN.run_other} · meaning</th>" in html
    assert '<span class="good">+0.250</span>' in html and '<span class="muted">+2.5 ms</span>' in html
    assert "stands elsewhere: 2 of 3" in html and "question 0" not in html
    assert '<span class="good">3</span></td><td>not in the first 10' in html and '<span class="bad">2</span></td><td>1<' in html
    same = evaluation.comparison(run("hybrid", 0.5, 1), run("dense", 0.5, 1), EN)
    assert "<td>=</td>" in same and "stands elsewhere: 0 of 1" in same


def test_questions_tell_what_they_should_find() -> None:
    assert EN.no_questions[:20] in evaluation.questions([], EN)
    rows = [Question("who <b>?", files=frozenset({"b.md", "a.md"}), phrases=("the end",)), Question("why?")]
    html = evaluation.questions(rows, EN)
    assert "a.md · b.md · “the end”" in html and EN.nothing_answers in html and "who &lt;b&gt;?" in html
    assert "#act/forget/1" in html
