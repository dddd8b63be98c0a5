"""The line above a knowledge base that another embedding model made: what follows from it, how far its rebuild is. HTML."""

from knowledge.rebuild import Rebuild
from webui import talk
from webui.actions import link
from webui.markup import bar, flat
from webui.texts.base import Texts


def line(state: Rebuild, texts: Texts) -> str:
    """Return what is to be said of a base, with a link to rebuild it, or to give up the rebuild that is going on."""
    if state.running:
        return _going(state, texts)
    said = [texts.rebuild_failed.format(state.error)] if state.error else []
    said.append(texts.rebuild_needed.format(state.made_by, state.wanted))
    said += [texts.rebuild_by_words] if state.by_words else []
    if state.seconds:
        left = f"{state.passages - state.done:,}"
        said.append(texts.rebuild_takes.format(talk.duration(state.seconds, texts), left))
    return f'<div class="note"><span>{flat(" ".join(said))}</span>{link("rebuild", 0, texts.rebuild)}</div>'


def _going(state: Rebuild, texts: Texts) -> str:
    part = state.done / state.passages if state.passages else 0.0
    said = texts.rebuilding.format(state.wanted, f"{state.done:,}", f"{state.passages:,}")
    said += f" · {texts.about.format(talk.duration(state.seconds, texts))}" if state.seconds else ""
    return f'<div class="quiet">{bar(part)} {flat(said)} {link("keep-old", 0, texts.cancel)}</div>'
