"""The name of a knowledge base from what a client gives for it, its id or its name. Knows no protocol."""

from knowledge.base import UnknownBase
from knowledge.library import Library
from knowledge.names import same


def resolve(library: Library, given: str) -> str:
    """Return the name of the base that `given` stands for; raises `UnknownBase`."""
    name = next((base.name for base in library.bases() if base.name == same(given)), None)
    if name is None:
        raise UnknownBase("There is no such knowledge base.")
    return name
