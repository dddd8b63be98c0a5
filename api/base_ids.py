"""A knowledge base by its id or its name, as clients give it in paths and fields. Blocks for a look into the database."""

from knowledge.library import Library


def resolve(library: Library, given: str) -> str:
    """Return the name of the base whose id ("vs_...") or name is `given`; raises `knowledge.base.UnknownBase`."""
    return library.base_named(given)
