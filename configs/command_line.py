"""The flags of a program, by the fields of its settings: one each, in the groups of their rooms. Checks no value."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from configs.settings import (
    Settings,
    SettingsError,
    choices_of,
    dashed,
    help_text,
    is_list,
    is_secret,
    nearest,
    titles,
    types_of,
    variable_name,
)

LONG_DASHES = "‐‑‒–—―−"


def parser(kind: type[Settings], program: str) -> argparse.ArgumentParser:
    """Return the command line of `kind`: one flag a field, grouped by the room that declares it."""
    line = argparse.ArgumentParser(
        prog=program,
        description=kind.__doc__,
        allow_abbrev=False,
        formatter_class=_Help,
        epilog=f"Every flag is also an environment variable ({variable_name('port')}=8000) and a key of the --config file.",
    )
    groups = {title: line.add_argument_group(title) for title in dict.fromkeys(titles(kind).values())}
    for name, title in titles(kind).items():
        groups[title].add_argument(f"--{dashed(name)}", **_argument(kind.model_fields[name]))
    return line


class _Help(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


def _argument(field: FieldInfo) -> dict[str, Any]:
    text = help_text(field).replace("%", "%%")
    if is_list(field):
        return {"action": "append", "metavar": "VALUE", "help": text, "default": argparse.SUPPRESS}
    if field.annotation is bool:
        return {"nargs": "?", "const": "true", "metavar": "true|false", "help": text, "default": argparse.SUPPRESS}
    return {"metavar": _metavar(field), "help": text, "default": argparse.SUPPRESS}


def _metavar(field: FieldInfo) -> str:
    kinds = set(types_of(field.annotation))
    if int in kinds or float in kinds:
        return "NUMBER"
    return "PATH" if Path in kinds else "NAME" if choices_of(field) else "TEXT"


def from_flags(kind: type[Settings], arguments: Sequence[str], program: str) -> dict[str, Any]:
    """Return name -> value of a command line, not yet checked; raises `SettingsError`."""
    _refuse_long_dashes(kind, arguments)
    line = parser(kind, program)
    line.exit_on_error = False
    try:
        known, rest = line.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise SettingsError(f"{error.argument_name or 'The command line'}: {error.message}.") from error
    if rest and not rest[0].startswith("-"):
        # It may be the second half of a key with a space in it, so it is not shown.
        raise SettingsError(f"{program} takes flags only, and a value with spaces in it needs quotes (see --help).")
    if rest:
        flag = rest[0].partition("=")[0]
        raise SettingsError(
            f"{flag!r} is not a flag of {program}{nearest(flag, [f'--{dashed(n)}' for n in kind.model_fields])}"
        )
    return dict(vars(known))


def _refuse_long_dashes(kind: type[Settings], arguments: Sequence[str]) -> None:
    """Raise `SettingsError` for `— backend = vllm`, in one argument or in several, and tell what to type."""
    for number, argument in enumerate(arguments):
        value = argument.partition("=")[2] if argument.startswith("--") else argument
        if not value.startswith(tuple(LONG_DASHES)):
            continue
        words = [argument.removeprefix("--").lstrip(LONG_DASHES + "-").strip()]
        for word in arguments[number + 1 :]:
            if word.startswith(("-", *LONG_DASHES)):
                break
            words.append(word)
        name, equals, given = re.sub(r"\s*=\s*", "=", " ".join(filter(None, words))).partition("=")
        secret = is_secret(kind, name.split(" ")[0].replace("-", "_"))
        typed = f"--{name.split(' ')[0]}=..." if secret else f"--{name}{equals}{given.lstrip(LONG_DASHES)}"
        raise SettingsError(
            f"A long dash, as printed in articles, stands where two hyphens belong or before a value: type {typed!r}."
        )
