// The source of a citation, in a sheet at the right: the page of a PDF with the passage boxed, or the text with it marked.
// Everything comes from our own routes and is put in as text; nothing of a document is ever markup here.
const SOURCE = (() => {
  const words = WORDS.source;
  const ROW = /^\s*\|.*\|\s*$/, RULE = /^(?=[^-]*-)\s*\|[\s|:-]+\|\s*$/; // as passage_text.py reads them
  const fill = (text, ...values) => values.reduce((made, value) => made.replace("{}", value), text);
  const make = (name, parent, text = "", kind = "") => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (kind) made.className = kind;
    if (parent) parent.append(made);
    return made;
  };

  const sheet = make("dialog"), top = make("header", sheet), title = make("h2", top), close = make("button", top, words.close, "plain");
  const place = make("p", sheet, "", "place"), note = make("p", sheet, "", "lost"), tools = make("nav", sheet), body = make("div", sheet, "", "body");
  sheet.id = "source";
  sheet.setAttribute("aria-labelledby", title.id = "source-title");
  note.setAttribute("role", "status");
  body.tabIndex = 0;
  close.addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
  sheet.addEventListener("close", () => { number += 1; body.replaceChildren(); });
  const ready = () => document.body.append(sheet);
  document.body ? ready() : document.addEventListener("DOMContentLoaded", ready);
  let number = 0; // of the opening: what an earlier one brings late is not shown any more

  const wordsOf = (passage) => { // its tables as they were written, a row a line with bars between the cells: so they are looked for
    const copy = passage.cloneNode(true);
    for (const row of copy.querySelectorAll("tr"))
      row.replaceWith(`\n| ${[...row.cells].map((cell) => cell.textContent).join(" | ")} |\n`);
    return copy.textContent;
  };

  async function open(card) {
    const link = card.querySelector("a.open"), passage = card.querySelector(".passage");
    if (!link || !passage) return;
    const [base, file, page, line, headings] = JSON.parse(decodeURIComponent(link.getAttribute("href").slice("#source/".length)));
    const own = (number += 1), address = `${WORDS.root}/v1/vector_stores/${encodeURIComponent(base)}/files/${encodeURIComponent(file)}`;
    title.textContent = link.textContent;
    place.textContent = card.querySelector(".place")?.textContent || headings.join(" › ");
    say(words.opening, "");
    tools.replaceChildren();
    body.replaceChildren();
    if (!sheet.open) sheet.showModal();
    try {
      const asked = { text: wordsOf(passage), page, line, headings };
      const answer = await fetch(`${address}/source`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) });
      const found = await answer.json();
      if (own !== number) return;
      if (answer.ok) title.textContent = found.name;
      if (!answer.ok) return say(answer.status === 404 ? words.gone : fill(words.failed, found.error?.message || answer.status), "bad");
      if (found.pages) place.textContent = headings.join(" › "); // the page is told beside the arrows
      found.pages ? showPages(found, address, own) : showText(found);
      const original = make("a", tools, words.original, "original");
      original.href = `${WORDS.root}/v1/files/${encodeURIComponent(file)}/content`;
      original.download = found.name;
    } catch (error) {
      if (own === number) say(fill(words.failed, error.message), "bad");
    }
  }

  function say(text, kind = "lost") {
    note.textContent = text;
    note.className = kind;
    note.hidden = !text;
  }

  function showPages(found, address, own) {
    const back = make("button", tools, "‹", "plain"), told = make("span", tools), on = make("button", tools, "›", "plain");
    back.setAttribute("aria-label", words.previous);
    on.setAttribute("aria-label", words.next);
    let page = found.places[0].page;
    const turn = (to) => {
      page = Math.min(Math.max(to, 1), found.pages);
      told.textContent = fill(words.page, page, found.pages);
      back.disabled = page === 1;
      on.disabled = page === found.pages;
      const boxes = found.places.find((one) => one.page === page)?.boxes || [];
      say(found.found ? "" : words.lostPage);
      draw(`${address}/pages/${page}`, told.textContent, boxes, own);
    };
    back.addEventListener("click", () => turn(page - 1));
    on.addEventListener("click", () => turn(page + 1));
    turn(page);
  }

  function draw(address, name, boxes, own) {
    const figure = make("figure"), picture = make("img", figure), waits = make("p", null, words.opening, "place");
    picture.alt = name;
    picture.addEventListener("load", () => {
      if (own !== number || !waits.isConnected) return;
      for (const [left, top_, right, bottom] of boxes) {
        const box = make("i", figure);
        Object.assign(box.style, { left: `${100 * left}%`, top: `${100 * top_}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top_)}%` });
      }
      body.replaceChildren(figure);
      const first = figure.querySelector("i");
      body.scrollTop = first ? Math.max(0, first.offsetTop - 90) : 0;
    });
    picture.addEventListener("error", () => { if (own === number && waits.isConnected) { waits.remove(); say(fill(words.failed, name), "bad"); } });
    body.replaceChildren(waits);
    picture.src = address;
  }

  function showText(found) {
    say(found.found ? "" : words.lost);
    if (found.before) make("p", body, words.earlier, "place");
    let path = "";
    for (const block of found.text) {
      const heading = [...block.headings, ...(block.page ? [fill(words.page.split("{}")[0] + "{}", block.page)] : [])].join(" › ");
      if (heading !== path) make("h3", body, path = heading);
      const row = make("div", body, "", `block ${block.kind === "text" ? "" : "code"}`);
      const at = make("span", row, block.line ? String(block.line) : "", "line");
      if (block.line) at.title = fill(words.line, block.line);
      write(make("div", row, "", "text"), block.text, places(block.text, block.marks));
    }
    if (found.after) make("p", body, words.later, "place");
    const first = body.querySelector("mark");
    body.scrollTop = first ? Math.max(0, first.offsetTop - body.offsetTop - 90) : 0;
  }

  // Put in a text, what is marked in it as such, and its Markdown tables as tables.
  function write(parent, text, marks) {
    const lines = [...text.matchAll(/[^\n]*(?:\n|$)/g)].filter((line) => line[0]).map((line) => [line.index, line.index + line[0].length]);
    const is = (at, form) => lines[at] && form.test(text.slice(...lines[at]));
    let held = 0;
    for (let at = 0; at < lines.length; at += 1) {
      if (!is(at, ROW) || !is(at + 1, RULE)) continue;
      put(parent, text, held, lines[at][0], marks);
      const table = make("table", parent), head = make("thead", table), rows = make("tbody", table);
      put_row(make("tr", head), "th", text, lines[at], marks);
      for (at += 2; is(at, ROW); at += 1) put_row(make("tr", rows), "td", text, lines[at], marks);
      held = at < lines.length ? lines[at][0] : text.length;
      at -= 1;
    }
    put(parent, text, held, text.length, marks);
  }

  function put_row(row, kind, text, [begin, end], marks) {
    const bars = [...text.slice(begin, end).matchAll(/(?<!\\)\|/g)].map((bar) => begin + bar.index);
    for (let at = 0; at + 1 < bars.length; at += 1) {
      let first = bars[at] + 1, last = bars[at + 1];
      while (first < last && text[first] === " ") first += 1;
      while (last > first && text[last - 1] === " ") last -= 1;
      put(make(first < last ? kind : "td", row), text, first, last, marks, (part) => part.replaceAll("\\|", "|"));
    }
  }

  function put(parent, text, begin, end, marks, read = (part) => part) {
    let done = begin;
    for (const [from, to] of marks) {
      const first = Math.max(from, done), last = Math.min(to, end);
      if (first >= last) continue;
      parent.append(read(text.slice(done, first)));
      make("mark", parent, read(text.slice(first, last)));
      done = last;
    }
    parent.append(read(text.slice(done, end)));
  }

  // The server counts characters, and JavaScript halves of them: they differ behind an emoji.
  function places(text, marks) {
    if (!/[\ud800-\udfff]/.test(text)) return marks;
    const starts = [];
    let at = 0;
    for (const sign of text) { starts.push(at); at += sign.length; }
    starts.push(at);
    return marks.map((mark) => mark.map((one) => starts[Math.min(one, starts.length - 1)]));
  }

  return { open, shown: () => sheet.open };
})();
