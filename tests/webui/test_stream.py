"""`stream.js`: answers to events of the page that join while Gradio's stream is being ended, in a real browser.

The server is a stand-in inside the page, so that what happens in a millisecond on a busy machine happens each time.
"""

from typing import Any

from playwright.async_api import Browser, Page

from webui.page import HERE

# Streams are written by the test: `streams[n].say(message)`, `.end()`; a join is answered with the id of its event.
STANDIN = """
window.streams = []; window.read = []; window.ended = null; window.hold = null;
window.fetch = async (resource, options) => {
  const address = resource.url || String(resource);
  if (address.includes("/queue/join")) {
    await window.hold;
    return new Response(JSON.stringify({event_id: options.body}), {status: 200});
  }
  if (!address.includes("/queue/data")) return new Response("plain", {status: 200});
  let control, bytes = new TextEncoder();
  const body = new ReadableStream({start: (c) => { control = c; }});
  resource.signal.addEventListener("abort", () => { try { control.error(resource.signal.reason); } catch {} });
  streams.push({say: (message) => control.enqueue(bytes.encode(`data: ${JSON.stringify(message)}\\n\\n`)),
                raw: (text) => control.enqueue(bytes.encode(text)), break: () => control.error(new TypeError("broken"))});
  return new Response(body, {status: streams.length > 9 ? 404 : 200});
};
"""
READER = """
window.joined = async (id) => (await (await fetch("http://x/gradio_api/queue/join?__theme=light", {body: id})).json()).event_id;
window.open_stream = async () => {
  const stop = new AbortController();
  const response = await fetch(new Request("http://x/gradio_api/queue/data?session_hash=s", {signal: stop.signal}));
  (async () => {
    let rest = "";
    try {
      for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
        const messages = (rest + part).split("\\n\\n");
        rest = messages.pop();
        for (const message of messages) {
          const told = JSON.parse(message.slice(6));
          read.push(told.msg + (told.event_id ? " " + told.event_id : ""));
          if (told.msg === "close_stream") setTimeout(() => stop.abort(), 20);
        }
      }
      window.ended = "whole";
    } catch (error) { window.ended = error.name; }
  })();
};
"""
DONE = "process_completed"


async def opened(browser: Browser) -> Page:
    """Return an empty page with the stand-in below our script and a reader above it."""
    page = await browser.new_page()
    for script in (STANDIN, (HERE / "stream.js").read_text(encoding="utf-8"), READER):
        await page.evaluate(script + "\n0")  # a value that is a function would be called
    return page


async def said(page: Page, number: int, *messages: dict[str, Any]) -> None:
    for message in messages:
        await page.evaluate("([n, message]) => streams[n].say(message)", [number, message])


async def heard(page: Page, count: int) -> list[str]:
    """Return what the page has been told, once it is so many messages."""
    await page.wait_for_function("count => read.length >= count", arg=count)
    await page.wait_for_timeout(30)
    found: list[str] = await page.evaluate("read")
    return found


def done(event: str) -> dict[str, str]:
    return {"msg": DONE, "event_id": event}


CLOSE = {"msg": "close_stream"}


async def test_an_event_that_joins_while_the_stream_ends_is_answered_by_the_next(browser: Browser) -> None:
    page = await opened(browser)
    assert await page.evaluate("joined('a')") == "a"
    await page.evaluate("open_stream()")
    await said(page, 0, done("a"))
    assert await page.evaluate("joined('b')") == "b"  # the server has ended the stream; the page does not know it yet
    await said(page, 0, CLOSE)
    await page.wait_for_function("streams.length === 2")
    await said(page, 1, {"msg": "process_starts", "event_id": "b"}, done("b"), CLOSE)
    assert await heard(page, 4) == [f"{DONE} a", "process_starts b", f"{DONE} b", "close_stream"]
    assert await page.evaluate("streams.length") == 2


async def test_an_event_that_is_joining_is_waited_for_before_the_end_is_told(browser: Browser) -> None:
    page = await opened(browser)
    await page.evaluate("joined('a')")
    await page.evaluate("open_stream()")
    await page.evaluate("window.hold = new Promise((go) => { window.go = go; }); window.late = joined('b'); 0")
    await said(page, 0, done("a"), CLOSE)
    assert await heard(page, 1) == [f"{DONE} a"], "the end is kept back"
    await page.evaluate("go()")
    assert await page.evaluate("late") == "b"
    await page.wait_for_function("streams.length === 2")
    await said(page, 1, done("b"), CLOSE)
    assert await heard(page, 3) == [f"{DONE} a", f"{DONE} b", "close_stream"]


async def test_the_end_is_told_where_nothing_is_waited_for(browser: Browser) -> None:
    page = await opened(browser)
    await page.evaluate("open_stream()")
    await said(page, 0, done("a"))  # known by the stream before its join was answered
    await heard(page, 1)
    await page.evaluate("joined('a')")
    await page.evaluate("""streams[0].raw('data: {"msg":"close_'); streams[0].raw('stream"}\\n\\n')""")
    assert await heard(page, 2) == [f"{DONE} a", "close_stream"]
    await page.wait_for_function("ended === 'AbortError'")
    assert await page.evaluate("streams.length") == 1


async def test_a_join_is_handed_on_when_the_page_has_noted_the_end(browser: Browser) -> None:
    page = await opened(browser)
    await page.evaluate("joined('a')")
    await page.evaluate("open_stream()")
    await said(page, 0, done("a"), CLOSE)
    await heard(page, 2)
    assert await page.evaluate("joined('b').then(() => ended)") == "AbortError", "the stream was given up first"


async def test_an_event_that_the_server_has_lost_does_not_keep_a_stream_open(browser: Browser) -> None:
    page = await opened(browser)
    await page.evaluate("joined('lost')")
    await page.evaluate("open_stream()")
    await said(page, 0, CLOSE)
    assert await heard(page, 1) == ["close_stream"]


async def test_a_stream_that_breaks_is_told_as_broken_and_its_events_are_forgotten(browser: Browser) -> None:
    page = await opened(browser)
    await page.evaluate("open_stream()")
    await page.evaluate("joined('a')")
    await page.evaluate("streams[0].break()")
    await page.wait_for_function("ended")
    assert await page.evaluate("ended") == "TypeError"
    await page.evaluate("open_stream()")
    await said(page, 1, CLOSE)
    assert await heard(page, 1) == ["close_stream"]


async def test_what_is_no_stream_is_left_alone(browser: Browser) -> None:
    page = await opened(browser)
    assert await page.evaluate("fetch('http://x/healthz').then((answer) => answer.text())") == "plain"
    await page.evaluate("streams.length = 9")
    assert await page.evaluate("fetch(new Request('http://x/queue/data?s=1')).then((answer) => answer.status)") == 404
