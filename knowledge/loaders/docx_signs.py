"""Signs that a Word document takes from a font of signs by their places in it, as the letters they stand for.

Knows the fonts Symbol (Adobe's encoding, as Unicode's mapping of it has it) and Wingdings, of which it has the usual ones.
"""

SYMBOL = {
    0x20: " !∀#∃%&∋()∗+,−./0123456789:;<=>?",
    0x40: "≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_",
    0x61: "αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼",
    0xA0: "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…",
    0xC0: "ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑",
    0xF1: "〉∫",
}
WINGDINGS = {
    0x4A: "☺☻☹", 0x6C: "●", 0x6E: "■□", 0x6F: "☐", 0x78: "☒", 0xA7: "▪☐", 0xD8: "➢", 0xDF: "←→↑↓", 0xE8: "➔", 0xFB: "✗✓☒☑",
}  # fmt: skip
FONTS = {"symbol": SYMBOL, "wingdings": WINGDINGS}
OWN = range(0xF000, 0xF100)
"""Where Word puts the places of such a font, among the characters for private use."""


def sign_of(font: str | None, place: str | None) -> str:
    """Return the character that a place ("F0B0") in a font stands for, "" where it is not known."""
    try:
        code = int(place or "", 16)
    except ValueError:
        return ""
    signs = FONTS.get((font or "").strip().lower())
    if signs is None:
        return chr(code) if 0x20 <= code < 0xD800 else ""
    code -= OWN.start if code in OWN else 0
    begin = max((first for first in signs if first <= code), default=0)
    return signs.get(begin, "")[code - begin : code - begin + 1]
