"""`doctor`: is everything here that a start with these flags needs? A line for each thing, with the fix for what is wrong.

Takes the flags of the server, so that it looks at what the server would. Exit status: 0 nothing is wrong, 1 something is,
2 the settings themselves are. Changes nothing that is kept.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence

from api.settings import ROOT, ServerSettings, read
from cli.finding import Finding
from configs.command_line import parser
from configs.settings import SettingsError

JSON_HELP = "print the findings as JSON"


def run(arguments: Sequence[str], program: str) -> int:
    """Look, print, and return the exit status."""
    if {"-h", "--help"} & set(arguments):
        _help(program)
        return 0
    as_json = "--json" in arguments
    try:
        settings = read([argument for argument in arguments if argument != "--json"], program)
    except SettingsError as error:
        _print([Finding("settings", "wrong", str(error), f"{program} --help lists the flags")], as_json)
        return 2
    found = examine(settings)
    _print(found, as_json)
    return int(any(finding.level == "wrong" for finding in found))


def examine(settings: ServerSettings) -> list[Finding]:
    """Return what there is to say of packages, machine and server."""
    # Imported only now: they need packages, and that one is missing must be told and not fail.
    from cli import packages

    found = list(packages.findings(ROOT))
    if any(finding.name.startswith("package ") and finding.level == "wrong" for finding in found):
        return found
    from cli import machine, server

    return [*found, *machine.findings(settings), *server.findings(settings)]


def _help(program: str) -> None:
    line = parser(ServerSettings, program)
    line.description = "Look at machine, packages, model, port and data as a server with these flags would meet them."
    line.add_argument("--json", action="store_true", help=JSON_HELP)
    line.print_help()


def _print(found: Sequence[Finding], as_json: bool) -> None:
    if as_json:
        whole = {"ok": all(finding.level != "wrong" for finding in found), "findings": list(map(dataclasses.asdict, found))}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return
    width = max(len(finding.name) for finding in found)
    for finding in found:
        sys.stdout.write(f"{finding.level:<8} {finding.name:<{width}}  {finding.detail}\n")
        if finding.fix and finding.level != "ok":
            sys.stdout.write(f"{'':<8} {'':<{width}}  -> {finding.fix}\n")
