"""Links that do something, in the HTML of the tables: `#act/VERB/NUMBER`, which `page.js` hands on as `VERB/NUMBER/nonce`.

The nonce makes the same link work twice. What a verb means, the tabs know.
"""

from webui.markup import flat


def link(verb: str, number: int, text: str) -> str:
    """Return the link, as HTML."""
    return f'<a class="act" href="#act/{verb}/{number}">{flat(text)}</a>'


def parsed(act: str) -> tuple[str, int | None]:
    """Return the verb and the number of what `page.js` handed on; None for what is no number."""
    verb, _, rest = act.partition("/")
    number = rest.partition("/")[0]
    return verb, int(number) if number.isdigit() else None
