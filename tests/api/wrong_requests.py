"""Wrong values of the fields that the native protocol, in both versions, and EverAI share, as JSON texts."""

from collections.abc import Iterator

CANARY = "canary4711"
HUGE = "9" * 5000
NUMBERS = {
    "temperature": ["NaN", "Infinity", "-Infinity", "1e999", HUGE, "-0.1", "2.1", '"1"', "true", "null", "[]", "{}"],
    "top_p": ["NaN", "Infinity", HUGE, "0", "-1", "1.1", '"1"', "null", "[0.5]"],
    "top_k": ["NaN", HUGE, "-2", "1001", "1.5", '"1"', "true", "null"],
    "repetition_penalty": ["NaN", "1e999", HUGE, "0", "2.1", '"1"', "null"],
    "seed": ["NaN", HUGE, "-1", "1.5", "9223372036854775808", '"1"', "true"],
    "max_new_tokens": ["NaN", HUGE, "0", "-1", "1.5", "1000001", '"9"', "true"],
}
LENGTH = ["NaN", "Infinity", HUGE, "0", "-1", "1.5", "1000001", '"9"', "true", "null", "[]"]
BEAMS = ["NaN", HUGE, "0", "-1", "1.5", "9", "1000000", '"2"', "true", "null", "[1]"]
OTHERS = {
    "do_sample": ['"True"', "1", "null"],
    "use_cache": [f'"{CANARY}"', "null"],
    "langchain": ['"True"', "1", "null", "[]"],
    "mode": [f'"{CANARY}"', "1", "[]"],
    "knowledge_base": ['""', f'"{CANARY * 7}"', "1", "null", '"\\ud800"'],
    "stop": [f'"{CANARY}"', '[""]', "[1]", "[null]", f'["{CANARY * 7}"]', '["a", "b", "c", "d", "e"]'],
    "no_template": ['"x"', "1", "null"],
    "strict": ['"x"', "1", "null"],
    "rewrite_query": ['"x"', "0", "[]"],
    "retrieval_top_k": ["0", "21", "1.5", '"1"'],
}
TEXTS = ["1", "null", "true", "[]", "{}", f'["{CANARY}"]', '""', '" \\n\\t\\u3000"', '"canary4711 \\ud800"', '"\\udfff"']


def literal(field: str, name: str, text: str) -> str:
    """Return a body whose question is in `field`, and whose other field is not what `json.dumps` would write."""
    return f'{{"{field}": "{CANARY}", "{name}": {text}}}'


def broken(field: str) -> Iterator[str]:
    """Yield what is not JSON, though it wants to be, or JSON that nobody should read."""
    whole = f'"{field}": "{CANARY}"'
    yield from (f"{{{whole}", f"{{{whole},}}", f"{{\"{field}\": '{CANARY}'}}", f'{{"{field}" "{CANARY}"}}')
    yield from (f"{{{whole}}} {CANARY}", f"{{{whole}}}{{{whole}}}", f'{{"{field}": "{CANARY}\n"}}', f'{{"{field}": "\\x"}}')
    yield from (f"{{{whole}, {whole}}}", literal(field, "x", '{"a": 1, "a": 2}'), f'{{{whole}, // comment\n"seed": 1}}')
    yield from (literal(field, "seed", text) for text in ("None", "0x1F", "01", "+1", ""))
    yield from (literal(field, "x", text) for text in ("NaN", HUGE, "[" * 100_000, '{"a":' * 100_000, '"\\ud800"'))


def wrong_values(field: str, table: dict[str, list[str]]) -> Iterator[str]:
    """Yield bodies with one wrong field each, the question's own included."""
    yield from (literal(field, name, text) for name, texts in table.items() for text in texts)
    yield from (f'{{"{field}": {text}}}' for text in TEXTS)
    yield f'{{"{field}": "{"a" * 200_001}"}}'
