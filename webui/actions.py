"""Links that do something, in the HTML of the tables: `#act/VERB/NUMBER`, which `page.js` hands to the tab they are for.

It arrives as `VERB/NUMBER/nonce`; the nonce makes the same link work twice. What a verb means, the tab knows.
"""

from collections.abc import Mapping

import gradio as gr

from webui.markup import flat

TABS: Mapping[str, str] = {
    "passages": "passages", "part": "passages", "off": "passages", "on": "passages", "keep": "try", "forget": "evaluate",
}  # fmt: skip
"""Which tab a verb is for; the others are for the documents."""
DOCUMENTS = "documents"


class Door:
    """The hidden parts of the page by which the links of one tab come in."""

    def __init__(self, tab: str) -> None:
        self._tab = tab

    def place(self) -> None:
        """Place the parts; not within a tab that may not be open."""
        self.act = gr.Textbox(visible="hidden", elem_id=f"act-{self._tab}")
        self.go = gr.Button(visible="hidden", elem_id=f"go-{self._tab}")


def doors() -> dict[str, Door]:
    """Return a door for each tab that links are for."""
    return {tab: Door(tab) for tab in (DOCUMENTS, *dict.fromkeys(TABS.values()))}


def link(verb: str, number: int, text: str, which: str = "") -> str:
    """Return the link, as HTML; `which`: what it is about, for those who do not see where it stands."""
    unseen = f'<span class="unseen"> {flat(which)}</span>' if which else ""  # Gradio takes an aria-label out
    return f'<a class="act" href="#act/{verb}/{number}">{flat(text)}{unseen}</a>'


def parsed(act: str) -> tuple[str, int | None]:
    """Return the verb and the number of what `page.js` handed on; None for what is no number."""
    verb, _, rest = act.partition("/")
    number = rest.partition("/")[0]
    return verb, int(number) if number.isdigit() else None
