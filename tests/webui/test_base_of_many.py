"""A base with more documents than a screen holds, seen by more than one person, on a phone and by keyboard."""

import asyncio

import pytest
from playwright.async_api import Browser, Page, expect

from knowledge.library import Library
from tests.knowledge.conftest import finish
from tests.webui.conftest import Serve, visit
from tests.webui.test_browser import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore")
PIPES = "# Trees\n\nWhere they stand.\n\n| Kind | Crates |\n| --- | --- |\n| Pear \\| quince | 7 |\n| Plum | 9 |\n"


async def filled(library: Library, base: str, names: list[str]) -> None:
    for name in names:
        await asyncio.to_thread(library.add, base, name, f"{PIPES}\nThis is {name}.\n".encode())
    await asyncio.to_thread(finish, library)


async def opened(page: Page) -> None:
    await page.get_by_role("tab", name="LangChain").click()
    await expect(page.locator("#documents table")).to_be_visible(timeout=PATIENCE)


async def test_a_document_is_found_by_its_name_and_the_base_is_kept_through_a_reload(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo")
    server.library.create("garden")
    await filled(server.library, "garden", [f"report {number}.md" for number in range(14)])
    await filled(server.library, "default", ["only.md"])
    page, _ = await visit(browser, server.url)
    await opened(page)
    await expect(page.locator("#documents-find")).to_have_count(0)
    await page.click("#base input")
    await page.get_by_role("option", name="garden").click()
    rows = page.locator("table.documents tbody tr")
    await expect(rows).to_have_count(14, timeout=PATIENCE)
    await page.fill("#documents-find :is(input, textarea)", "PORT 13")
    await expect(rows).to_have_count(1, timeout=PATIENCE)
    await page.reload()
    await opened(page)
    await expect(page.locator("#base input")).to_have_value("garden", timeout=PATIENCE)
    await expect(rows).to_have_count(14, timeout=PATIENCE)


async def test_a_base_that_another_page_deletes_is_left_with_a_word(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo")
    page, _ = await visit(browser, server.url)
    await page.get_by_role("tab", name="LangChain").click()
    server.library.create("garden")
    await filled(server.library, "garden", ["a.md", "b.md"])
    await page.click("#base input")  # what others have made is there to choose
    await page.get_by_role("option", name="garden").click(timeout=PATIENCE)
    rows = page.locator("table.documents tbody tr")
    await expect(rows).to_have_count(2, timeout=PATIENCE)
    await asyncio.to_thread(server.library.remove, "garden", "a.md")
    await page.evaluate("dispatchEvent(new Event('focus'))")  # whoever comes back to the window
    await expect(rows).to_have_count(1, timeout=PATIENCE)

    await page.set_input_files("#drop input[type=file]", {"name": "c.md", "mimeType": "text/plain", "buffer": b"text"})
    await expect(page.locator("#vectorize")).to_have_text("Vectorize 1 file", timeout=PATIENCE)
    await asyncio.to_thread(server.library.delete, "garden")
    await page.click("#vectorize")
    await expect(page.locator(".toast-body")).to_contain_text("“garden” was deleted", timeout=PATIENCE)
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await expect(page.locator("#base input")).to_have_value("default", timeout=PATIENCE)
    await page.click("#vectorize")  # the files were kept
    await expect(rows.filter(has_text="c.md")).to_contain_text("ready", timeout=PATIENCE)


async def test_whoever_deletes_by_keyboard_goes_on_from_there_and_a_new_base_can_be_given_up(
    serve: Serve, browser: Browser
) -> None:
    server = await serve(backend="echo")
    await filled(server.library, "default", ["a.md", "b.md", "c.md"])
    page, _ = await visit(browser, server.url)
    page.on("dialog", lambda dialog: asyncio.create_task(dialog.accept()))
    await opened(page)
    rows = page.locator("table.documents tbody tr")
    await rows.filter(has_text="b.md").get_by_role("link", name="delete").focus()
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(2, timeout=PATIENCE)
    await expect(rows.filter(has_text="a.md").get_by_role("link", name="delete")).to_be_focused()

    await page.focus("#base input")
    await expect(page.get_by_role("option")).to_have_count(1, timeout=PATIENCE)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("option")).to_have_count(0, timeout=PATIENCE)
    await expect(page.locator("#base-new")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#base-name :is(input, textarea)")).to_be_focused(timeout=PATIENCE)
    await page.click("#base-leave")
    await expect(page.locator("#base-name")).to_have_count(0, timeout=PATIENCE)
    await expect(page.locator("#base-new")).to_be_visible()


async def test_on_a_phone_every_file_can_be_deleted_and_a_table_in_a_source_is_one(serve: Serve, browser: Browser) -> None:
    server = await serve(backend="echo")
    name = f"{'long-name-' * 19}.md"
    await filled(server.library, "default", [name, *[f"{number}.md" for number in range(8)]])
    page, _ = await visit(browser, server.url)
    await page.set_viewport_size({"width": 390, "height": 844})
    await opened(page)
    for link in await page.locator("#documents tbody a.act").all():
        box = await link.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390, "all can be reached"
    assert await page.evaluate("() => document.documentElement.scrollWidth") == 390
    await page.click("#to-ask")
    await expect(page.locator("#langchain-input textarea")).to_be_focused()
    await expect(page.locator("#to-ask")).not_to_be_visible()

    await page.get_by_role("tab", name="Try retrieval").click()
    await page.fill("#try-query textarea", "How many crates of plum?")
    await page.click("#try-search")
    await page.locator("#found .card a.open").first.click(timeout=PATIENCE)
    table = page.locator("#source table")
    await expect(table.locator("th")).to_have_text(["Kind", "Crates"], timeout=PATIENCE)
    await expect(table.locator("tbody td")).to_have_text(["Pear | quince", "7", "Plum", "9"])
    await expect(table.locator("mark").filter(has_text="Plum")).to_have_count(1)
    await expect(page.locator("#source .body")).not_to_contain_text("---")
