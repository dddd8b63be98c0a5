"""Which data folder a command works on: found as the server finds it, by flag, environment or --config. Opens nothing."""

import argparse

from api.settings import ServerSettings, read

FLAGS = (("--data-dir", "DIR"), ("--embedding-path", "MODEL"), ("--config", "FILE"))


def add_flags(line: argparse.ArgumentParser) -> None:
    """Give a command's line the flags that say where the data are and how they are searched."""
    for flag, value in FLAGS:
        line.add_argument(flag, metavar=value, help="as the server is started with")


def settings_of(given: argparse.Namespace, program: str) -> ServerSettings:
    """Return the settings of the line, the environment and the file together; raises `SettingsError`."""
    named = {flag: getattr(given, flag[2:].replace("-", "_")) for flag, _ in FLAGS}
    return read([f"{flag}={value}" for flag, value in named.items() if value is not None], program)
