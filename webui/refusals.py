"""Why a question was not answered, in the page's language where the reason is the server's own. Knows no component."""

from api.errors import sentence
from assistant.errors import RunError, Stopping, TooManyOfOne, TooManyRuns, WaitedTooLong
from webui.texts.base import Texts


def said(error: Exception, texts: Texts) -> str:
    """Return what a person reads of `error`."""
    known: dict[type[RunError], str] = {
        TooManyOfOne: texts.too_many_of_yours,
        TooManyRuns: texts.server_full,
        WaitedTooLong: texts.waited_too_long,
        Stopping: texts.stopping,
    }
    return next((text for kind, text in known.items() if isinstance(error, kind)), sentence(error))
