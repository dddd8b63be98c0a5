"""The progress bars of transformers, which nobody here should see. Imports it only when it is in use."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Let transformers draw no progress bar meanwhile: `report` tells the progress."""
    from transformers.utils import logging

    before = logging.set_tqdm_hook(lambda bar, values, options: bar(*values, **{**options, "disable": True}))
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)
