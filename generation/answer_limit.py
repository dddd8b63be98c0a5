"""How many tokens an answer may have, by what the context leaves. Knows no engine."""

from generation.base import EngineFailed, Prompt, PromptTooLong, Sampling


def answer_limit(prompt: Prompt, sampling: Sampling, context_length: int) -> int:
    """Return the most tokens of the answer; raises `PromptTooLong` where there is room for none."""
    room = context_length - len(prompt.token_ids)
    if room < 1:
        raise PromptTooLong(len(prompt.token_ids), context_length)
    return room if sampling.max_tokens is None else min(room, sampling.max_tokens)


def check_vocabulary(prompt: Prompt, vocabulary: int) -> None:
    """Raise `EngineFailed` for ids that a model of so many tokens does not know, or none at all."""
    if not prompt.token_ids or max(prompt.token_ids) >= vocabulary:
        raise EngineFailed("The tokenizer and the weights of this model do not belong together.")
