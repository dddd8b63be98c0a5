"""Numbers of pages in words, for warnings and errors. Knows no document."""

import re
from collections.abc import Iterator, Sequence


def ranges(numbers: Sequence[int]) -> str:
    """Return rising numbers, one or more, as "page 3" or "pages 3, 7-9"."""
    text = re.sub(r"(?<=\d),", ", ", ",".join(runs(numbers)))
    return f"page{'s' if len(numbers) > 1 else ''} {text}"


def runs(numbers: Sequence[int]) -> Iterator[str]:
    """Yield the runs of rising numbers: [3, 7, 8, 9] as "3", "7-9"."""
    start = previous = numbers[0]
    for number in [*numbers[1:], -1]:
        if number != previous + 1:
            yield str(start) if start == previous else f"{start}-{previous}"
            start = number
        previous = number
