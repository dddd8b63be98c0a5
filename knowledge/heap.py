"""Memory that is freed and taken again at once stays with the process meanwhile, where its C library is glibc.

By itself it gives whatever is free at the end of its heap back to the system, and takes it anew, a page at a time, for the
next array: embedding in bfloat16 spent a twelfth of its time on that. Whose memory it is, this does not know.
"""

import ctypes
import sys

TRIM, MAPPED = -1, -3
"""Parameters of mallopt(3): how much may be free at the end of a heap, and what is not taken from a heap at all."""
KEPT = 256 << 20
"""Bytes; with 64 MiB half of the saving is lost."""
LARGEST = 32 << 20
"""Bytes; the library would come to this by itself, but no longer does so once a parameter is set."""


def keep() -> None:
    """Keep freed memory until `give_back`; in this process, from now on."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(TRIM, KEPT)
        library.mallopt(MAPPED, LARGEST)


def give_back() -> None:
    """Give the system what is free."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(ctypes.c_size_t(0))
