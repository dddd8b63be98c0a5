"""What a term may have been meant to be: one letter wrong, missing or too many, or two turned round. Pure functions.

After Norvig's corrector (https://norvig.com/spell-correct.html). Which terms there are, whoever asks knows.
"""

from string import ascii_lowercase

LEAST = 6
"""Letters of a term that is corrected: a shorter one is too near to many others."""


def near(term: str) -> list[str]:
    """Return all terms one slip away that begin with the same letter, none twice; [] where the term is short or not of a-z."""
    if len(term) < LEAST or not (term.isascii() and term.isalpha()):
        return []
    parts = [(term[:place], term[place:]) for place in range(1, len(term) + 1)]
    missing = [before + letter + after for before, after in parts for letter in ascii_lowercase]
    parts.pop()
    wrong = [before + letter + after[1:] for before, after in parts for letter in ascii_lowercase]
    too_many = [before + after[1:] for before, after in parts]
    turned = [before + after[1] + after[0] + after[2:] for before, after in parts[:-1]]
    return [one for one in dict.fromkeys([*turned, *too_many, *wrong, *missing]) if one != term]
