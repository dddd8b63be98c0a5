"""Control tokens of other people's tokenizers, made harmless in text: `<|im_end|>` becomes `< |im_end|>`.

For an engine that templates and tokenizes far away, where nobody can say which token a text became. Only spellings that
tokenizers register as control tokens are touched, wherever they come from; words like `User:` are not. Knows no template.
"""

import re
from collections.abc import Iterable

_NAMED = (
    *("<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<mask>", "<cls>", "<sep>", "<sop>", "<eop>"),
    *("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<<SYS>>", "<</SYS>>"),
    *("[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *(
        "[TOOL_CALLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
        "[gMASK]",
        "[MASK]",
        "[CLS]",
        "[SEP]",
        "[IMG]",
        "[THINK]",
        "[/THINK]",
    ),
)
_SHAPES = r"<\|[^|<>\s]{1,64}\|>|<｜[^｜<>\s]{1,64}｜>|<reserved_\d{1,5}>"


class ControlMarkers:
    """Finds control tokens in text; `more`: those of a tokenizer that is at hand."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        named = sorted({*_NAMED, *(text for text in more if len(text) > 1)}, key=len, reverse=True)
        self._found = re.compile("|".join([*map(re.escape, named), _SHAPES]))

    def neutral(self, text: str) -> str:
        """Return `text` with a space behind the first character of every control token in it."""
        while self._found.search(text):
            text = self._found.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
        return text
