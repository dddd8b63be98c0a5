"""Whether whoever uses the page is an administrator. Every handler asks: whoever finds a handler can call it."""

import gradio as gr

from api.administrators import Administrators
from webui.texts.base import Texts


class Admission:
    """Tells administrators by the requests of their browsers."""

    def __init__(self, administrators: Administrators, texts: Texts) -> None:
        self._administrators, self._texts = administrators, texts

    def admits(self, request: gr.Request) -> bool:
        """Return whether the request is an administrator's."""
        headers = dict(request.headers)
        authorization = [headers["authorization"]] if "authorization" in headers else []
        return self._administrators.admit(authorization, headers.get("cookie", ""))

    def check(self, request: gr.Request) -> None:
        """Raise `gr.Error` with a sentence when it is not."""
        if not self.admits(request):
            raise gr.Error(self._texts.not_administrator, print_exception=False)
