"""The main job as a person does it, in a real browser: upload, vectorize, ask, read the source, reload, stop."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docx import Document as Word
from playwright.async_api import Browser, Page, expect

from knowledge.embeddings import Embedder
from knowledge.library import Library
from tests.knowledge.conftest import finish
from tests.knowledge.make_files import pdf, ruled_pages
from tests.knowledge.stubs import StubEmbedder, read_text, settings, story
from tests.tiny_llama import make_tiny_llama
from tests.webui.conftest import Running, Serve, visit

# Gradio, pandas and the browser's driver run in this process and warn about themselves; ours are errors elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore")
PATIENCE = 60_000
"""Milliseconds; only keeps a broken test from hanging."""

HANDBOOK = """# Orchard handbook

## Picking
Apples are picked in September. A full crate weighs 18 kilograms.

## Storing
Crates are stored at 3 degrees, for five months at the most.
"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A Markdown file and a DOCX that hold answers, and a file that cannot be read."""
    handbook, letter, broken = tmp_path / "handbook.md", tmp_path / "letter.docx", tmp_path / "broken.pdf"
    handbook.write_text(HANDBOOK, encoding="utf-8")
    word = Word()
    word.add_heading("Rent", 1)
    word.add_paragraph("The rent of the orchard is 900 euros a month.")
    word.save(str(letter))
    broken.write_bytes(b"MZ this is no PDF")
    return [handbook, letter, broken]


async def upload(page: Page, files: list[Path]) -> None:
    await page.get_by_role("tab", name="LangChain").click()
    await page.set_input_files("#drop input[type=file]", [str(file) for file in files])
    await expect(page.locator("#vectorize")).to_have_text(f"Vectorize {len(files)} files", timeout=PATIENCE)
    await page.click("#vectorize")


async def ask(page: Page, key: str, text: str) -> None:
    answers = page.locator(f"#{key}-talk .bot.message")
    before = await answers.count()
    await page.fill(f"#{key}-input textarea", text)
    await page.press(f"#{key}-input textarea", "Enter")
    await expect(answers).to_have_count(before + 1, timeout=PATIENCE)


async def answered(page: Page, key: str) -> str:
    await expect(page.locator(f"#{key}-send")).to_be_visible(timeout=PATIENCE)
    return await page.locator(f"#{key}-talk .bot.message").last.inner_text()


async def until(true: Callable[[], bool], seconds: float) -> bool:
    """Return whether `true` became so within `seconds`."""
    for _ in range(int(seconds / 0.01)):
        if true():
            return True
        await asyncio.sleep(0.01)
    return true()


def active(server: Running) -> int:
    count: int = server.engine.generator.active_generations  # type: ignore[attr-defined]
    return count


async def test_the_main_job(serve: Serve, browser: Browser, files: list[Path]) -> None:
    server = await serve(backend="echo", echo_delay=0.02)
    page, asked = await visit(browser, server.url)

    await upload(page, files)
    rows = page.locator("table.documents tbody tr")
    await expect(rows.filter(has_text="handbook.md")).to_contain_text("ready", timeout=PATIENCE)
    await expect(rows.filter(has_text="letter.docx")).to_contain_text("ready", timeout=PATIENCE)
    await expect(rows.filter(has_text="broken.pdf")).to_contain_text("not a PDF", timeout=PATIENCE)

    await ask(page, "langchain", "How heavy is a full crate of apples?")
    text = await answered(page, "langchain")
    assert "According to" in text
    first = page.locator(".beside .card").first
    await expect(first).to_contain_text("handbook.md")
    await expect(first).to_contain_text("18 kilograms")
    await page.locator("#langchain-talk a.cite").first.click()
    await expect(first).to_have_class("card lit")
    await expect(page.locator("#source mark").first).to_contain_text("18 kilograms", timeout=PATIENCE)
    await page.keyboard.press("Escape")
    await expect(page.locator("#source")).not_to_be_visible()

    await page.click("#langchain-saw button")
    prompt = page.locator("#langchain-saw pre.prompt")
    await expect(prompt).to_contain_text("A full crate weighs 18 kilograms.")
    await expect(prompt).to_contain_text("Question: How heavy is a full crate of apples?")

    await page.reload()
    await page.get_by_role("tab", name="LangChain").click()
    await expect(page.locator("#langchain-talk")).to_contain_text("How heavy is a full crate", timeout=PATIENCE)
    await expect(rows.filter(has_text="handbook.md")).to_contain_text("ready", timeout=PATIENCE)

    page.on("dialog", lambda dialog: asyncio.create_task(dialog.accept()))
    await rows.filter(has_text="letter.docx").get_by_text("delete").click()
    await expect(rows.filter(has_text="letter.docx")).to_have_count(0, timeout=PATIENCE)
    assert [document.name for document in server.library.documents("default")] == ["handbook.md"]
    assert [url for url in asked if not url.startswith((server.url, "data:", "blob:"))] == []


