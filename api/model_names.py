"""The names by which clients call the model, and the knowledge base behind an `@` in them. Knows no protocol."""

from api.errors import UnknownModel
from assistant.assistant import Assistant


def names(assistant: Assistant) -> tuple[str, ...]:
    """Return every name of the present model: those of `--served-model-name`, or its own; then its path as it was given."""
    settings = assistant.engine.settings
    own = settings.served_model_name or (settings.model_name,)
    path = () if settings.model_path is None else (settings.model_path,)
    return tuple(dict.fromkeys((*own, *path)))


def base_of(assistant: Assistant, model: str) -> str:
    """Return the knowledge base that `model` asks for ("" for none); raises `UnknownModel`.

    `NAME@BASE` is for clients that can choose a model and nothing else. Whether the base exists is not looked up here.
    """
    known = names(assistant)
    if model in known:
        return ""
    name, _, base = model.rpartition("@")
    if base and name in known:
        return base
    raise UnknownModel(f"There is no such model here. Models: {', '.join(known)}; with documents: {known[0]}@BASE.")
