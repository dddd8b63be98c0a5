"""`python webui/webui_server.py`: the page and every protocol on one port."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

# Python puts this file's folder first, where a module of ours could shadow the standard library; the checkout belongs there.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from api.server import main

if TYPE_CHECKING:
    from api.app import Page
    from api.settings import ServerSettings


def page(settings: "ServerSettings") -> "Page":
    """Return the page of these settings; imported only now, after the flags have been found good."""
    # Gradio reads these when it is imported: nothing is reported to anybody, and uploads pass through our own folder.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(settings.data / "uploads")
    from webui.mount import page_of

    return page_of(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], "webui_server.py", page))
