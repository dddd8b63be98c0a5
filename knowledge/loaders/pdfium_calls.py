"""Functions of PDFium that are called for each character or line of a page, with plain numbers in place of typed pointers.

By pypdfium2's own, ctypes looks at the types of all that is given and lets other threads run: a third of the time of reading
boxes and lines, in a process that has one thread and gives what PDFium itself has given. What they answer, PDFium says.
"""

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

NUMBER, POINTER = ctypes.c_int, ctypes.c_void_p


@lru_cache
def call(name: str, answer: type, *given: type) -> Callable[..., Any]:
    """Return the function of this name, which answers and is given these types of C."""
    from pypdfium2 import raw

    return ctypes.PYFUNCTYPE(answer, *given)(address(getattr(raw, name)))


def address(found: Any) -> int:
    """Return what a pointer of pypdfium2 points to; 0: nothing."""
    return ctypes.cast(found, POINTER).value or 0
