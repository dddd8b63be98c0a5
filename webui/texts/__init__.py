"""The words of the page, one file per language. A new language is one file and its line in `LANGUAGES`."""

from webui.texts import en, zh
from webui.texts.base import Texts

LANGUAGES: dict[str, Texts] = {"en": en.TEXTS, "zh": zh.TEXTS}
