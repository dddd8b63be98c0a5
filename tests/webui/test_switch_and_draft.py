"""Passages switched off, and questions drafted by a model and approved, in a real browser."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from knowledge.library import Library
from tests.generation.openai_server import MODEL, serving
from tests.webui.asking_server import AskingServer
from tests.webui.conftest import Serve, visit
from tests.webui.test_browser import PATIENCE, until

pytestmark = pytest.mark.filterwarnings("ignore")

CRATES = "# Crates\n\nA full crate weighs 18 kilograms and holds about ninety apples of the usual size.\n"
RENT = "# Rent\n\nThe rent of the orchard is 900 euros a month and is paid on the first day of it.\n"
PICKING = "# Picking\n\nApples are picked in September, from the top of the tree down to the lowest branch.\n"


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    path = tmp_path / "handbook.md"
    path.write_text(f"{CRATES}\n{RENT}\n{PICKING}", encoding="utf-8")
    return path


async def filled(page: Page, handbook: Path) -> None:
    await page.get_by_role("tab", name="LangChain").click()
    await page.set_input_files("#drop input[type=file]", str(handbook))
    await expect(page.locator("#vectorize")).to_have_text("Vectorize 1 file", timeout=PATIENCE)
    await page.click("#vectorize")
    await expect(page.locator("table.documents tbody tr").first).to_contain_text("ready", timeout=PATIENCE)


async def draft_from(page: Page, *documents: str) -> None:
    """Start to draft questions from these documents, or from all of the base."""
    await page.get_by_role("tab", name="Evaluate").click()
    for document in documents:
        await page.click("#draft-documents input")
        await page.get_by_role("option", name=document).click()
    await page.click("#draft-start")


async def draft_from_nothing(page: Page) -> None:
    """See that an empty base is told, and what a choice that is left empty means."""
    await page.get_by_role("tab", name="LangChain").click()
    await draft_from(page)
    await expect(page.locator("#draft-told")).to_contain_text("There are no documents to draft from", timeout=PATIENCE)
    drawn = "getComputedStyle(document.querySelector('#draft-documents .secondary-wrap'), '::before').content"
    assert await page.evaluate(drawn) == '"all documents"'
    await page.get_by_role("tab", name="Documents").click()


def found(library: Library, query: str) -> str:
    return " ".join(passage.text for passage in library.search("default", query, 5))


async def test_a_passage_is_switched_off_by_keyboard_and_stays_off(serve: Serve, browser: Browser, handbook: Path) -> None:
    server = await serve(backend="echo")
    page, _ = await visit(browser, server.url)
    await filled(page, handbook)
    await page.locator("table.documents").get_by_role("link", name="passages").click()
    cards = page.locator("#passages .card")
    await expect(cards).to_have_count(3, timeout=PATIENCE)
    assert "900 euros" in found(server.library, "What is the rent?")

    joined: list[str] = []
    page.on("request", lambda request: joined.append(request.post_data or "") if "/queue/join" in request.url else None)
    link = cards.nth(1).get_by_role("link", name="switch off passage 2")
    await link.focus()
    await page.keyboard.press("Enter")
    await expect(cards.nth(1)).to_contain_text("switched off", timeout=PATIENCE)
    await expect(page.locator("#passages")).to_contain_text("1 switched off")
    await expect(page.locator("#passages")).to_contain_text("found by no search")
    assert sum('"off/' in body for body in joined) == 1, "one handler for a link"
    # Whoever came by keyboard stands on the link that undoes it.
    await expect(cards.nth(1).get_by_role("link", name="switch on passage 2")).to_be_focused()
    assert "900 euros" not in found(server.library, "What is the rent?")

    row = page.locator("table.documents tbody tr").first
    await page.get_by_role("tab", name="Documents").click()
    await expect(row).to_contain_text("1 switched off", timeout=PATIENCE)
    await page.reload()
    await page.get_by_role("tab", name="LangChain").click()
    await expect(row).to_contain_text("1 switched off", timeout=PATIENCE)
    await page.get_by_role("tab", name="Try retrieval").click()
    await page.fill("#try-query textarea, #try-query input", "What is the rent of the orchard?")
    await page.click("#try-search")
    await expect(page.locator("#found .card").first).to_be_visible(timeout=PATIENCE)
    await expect(page.locator("#found")).not_to_contain_text("900 euros")

    await page.get_by_role("tab", name="Documents").click()
    await row.get_by_role("link", name="passages").click()
    await cards.nth(1).get_by_role("link", name="switch on").click(timeout=PATIENCE)
    await expect(page.locator("#passages .card.off")).to_have_count(0, timeout=PATIENCE)
    assert "900 euros" in found(server.library, "What is the rent?")


def words(message: str) -> str:
    if "900 euros" in message:
        return "Question: What is the rent of the orchard?"
    return "How heavy is a crate?" if "18 kilograms" in message else "Apples are picked in September."


async def test_drafts_are_changed_approved_and_dropped(serve: Serve, browser: Browser, handbook: Path) -> None:
    with serving(AskingServer(words)) as engine:
        server = await serve(backend="openai", api_base=engine.url, model_path=MODEL)
        page, _ = await visit(browser, server.url)
        await draft_from_nothing(page)
        await filled(page, handbook)
        await draft_from(page)  # all documents
        told = page.locator("#draft-told")
        await expect(told).to_contain_text("Usable drafts: 2 of 3. Thrown away: 1 without a question mark.", timeout=PATIENCE)
        token = server.library.card("default").id
        assert server.library.question_files.rows(token) == [], "nothing is approved by itself"

        drafts = page.locator(".draft")
        await expect(drafts).to_have_count(2)
        heavy = drafts.filter(has_text="18 kilograms")
        await expect(heavy.locator("textarea")).to_have_value("How heavy is a crate?")
        await heavy.locator("textarea").fill("How heavy is a full crate of apples?")
        await heavy.get_by_role("button", name="Approve").click()
        await expect(told).to_contain_text("Saved as test question. Drafts left: 1.", timeout=PATIENCE)
        await expect(page.locator("#questions tbody tr")).to_have_count(1, timeout=PATIENCE)
        await expect(page.locator(".draft textarea, #draft-start").and_(page.locator(":focus"))).to_have_count(1)
        await drafts.first.get_by_role("button", name="Drop").click()
        await expect(told).to_contain_text("Drafts left: 0.", timeout=PATIENCE)
        await expect(drafts).to_have_count(0)
        rows = server.library.question_files.rows(token)
        assert rows == [{"question": "How heavy is a full crate of apples?", "files": ["handbook.md"]}]
        await page.click("#evaluate-start")
        await expect(page.locator("#figures")).to_contain_text("1.000", timeout=PATIENCE)


async def test_drafting_is_stopped_in_the_engine_too(serve: Serve, browser: Browser, handbook: Path) -> None:
    with serving(AskingServer(lambda message: "How " + "very " * 80 + "heavy is it?", delay=0.3)) as engine:
        server = await serve(backend="openai", api_base=engine.url, model_path=MODEL)
        page, _ = await visit(browser, server.url)
        await filled(page, handbook)
        await draft_from(page, "handbook.md")
        await expect(page.locator("#draft-told")).to_contain_text("Drafting question 1 of 3", timeout=PATIENCE)
        assert await until(lambda: engine.engine.active_generations == 1, seconds=20)
        await page.click("#draft-stop")
        await expect(page.locator("#draft-told")).to_contain_text("Stopped.", timeout=PATIENCE)
        assert await until(lambda: engine.engine.active_generations == 0, seconds=10)
        await expect(page.locator("#draft-start")).to_be_enabled()
        await expect(page.locator("#draft-stop")).to_have_count(0)
        await asyncio.sleep(0)
        assert len(engine.requests) == 1, "the next passage was not asked about"


async def test_a_model_that_is_too_small_is_told(serve: Serve, browser: Browser, handbook: Path) -> None:
    server = await serve(backend="echo")
    page, _ = await visit(browser, server.url)
    await filled(page, handbook)
    await draft_from(page, "handbook.md")
    told = page.locator("#draft-told")
    await expect(told).to_contain_text("Usable drafts: 0 of 3. Thrown away: 3 without a question mark.", timeout=PATIENCE)
    await expect(told).to_contain_text("This model is too small")
    await expect(page.locator("#draft-start")).to_be_enabled()


async def test_an_engine_that_fails_is_told_and_without_a_model_what_to_do(
    serve: Serve, browser: Browser, handbook: Path, tmp_path: Path
) -> None:
    with serving(AskingServer(words)) as engine:
        server = await serve(backend="openai", api_base=engine.url, model_path=MODEL)
    page, _ = await visit(browser, server.url)  # the engine is gone
    await filled(page, handbook)
    for address, said in ((server.url, "This did not work: "), ("", "--model-path")):
        if not address:
            other = await serve(model_path="none", data_dir=tmp_path / "other")
            page, _ = await visit(browser, other.url)
            await filled(page, handbook)
        await draft_from(page, "handbook.md")
        await expect(page.locator("#draft-told")).to_contain_text(said, timeout=PATIENCE)
        assert len(await page.locator("#draft-told").inner_text()) > len(said) + 10, "with a reason"
        await expect(page.locator("#draft-start")).to_be_enabled()