async def test_a_citation_opens_its_source(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    server = await serve(backend="echo")
    leaf, hostile = tmp_path / "leaf.pdf", tmp_path / "hostile.md"
    leaf.write_bytes(pdf(["Nothing here.", "The meadow has forty sheep."]))
    hostile.write_text("# A <b>heading</b>\n\n🐑 The <img src=x onerror=window.hit=1> gate is made of oak.\n", encoding="utf-8")
    page, asked = await visit(browser, server.url)
    await upload(page, [leaf, hostile])
    rows = page.locator("table.documents tbody tr")
    for file in (leaf, hostile):
        await expect(rows.filter(has_text=file.name)).to_contain_text("ready", timeout=PATIENCE)
    await page.get_by_role("tab", name="Chat").click()

    await ask(page, "chat", "How many sheep has the meadow?")
    await answered(page, "chat")
    await page.locator("#chat-talk a.cite").first.click()
    sheet = page.locator("#source")
    await expect(sheet.locator("figure img")).to_be_visible(timeout=PATIENCE)
    await expect(sheet.locator("nav")).to_contain_text("of 2")
    await expect(sheet.locator("figure i").first).to_be_visible()
    await sheet.get_by_role("button", name="Close").click()

    await ask(page, "chat", "What is the gate made of?")
    await answered(page, "chat")
    await page.locator(".side:not(.beside) .card").first.get_by_role("link").press("Enter")
    await expect(sheet.locator("mark").first).to_contain_text("gate is made of oak", timeout=PATIENCE)
    assert await page.evaluate("window.hit") is None
    await page.keyboard.press("Escape")

    # The citation of the answer before opens its own source, though the cards of the last one are shown.
    await page.locator("#chat-talk .bot.message").first.locator("a.cite").first.click()
    await expect(sheet.locator("h2")).to_have_text("leaf.pdf", timeout=PATIENCE)
    await expect(sheet.locator("figure img")).to_be_visible(timeout=PATIENCE)
    await page.keyboard.press("Escape")

    server.library.remove("default", "leaf.pdf")
    await page.locator(".side:not(.beside) .card", has_text="leaf.pdf").first.click()
    await expect(sheet).to_contain_text("no longer in the knowledge base", timeout=PATIENCE)
    assert [url for url in asked if not url.startswith((server.url, "data:", "blob:"))] == []


async def test_a_table_is_shown_as_one_and_found_in_its_document(
    serve: Serve, browser: Browser, files: list[Path], tmp_path: Path
) -> None:
    server = await serve(backend="echo")
    page, _ = await visit(browser, server.url)
    rows = [[f"Tree {number}", "red", str(1000 + number)] for number in range(8)]
    parts = [[["Kind", "Colour", "Crates"], *rows[:4]], rows[4:]]
    file = tmp_path / "trees.pdf"
    file.write_bytes(ruled_pages(parts, ["Table 1: Trees", ""], ["1", "2"]))
    await upload(page, [file, files[0]])
    await page.locator("table.documents tbody tr").filter(has_text="trees.pdf").get_by_text("passages").click()
    second = page.locator("#passages .card", has_text="Tree 4")
    await expect(second.locator("table.rows th")).to_have_text(["Kind", "Colour", "Crates"], timeout=PATIENCE)
    await expect(second.locator("table.rows tbody tr")).to_have_count(4)
    await second.get_by_role("link", name="page 2").click()
    await expect(page.locator("#source nav")).to_contain_text("Page 2 of 2", timeout=PATIENCE)
    await expect(page.locator("#source figure i")).to_have_count(12 + 1, timeout=PATIENCE)  # and the page's number


async def test_passages_retrieval_and_evaluation(serve: Serve, browser: Browser, files: list[Path], tmp_path: Path) -> None:
    server = await serve(backend="echo")
    page, _ = await visit(browser, server.url)
    await upload(page, files[:2])
    rows = page.locator("table.documents tbody tr")
    await expect(rows.filter(has_text="letter.docx")).to_contain_text("ready", timeout=PATIENCE)
    await expect(rows.filter(has_text="handbook.md")).to_contain_text("ready", timeout=PATIENCE)

    await rows.filter(has_text="letter.docx").get_by_text("passages").click()
    passages = page.locator("#passages .card")
    await expect(passages).to_have_count(1, timeout=PATIENCE)
    await expect(passages).to_contain_text("900 euros")
    await passages.get_by_role("link", name="Rent").click()
    await expect(page.locator("#source mark").first).to_contain_text("900 euros", timeout=PATIENCE)
    await expect(page.locator("#source h2")).to_have_text("letter.docx")
    await page.keyboard.press("Escape")

    await page.get_by_role("tab", name="Try retrieval").click()
    await page.fill("#try-query textarea, #try-query input", "How heavy is a full crate?")
    await page.click("#try-search")
    found = page.locator("#found .card")
    await expect(found.first).to_contain_text("18 kilograms", timeout=PATIENCE)
    await page.get_by_text("As a call of the API").click()
    command = await page.locator("#try-call .cm-content").inner_text()
    called = await asyncio.create_subprocess_exec("bash", "-c", command, stdout=asyncio.subprocess.PIPE)
    body, _ = await called.communicate()
    assert "18 kilograms" in json.loads(body)["data"][0]["content"][0]["text"]
    await found.first.get_by_text("save as test question").click()
    await expect(found.first).to_contain_text("saved as test question", timeout=PATIENCE)
    await expect(page.locator("#source")).not_to_be_visible()

    await page.get_by_role("tab", name="Evaluate").click()
    await expect(page.locator("#evaluate-start")).to_have_text("Evaluate (1)", timeout=PATIENCE)
    table = tmp_path / "questions.csv"
    table.write_text(
        "question,file\nWhat is the rent?,letter.docx\nHow cold are crates stored?,handbook.md\n", encoding="utf-8"
    )
    async with page.expect_file_chooser() as chosen:
        await page.click("#evaluate-upload")
    await (await chosen.value).set_files(str(table))
    await expect(page.locator("#evaluate-told")).to_contain_text("Questions added: 2 of 2.", timeout=PATIENCE)
    await page.get_by_label("words").last.check()
    await page.click("#evaluate-start")
    figures = page.locator("#figures table.figures tbody tr")
    await expect(figures.filter(has_text="recall@10")).to_contain_text("1.000", timeout=PATIENCE)
    await expect(page.locator("#figures")).to_contain_text("A − B")

    # Questions and runs are the server's: they are there after a reload.
    await page.reload()
    await page.get_by_role("tab", name="LangChain").click()
    await page.get_by_role("tab", name="Evaluate").click()
    await expect(page.locator("#questions tbody tr")).to_have_count(3, timeout=PATIENCE)
    await expect(figures.filter(has_text="recall@10")).to_contain_text("1.000")
    await page.locator("#questions tbody tr").first.get_by_text("delete").click()
    await expect(page.locator("#questions tbody tr")).to_have_count(2, timeout=PATIENCE)
    token = server.library.card("default").id
    assert len(server.library.question_files.rows(token)) == 2
    assert {run.mode for run in server.library.question_files.runs(token)} == {"hybrid", "lexical"}


async def test_an_answer_grows_on_through_a_reload_and_stop_stops_the_engine(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo", echo_delay=0.15)
    page, _ = await visit(browser, server.url)
    await choose_mode(page, "Chat")
    await ask(page, "chat", "[[count 2000]]")
    await expect(page.locator("#chat-talk")).to_contain_text("1 2 3 4 5", timeout=PATIENCE)
    await page.reload()
    talk = page.locator("#chat-talk .bot.message").last
    await expect(talk).to_contain_text("1 2 3 4 5", timeout=PATIENCE)
    before = await talk.inner_text()
    await page.wait_for_function(
        "length => [...document.querySelectorAll('#chat-talk .bot.message')].at(-1).innerText.length > length",
        arg=len(before) + 20,
        timeout=PATIENCE,
    )
    assert active(server) == 1
    await page.click("#chat-stop")
    assert await until(lambda: active(server) == 0, seconds=10)
    await expect(page.locator("#chat-send")).to_be_visible(timeout=PATIENCE)
    await expect(talk).to_contain_text("Stopped.")
    await expect(talk).to_contain_text("1 2 3 4 5")


async def test_a_question_waits_in_line_through_a_reload_and_stop_withdraws_it(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo", echo_delay=0.15, max_concurrent=1)
    one, _ = await visit(browser, server.url)
    two, _ = await visit(browser, server.url)
    for page in (one, two):
        await choose_mode(page, "Chat")
    await ask(one, "chat", "[[count 2000]]")
    await expect(one.locator("#chat-talk")).to_contain_text("1 2 3", timeout=PATIENCE)
    await ask(two, "chat", "heron")
    waiting = two.locator("#chat-talk .bot.message").last
    await expect(waiting).to_contain_text("Next in line", timeout=PATIENCE)
    await two.reload()
    await expect(waiting).to_contain_text("Next in line", timeout=PATIENCE)
    await two.click("#chat-stop")
    await expect(waiting).to_contain_text("Stopped.", timeout=PATIENCE)
    assert active(server) == 1, "the one that runs goes on"

    await choose_mode(two, "Chat")
    await ask(two, "chat", "otter")
    await expect(waiting).to_contain_text("Next in line", timeout=PATIENCE)
    await one.click("#chat-stop")
    await expect(waiting).to_contain_text("You said: otter", timeout=PATIENCE)
    await expect(waiting).to_contain_text("tokens/s", timeout=PATIENCE)
    await expect(waiting).to_contain_text("first after")


async def test_an_older_answer_shows_its_sources_and_a_new_chat_ends_the_answer_that_grows(
    serve: Serve, browser: Browser, files: list[Path]
) -> None:
    server = await serve(backend="echo", echo_delay=0.02)
    page, _ = await visit(browser, server.url)
    await upload(page, files[:2])
    await expect(page.locator("table.documents tbody .good")).to_have_count(2, timeout=PATIENCE)
    await page.get_by_role("tab", name="Chat").click()
    await ask(page, "chat", "How heavy is a full crate of apples?")
    await answered(page, "chat")
    await choose_mode(page, "Chat")
    await ask(page, "chat", "[[count 2000]]")
    cards = page.locator(".side:not(.beside) .card")
    await expect(cards).to_have_count(0, timeout=PATIENCE)
    await page.locator("#chat-talk .bot.message").first.click()
    await expect(cards.first).to_contain_text("18 kilograms", timeout=PATIENCE)

    await page.keyboard.press("Control+k")
    assert await until(lambda: active(server) == 0, seconds=10)
    await expect(page.locator("#chat-talk .message")).to_have_count(0, timeout=PATIENCE)
    # What still followed the old answer must not bring it back, neither on the page nor in what the browser keeps.
    await page.wait_for_timeout(500)
    await page.reload()
    await expect(page.locator("#chat-talk .welcome")).to_be_visible(timeout=PATIENCE)
    await expect(page.locator("#chat-talk .message")).to_have_count(0)


async def test_a_sample_question_is_answered_from_the_bundled_document(serve: Serve, browser: Browser) -> None:
    server = await serve()
    page, _ = await visit(browser, server.url)
    samples = page.locator("#chat-talk button.example")
    await expect(samples).to_have_count(3, timeout=PATIENCE)
    await samples.first.click()
    await answered(page, "chat")
    await expect(page.locator("#chat-talk a.cite").first).to_be_visible(timeout=PATIENCE)
    await expect(page.locator(".side:not(.beside) .card").first).to_contain_text("about-chat-llm-webui.md")
    await page.get_by_role("tab", name="LangChain").click()
    await expect(page.locator("#documents")).to_contain_text("about-chat-llm-webui.md", timeout=PATIENCE)
    await page.reload()
    await expect(page.locator("#chat-talk a.cite").first).to_be_visible(timeout=PATIENCE)


async def test_a_phone_opens_and_closes_the_settings(serve: Serve, browser: Browser) -> None:
    server = await serve()
    page, _ = await visit(browser, server.url)
    await page.set_viewport_size({"width": 390, "height": 844})
    handle = page.locator("#drawer .toggle-button")
    for open_ in (True, False):
        await handle.click(timeout=PATIENCE)
        await expect(page.locator("#drawer.open")).to_have_count(int(open_))
    await handle.click()
    await page.keyboard.press("Escape")
    await expect(page.locator("#drawer.open")).to_have_count(0)
    assert await page.evaluate("() => document.documentElement.scrollWidth") == 390


async def test_two_browsers_with_a_llama_never_see_each_others_text(
    serve: Serve, browser: Browser, tmp_path: Path, files: list[Path]
) -> None:
    server = await serve(model_path=str(make_tiny_llama(tmp_path / "llama", context=2048)))
    one, _ = await visit(browser, server.url)
    two, _ = await visit(browser, server.url)
    await upload(one, files[:2])
    await expect(one.locator("table.documents")).to_contain_text("ready", timeout=PATIENCE)
    await expect(one.locator("table.documents tbody tr").filter(has_text="letter.docx")).to_contain_text(
        "ready", timeout=PATIENCE
    )
    await one.get_by_role("tab", name="Chat").click()
    await ask(one, "chat", "What is the rent? canary-heron")
    await ask(two, "chat", "When are apples picked? canary-otter")
    await expect(one.locator("#chat-talk")).to_contain_text("canary-heron", timeout=PATIENCE)
    await expect(two.locator("#chat-talk")).to_contain_text("canary-otter", timeout=PATIENCE)
    # Random weights hardly ever end by themselves: Stop is what ends them, in the engine and not only on the page.
    for page in (one, two):
        await page.keyboard.press("Escape")  # a click would wait for a button that may just have gone
    assert await until(lambda: active(server) == 0, seconds=10)
    assert await answered(one, "chat")
    assert await answered(two, "chat")
    await one.click("#chat-saw button")
    await expect(one.locator("#chat-saw pre.prompt")).to_contain_text("900 euros a month")
    await expect(one.locator("#chat-saw pre.prompt")).to_contain_text("[INST]")
    assert "otter" not in await one.content()
    assert "heron" not in await two.content()


async def test_an_answer_runs_no_script_and_fetches_nothing(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo")
    page, asked = await visit(browser, server.url)
    await choose_mode(page, "Chat")
    hostile = (
        '<img src=x onerror="window.hit=1"> ![a](http://leak.invalid/a.png) ![b][r] <script>window.hit=1</script> '
        '<svg onload="window.hit=1"> [link](javascript:window.hit=1) <iframe src="http://leak.invalid"></iframe>'
        '<video src="http://leak.invalid/v"></video> $\\href{javascript:window.hit=1}{x}$\n\n[r]: http://leak.invalid/r.png'
    )
    await ask(page, "chat", hostile)
    await answered(page, "chat")
    await page.wait_for_timeout(500)
    assert await page.evaluate("window.hit") is None
    assert [url for url in asked if "leak.invalid" in url] == []


async def test_without_a_model_retrieval_works_and_chat_says_what_to_do(
    serve: Serve, browser: Browser, files: list[Path]
) -> None:
    server = await serve(model_path="none")
    page, _ = await visit(browser, server.url)
    await expect(page.locator("#status")).to_contain_text("--model-path", timeout=PATIENCE)
    await upload(page, files[:2])
    await expect(page.locator("table.documents tbody tr").filter(has_text="letter.docx")).to_contain_text(
        "ready", timeout=PATIENCE
    )
    await ask(page, "langchain", "How much is the rent?")
    assert "letter.docx" in await answered(page, "langchain")
    await expect(page.locator(".beside .card").first).to_contain_text("900 euros a month")
    await page.get_by_role("tab", name="Chat").click()
    await choose_mode(page, "Chat")
    await ask(page, "chat", "Hello")
    assert "--model-path" in await answered(page, "chat")


async def test_an_answer_need_not_be_from_the_documents_and_says_so(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo")
    await asyncio.to_thread(server.library.add, "default", "handbook.md", HANDBOOK.encode())
    await asyncio.to_thread(finish, server.library)
    page, _ = await visit(browser, server.url)
    await page.get_by_role("tab", name="LangChain").click()
    question = "Who invented the steam engine?"
    await ask(page, "langchain", question)
    assert "Your documents do not say" in await answered(page, "langchain")
    await page.click("#drawer .toggle-button")
    await page.get_by_label("Only from documents").uncheck()
    await page.click("#drawer .toggle-button")
    await ask(page, "langchain", question)
    answer = await answered(page, "langchain")
    assert f"You said: {question}" in answer and "what the model knows by itself" in answer
    await page.reload()  # the choice is the browser's and stays
    await page.click("#drawer .toggle-button")
    await expect(page.get_by_label("Only from documents")).not_to_be_checked()
    await expect(page.get_by_label("Understand follow-up questions")).to_be_checked()


async def test_an_administrator_changes_the_model(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    server = await serve(backend="echo", model_path="old-model")
    page, _ = await visit(browser, server.url)
    await page.click("#drawer .toggle-button")
    await page.fill("#model-path textarea, #model-path input", "new-model")
    await page.click("#model-look")
    await expect(page.locator("#model-report")).to_contain_text("takes no memory here", timeout=PATIENCE)
    await page.click("#model-change")
    await expect(page.locator("#model-report")).to_contain_text("The new model answers.", timeout=PATIENCE)
    await expect(page.locator("#status")).to_contain_text("new-model", timeout=PATIENCE)


async def test_somebody_else_does_not_see_the_models_panel(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo", root_path="/gateway")
    page, _ = await visit(browser, server.url + "gateway/")
    await page.click("#drawer .toggle-button")
    await expect(page.locator("#drawer").get_by_role("heading", name="Settings")).to_be_visible()
    await expect(page.locator("#model")).to_have_count(0)


async def test_a_base_of_a_model_that_is_gone_is_searched_by_words_until_it_is_rebuilt(
    serve: Serve, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = made_by_the_stub(tmp_path, monkeypatch)
    server = await serve(backend="echo", min_evidence=0.0)
    page, _ = await visit(browser, server.url)
    await page.get_by_role("tab", name="LangChain").click()
    line, words = page.locator("#rebuild"), "Only words were compared"
    await expect(line).to_contain_text("made with the embedding model stub", timeout=PATIENCE)
    await expect(line).to_contain_text("Rebuilding takes about")
    await ask(page, "langchain", "apple part2?")
    await answered(page, "langchain")
    await expect(page.locator(".beside .cards .note")).to_contain_text(words)
    await page.get_by_role("tab", name="Try retrieval").click()
    await page.fill("#try-query textarea", "apple part2")
    await page.click("#try-search")
    await expect(page.locator("#found")).to_contain_text(words, timeout=PATIENCE)

    gate.clear()
    await line.get_by_text("rebuild", exact=True).click()
    await expect(line).to_contain_text("of 8 passages", timeout=PATIENCE)
    await line.get_by_text("cancel").click()
    await expect(line).to_contain_text("made with the embedding model stub", timeout=PATIENCE)
    gate.set()
    await line.get_by_text("rebuild", exact=True).click()
    await expect(line).to_have_count(0, timeout=PATIENCE)
    assert not server.library.rebuilds() and not server.library.bases()[0].outdated
    await page.click("#try-search")
    await expect(page.locator("#found")).not_to_contain_text(words, timeout=PATIENCE)


def made_by_the_stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Fill the data folder by a model that the server does not have; while the event is not set, its own waits."""
    gate, encode = threading.Event(), Embedder.encode
    gate.set()
    with contextlib.closing(Library(settings(tmp_path / "data"), read=read_text, embedder=StubEmbedder())) as library:
        library.open()
        library.load(lambda what, part: None)
        library.add("default", "apple.txt", story("apple", 8))
        assert [job.stage for job in finish(library)] == ["ready"]

    def held(self: Embedder, *given: Any) -> Any:
        assert gate.wait(PATIENCE / 1000)
        return encode(self, *given)

    monkeypatch.setattr(Embedder, "encode", held)
    return gate


async def test_an_administrator_backs_up(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    server = await serve(backend="echo")
    page, _ = await visit(browser, server.url)
    await page.get_by_role("tab", name="LangChain").click()
    await page.click("#backup-make")
    await expect(page.locator("#backup-report")).to_contain_text(str(tmp_path / "data" / "backups"), timeout=PATIENCE)
    (made,) = (tmp_path / "data" / "backups").iterdir()
    await expect(page.locator("#backup-report")).to_contain_text(f"{made} on the server. Documents: 0, size: 0.")
    assert (made / "knowledge.db").is_file()


async def test_somebody_else_does_not_see_the_backup(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo", root_path="/gateway")
    page, _ = await visit(browser, server.url + "gateway/")
    await page.get_by_role("tab", name="LangChain").click()
    await expect(page.locator("#vectorize")).to_be_visible(timeout=PATIENCE)
    await expect(page.locator("#backup")).to_have_count(0)


async def test_a_chinese_browser_gets_the_chinese_page(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo")
    page, _ = await visit(browser, server.url, language="zh-CN")
    assert page.url == server.url + "zh/"
    await expect(page.locator("#chat-send")).to_have_text("发送")
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("#chat-send")).to_have_text("Send", timeout=PATIENCE)


async def choose_mode(page: Page, name: str) -> None:
    await page.click("#chat-mode input")
    await page.get_by_role("option", name=name, exact=True).click()
