"""`chat-llm-webui COMMAND`, or `python -m cli COMMAND`: finds the command and gives it the rest of the line.

Knows the commands by name only: a command's module, and all that is heavy, is imported when it is asked for.
"""

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from cli.finding import INSTALL
from configs import library_environment

PROGRAM = "chat-llm-webui"
COMMANDS = {
    "prepare": ("cli.prepare", "download or check a model, so that serving it needs no network"),
    "doctor": ("cli.doctor", "look at machine, packages, model, port and data, and tell what to mend"),
    "export-eas": ("cli.export_eas", "write the service JSON of PAI-EAS for these flags"),
    "knowledge": ("cli.knowledge", "add, list, remove, search, verify, rebuild, back up and restore documents"),
    "evaluate": ("cli.evaluate", "measure how well a knowledge base finds what it should"),
}
"""name -> (module with `run(arguments, program) -> exit status`, what it does). A new command is one file and one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command of the line; returns the exit status."""
    line = list(sys.argv[1:] if arguments is None else arguments)
    if not line or line[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0 if line else 2
    if line[0] not in COMMANDS:
        near = difflib.get_close_matches(line[0], COMMANDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(COMMANDS)}."
        sys.stderr.write(f"{PROGRAM}: there is no command {line[0]!r}{hint}\n")
        return 2
    library_environment.complete(os.environ)
    try:
        run: Callable[[Sequence[str], str], int] = import_module(COMMANDS[line[0]][0]).run
        return run(line[1:], f"{PROGRAM} {line[0]}")
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{PROGRAM}: the package {error.name} is not installed in {sys.prefix}; install with: {INSTALL}\n")
        return 2


def usage() -> str:
    """Return what `--help` says."""
    commands = "".join(f"  {name:<12}{what}\n" for name, (_, what) in COMMANDS.items())
    return f"usage: {PROGRAM} COMMAND ...\n\ncommands:\n{commands}\n{PROGRAM} COMMAND --help tells more.\n"


if __name__ == "__main__":
    sys.exit(main())
