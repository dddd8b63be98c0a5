"""A tokenizer that can tell text from control: the two ways in, and the one way out. Knows no chat template.

`plain` reads control tokens (for the template's own text), `literal` never does (for the text of messages, which may
hold `<|im_start|>` or `</s>` because somebody typed them). Both are exact otherwise. Works on the Rust tokenizer, whose
`encode` is safe from several threads; the Python wrapper around it is not, because it writes settings into it.
"""

from typing import Any

from tokenizers import Encoding, Tokenizer

from generation.base import ModelUnusable

_ANCHOR = "\n"


class Tokens:
    """Encodes template text and message text apart. `tokenizer`: a Hugging Face tokenizer with a Rust backend."""

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ModelUnusable(
                f"The tokenizer of this model ({type(tokenizer).__name__}) has no tokenizer.json form: not usable. "
                "Save it with a transformers that converts it, and copy tokenizer.json into the model folder."
            )
        self._plain: Tokenizer = tokenizer.backend_tokenizer
        self._plain.no_truncation()
        self._plain.no_padding()
        self._literal = Tokenizer.from_str(self._plain.to_str())
        self._literal.encode_special_tokens = True
        added = self._plain.get_added_tokens_decoder()
        # Runs of spaces are added tokens in some vocabularies; they are text.
        self.control_ids = frozenset(number for number, token in added.items() if token.content.strip())
        self.control_texts = frozenset(added[number].content for number in self.control_ids)
        self.special_ids = frozenset(number for number, token in added.items() if token.special)
        self._prefixes = self._plain.encode("\na", add_special_tokens=False).ids[-1:] != self._ids(self._plain, "a")

    def id_of(self, text: str) -> int | None:
        """Return the id of a control token by its text."""
        number = self._plain.token_to_id(text)
        return number if number in self.control_ids else None

    def plain(self, text: str, first: bool = True) -> list[int]:
        """Return the ids of `text`, control tokens read as such, nothing added around; `first` as in `literal`."""
        return self._ids(self._plain, text) if first or not self._prefixes else self._behind(self._plain, text)

    def whole(self, text: str) -> list[int]:
        """Return the ids of `text` as a whole input: control tokens read as such, begun and ended as the tokenizer does."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=True).ids
        # Who writes the template by hand writes the first token too.
        return ids[1:] if len(ids) > 1 and ids[0] == ids[1] and ids[0] in self.special_ids else ids

    def controls(self, ids: list[int]) -> list[int]:
        """Return the control ids among `ids`, in order."""
        return [number for number in ids if number in self.control_ids]

    def literal(self, text: str, first: bool = True) -> list[int]:
        """Return the ids of `text` with no control id among them; `first` False: text stands before it.

        A token that would be a control id (added but not special, or in the vocabulary itself) is cut in two and the
        halves are read apart: no token reaches over the cut.
        """
        encoding = self._literal.encode(text, add_special_tokens=False)
        spans = [span for number, span in zip(encoding.ids, encoding.offsets, strict=True) if number in self.control_ids]
        if not spans:
            return list(encoding.ids) if first or not self._prefixes else self._behind(self._literal, text)
        ids: list[int] = []
        for piece in _cut(text, spans):
            ids += self.literal(piece, first and not ids)
        return ids

    def decode(self, ids: list[int]) -> str:
        """Return the text of `ids` without control tokens; incomplete characters are U+FFFD."""
        return str(self._plain.decode(ids, skip_special_tokens=True))

    def _behind(self, tokenizer: Tokenizer, text: str) -> list[int]:
        """Encode text that stands behind other text: SentencePiece would put a space before it."""
        encoding: Encoding = tokenizer.encode(_ANCHOR + text, add_special_tokens=False)
        edge = len(_ANCHOR)
        cut = next((i for i, (begin, _) in enumerate(encoding.offsets) if begin >= edge), len(encoding.ids))
        over_the_edge = cut > 0 and encoding.offsets[cut - 1][1] > edge
        return self._ids(tokenizer, text) if over_the_edge else list(encoding.ids[cut:])

    @staticmethod
    def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)


def _cut(text: str, spans: list[tuple[int, int]]) -> list[str]:
    """Return `text` in pieces, cut inside each span; a single character that is a control token leaves the text."""
    pieces, position = [], 0
    for begin, end in spans:
        # A normalizer can make the span cover white space before the token; the cut must fall inside the token itself.
        begin += len(text[begin:end]) - len(text[begin:end].lstrip())
        cut = begin if end - begin < 2 else begin + 1
        pieces.append(text[position:cut])
        position = end if end - begin < 2 else cut
    return [piece for piece in (*pieces, text[position:]) if piece]
