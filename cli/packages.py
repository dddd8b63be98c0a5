"""Are the packages here that this program was tested with? Compares what is installed with pyproject and constraints.

Reads metadata only and imports none of the packages.
"""

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cli.finding import INSTALL, Finding


def findings(root: Path) -> Iterator[Finding]:
    """Yield what is wrong with the interpreter and the packages that the checkout at `root` needs, or that nothing is."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    here = ".".join(map(str, sys.version_info[:3]))
    if Requirement(f"python{project['requires-python']}").specifier.contains(here):
        yield Finding("python", "ok", f"{here} in {sys.prefix}")
    else:
        yield Finding(
            "python", "wrong", f"{here}, needed {project['requires-python']}", "make clean; make run PYTHON=python3.12"
        )
    pins = _pins(root / "constraints.txt")
    found = [finding for line in project["dependencies"] if (finding := _package(Requirement(line), pins))]
    yield from found
    if not found:
        yield Finding("packages", "ok", f"{len(project['dependencies'])} needed, all as in constraints.txt")


def _pins(path: Path) -> dict[str, Version]:
    lines = (line.strip().partition("==") for line in path.read_text(encoding="utf-8").splitlines())
    return {canonicalize_name(name): Version(pin) for name, _, pin in lines if pin and not name.startswith("#")}


def _package(needed: Requirement, pins: dict[str, Version]) -> Finding | None:
    """Return what is not as it should be with one package; None: it is the tested one."""
    name = f"package {needed.name}"
    try:
        installed = Version(version(needed.name))
    except PackageNotFoundError:
        return Finding(name, "wrong", f"not installed, needed {needed.specifier or 'in any version'}", INSTALL)
    if not needed.specifier.contains(installed.public, prereleases=True):
        return Finding(name, "wrong", f"{installed}, needed {needed.specifier}", INSTALL)
    tested = pins.get(canonicalize_name(needed.name))
    if tested is not None and installed.public != tested.public:
        return Finding(name, "warning", f"{installed}, tested with {tested}", INSTALL)
    return None
