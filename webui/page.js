// The page's own keys and the links of its tables. Gradio's `js=` handlers are compiled from strings, which the
// Content-Security-Policy forbids, so this script stands in the head and only presses Gradio's own buttons.
(() => {
  const shown = (id) => { const e = document.getElementById(id); return e && e.offsetParent !== null ? e : null; };
  const first = (...ids) => ids.map(shown).find(Boolean);
  const press = (...ids) => { const e = first(...ids); if (e) e.click(); return !!e; };

  document.documentElement.lang = WORDS.lang;

  document.addEventListener("click", (event) => {
    const cite = event.target.closest('a.cite[href^="#"]');
    if (cite) {
      event.preventDefault();
      const id = cite.getAttribute("href").slice(1);
      return appeared(() => document.getElementById(id), (card) => { light(card); SOURCE.open(card); });
    }
    const card = event.target.closest(".card");
    if (card && card.querySelector("a.open") && !event.target.closest("a:not(.open), button") && !String(getSelection())) {
      event.preventDefault();
      return SOURCE.open(card);
    }
    const language = event.target.closest("#language a"); // Gradio opens links in a new tab; this one is not a link away
    if (language) { event.preventDefault(); return location.assign(language.getAttribute("href")); }
    if (event.target.closest("#base-new")) appeared(() => document.querySelector("#base-name :is(input, textarea)"), (field) => field.focus());
    if (event.target.closest("#to-ask")) return document.querySelector("#langchain-input textarea").focus();
    const draft = event.target.closest(".draft");
    if (draft && event.target.closest("button")) {
      // It goes when it is approved or dropped; whoever came by keyboard stands on the next one.
      const next = draft.nextElementSibling?.matches(".draft") ? draft.nextElementSibling : null;
      appeared(() => !draft.isConnected && (next?.querySelector("textarea") || document.getElementById("draft-start")), (field) => field.focus());
    }
    const act = event.target.closest('a.act[href^="#act/"]');
    if (!act) return;
    event.preventDefault();
    const [verb, id] = act.getAttribute("href").slice(5).split("/");
    if (verb in WORDS.confirm && !window.confirm(WORDS.confirm[verb])) return;
    hand(WORDS.doors[verb] || "documents", verb, id);
    // The list is drawn anew; whoever came by keyboard stands on the link that undoes this.
    const undo = { off: "on", on: "off" }[verb];
    if (undo) appeared(() => document.querySelector(`a.act[href="#act/${undo}/${id}"]`), (link) => link.focus());
  });

  function hand(tab, verb, id) {
    const field = document.querySelector(`#act-${tab} textarea, #act-${tab} input`);
    field.value = `${verb}/${id}/${Date.now()}`;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => document.getElementById(`go-${tab}`).click(), 30);
  }

  // Whoever comes back to this window sees what others have done with the base meanwhile.
  window.addEventListener("focus", () => { if (shown("documents") || shown("base")) hand("documents", "look", 0); });

  // A citation lights up its card. Not by :target, which would put every click into the browser's history.
  function light(card) {
    document.querySelectorAll(".card.lit").forEach((other) => other.classList.remove("lit"));
    card.classList.add("lit");
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    card.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  }

  // The cards of an earlier answer come when it is chosen, which the click on its citation does.
  function appeared(find, then) {
    const found = find();
    if (found) return then(found);
    const watch = new MutationObserver(() => { const now = find(); if (now) { watch.disconnect(); then(now); } });
    watch.observe(document.body, { childList: true, subtree: true });
    setTimeout(() => watch.disconnect(), 5000);
  }

  // Gradio opens the list of a choice a moment after any key in it, so after Tab it would stay open behind whoever left.
  document.addEventListener("keydown", (event) => {
    if (["Tab", "Shift"].includes(event.key) && event.target.matches?.("[role=combobox], input[role=listbox]")) event.stopPropagation();
  }, true);

  document.addEventListener("keydown", (event) => {
    if (SOURCE.shown()) return; // the dialog closes itself on Escape
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape") { if (help.open) help.close(); else if (!press("chat-stop", "langchain-stop")) document.querySelector("#drawer.open .toggle-button")?.click(); }
    else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      if (press("chat-new", "langchain-new")) event.preventDefault();
    } else if (!typing && event.key === "/") {
      const input = first("chat-input", "langchain-input");
      if (input) { event.preventDefault(); input.querySelector("textarea").focus(); }
    } else if (!typing && event.key === "?") help.showModal();
  });

  const help = document.createElement("dialog");
  help.id = "keys";
  const title = document.createElement("h2");
  title.textContent = WORDS.keys;
  help.append(title);
  for (const [key, what] of WORDS.shortcuts) {
    const line = document.createElement("p"), name = document.createElement("kbd");
    name.textContent = key;
    line.append(name, " ", what);
    help.append(line);
  }
  help.addEventListener("click", () => help.close());
  const ready = () => document.body.append(help);
  document.body ? ready() : document.addEventListener("DOMContentLoaded", ready);

  // A table is drawn anew while files are on their way; whoever stands on one of its links by keyboard goes on standing there,
  // or on the next one where it is gone.
  let stood = null;
  document.addEventListener("focusin", (event) => {
    const link = event.target.closest("#documents a.act, #questions a.act, #passages a.act");
    stood = link && { link, list: link.closest("[id]").id, href: link.getAttribute("href"), at: like(link).indexOf(link) };
  });
  const like = (link, list = link.closest("[id]")) => [...list.querySelectorAll(`a.act[href^="${link.getAttribute("href").split("/", 2).join("/")}/"]`)];
  const stay = () => {
    const list = stood && !stood.link.isConnected && document.activeElement === document.body && document.getElementById(stood.list);
    if (!list) return;
    const others = like(stood.link, list);
    (others.find((one) => one.getAttribute("href") === stood.href) || others[Math.min(stood.at, others.length - 1)])?.focus({ preventScroll: true });
  };

  // On a phone the conversation stands under the documents: a button leads to its input while that is out of sight.
  const down = document.createElement("button");
  down.id = "to-ask";
  down.type = "button";
  down.textContent = WORDS.ask;
  const narrow = window.matchMedia("(max-width: 860px)");
  const seen = new IntersectionObserver(([entry]) => down.classList.toggle("wanted", narrow.matches && !entry.isIntersecting && !!shown("base")));
  const lead = () => {
    const beside = !down.isConnected && document.querySelector(".beside");
    if (beside) { document.body.append(down); seen.observe(beside); }
  };

  // The answer is announced once, when it is finished: a log that reads out every token is noise to a screen reader.
  new MutationObserver(() => {
    document.querySelectorAll('.talk [role="log"]').forEach((log) => {
      const going = !!first("chat-stop", "langchain-stop");
      log.setAttribute("aria-busy", String(going));
    });
    stay();
    lead();
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
