"""`export-eas`: the service JSON of PAI-EAS for a server with these flags, on the standard output.

Takes the flags of the server beside its own. Secrets are not written; what is left to do is said on the error output.
Exit status: 0 written, 2 the line or the settings are wrong.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence

from api.settings import ServerSettings, read
from configs.command_line import parser
from configs.settings import ENVIRONMENT_PREFIX, SettingsError, dashed

NAME = re.compile(r"[a-z0-9_]{3,63}")
"""What the platform takes as the name of a service."""
PAGE, API = "webui/webui_server.py", "api/api_server.py"


def run(arguments: Sequence[str], program: str) -> int:
    """Write the JSON, and return the exit status."""
    own = _own_line(program)
    if {"-h", "--help"} & set(arguments):
        _help(program)
        return 0
    try:
        given, flags = own.parse_known_args(list(arguments))
        if not NAME.fullmatch(given.name):
            raise SettingsError("--name must be 3 to 63 of a-z, 0-9 and _.")
        settings = read(flags, program)
    except argparse.ArgumentError as error:
        sys.stderr.write(f"{program}: {error.argument_name}: {error.message}.\n")
        return 2
    except SettingsError as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 2
    _write(settings, given, program)
    return 0


def _write(settings: ServerSettings, given: argparse.Namespace, program: str) -> None:
    from api.eas_export import mount, service

    document = service(settings, given.name, given.image, API if given.without_page else PAGE)
    if given.instance_type:
        document["cloud"] = {"computing": {"instance_type": given.instance_type}}
    if given.model_oss and settings.model_path:
        document["storage"] = [mount(settings.model_path, given.model_oss)]
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    sys.stderr.writelines(f"{program}: {note}\n" for note in _notes(settings, given))


def _notes(settings: ServerSettings, given: argparse.Namespace) -> Iterator[str]:
    from api.eas_export import secrets

    for name in secrets(settings):
        variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
        yield f"--{dashed(name)} is secret and was left out; give it to the service by the variable {variable} or a file."
    if not settings.listen:
        yield "--listen is not set: the service answers only if the image sets it, as this program's Dockerfile does."
    if settings.model_path and settings.model_path.startswith("/") and not given.model_oss:
        yield "--model-path is a folder: mount it in the service (--model-oss writes the entry of storage)."


def _own_line(program: str) -> argparse.ArgumentParser:
    line = argparse.ArgumentParser(program, add_help=False, allow_abbrev=False, exit_on_error=False)
    _add_own(line)
    return line


def _add_own(line: argparse.ArgumentParser) -> None:
    group = line.add_argument_group("service")
    group.add_argument("--name", default="chat_llm_webui", help="name of the service; default: chat_llm_webui")
    group.add_argument("--image", default="chat-llm-webui:gpu", help="image in a registry; default: chat-llm-webui:gpu")
    group.add_argument("--instance-type", metavar="NAME", help="kind of machine, like ecs.gn6i-c8g1.2xlarge")
    group.add_argument(
        "--model-oss", metavar="OSS", help="where the folder of --model-path comes from, like oss://bucket/model/"
    )
    group.add_argument("--without-page", action="store_true", help="serve the protocols only")


def _help(program: str) -> None:
    line = parser(ServerSettings, program)
    line.description = "Write the service JSON of PAI-EAS for a server with these flags. The server reads it by --config."
    _add_own(line)
    line.print_help()
