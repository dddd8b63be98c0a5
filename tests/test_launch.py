"""The two entry points as processes, from another folder: help, refusals, answers, and their end."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from generation.settings import BACKENDS
from tests.generation.openai_server import MODEL, EchoServer, serving
from tests.server_process import ENVIRONMENT, PATIENCE, Server, free_port
from tests.tiny_llama import make_tiny_llama

ROOT = Path(__file__).resolve().parent.parent
API, WEBUI = "api/api_server.py", "webui/webui_server.py"
PROGRAMS = [API, WEBUI]
HEAVY = {"gradio", "torch", "fastapi", "transformers", "sentence_transformers", "faiss", "uvicorn", "numpy", "vllm"}


def ended(folder: Path, program: str, *flags: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a program that ends by itself, from `folder`."""
    line = [sys.executable, *options, str(ROOT / program), *flags]
    return subprocess.run(line, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server; all are killed in the end."""
    started: list[Server] = []

    def start_server(program: str = API, *flags: str) -> Server:
        started.append(Server(tmp_path, program, *flags))
        return started[-1]

    yield start_server
    for server in started:
        server.process.kill()
        server.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API with the echo engine, for tests that only ask."""
    server = Server(tmp_path_factory.mktemp("echo"), API, "--backend=echo")
    try:
        server.wait("/healthz")
        yield server
    finally:
        server.process.kill()
        server.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama")


def imported(report: str) -> set[str]:
    """Return the top-level packages in the report of `-X importtime`."""
    return {
        line.rpartition("|")[2].strip().partition(".")[0] for line in report.splitlines() if line.startswith("import time:")
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_needs_nothing_heavy(program: str, tmp_path: Path) -> None:
    shown = ended(tmp_path, program, "--help", options=("-X", "importtime"))
    assert shown.returncode == 0
    for word in ("--model-path", "--listen", "--port", "--api-key-file", Path(program).name):
        assert word in shown.stdout
    assert imported(shown.stderr) & HEAVY == set()
    assert "pydantic" in imported(shown.stderr), "the report is read as it should"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_wrong_flag_needs_nothing_heavy(program: str, tmp_path: Path) -> None:
    refused = ended(tmp_path, program, "--prot=1", options=("-X", "importtime"))
    assert refused.returncode == 2
    assert imported(refused.stderr) & HEAVY == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_checkout_alone_comes_first_on_the_path(program: str, tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('the wrong yaml')")
    assert ended(tmp_path, program, "--help").returncode == 0


Change = Callable[[Path], None]


def without(*names: str) -> Change:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shutil.rmtree, ["does not exist", "--model-path"]),
        (without("config.json"), ["no config.json"]),
        (without("tokenizer.json"), ["no tokenizer"]),
        (without("model.safetensors"), ["no weights", "safetensors"]),
        (lambda folder: (folder / "evil.py").touch(), ["evil.py", "Python code"]),
        (lambda folder: (folder / "pytorch_model.bin").touch(), ["pytorch_model.bin", "pickle"]),
        (lambda folder: (folder / "config.json").write_text('{"auto_map": {}}'), ["config.json", "'auto_map'"]),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), ["model.safetensors"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_model_that_cannot_be_served(program: str, llama: Path, tmp_path: Path, change: Change, words: list[str]) -> None:
    model = Path(shutil.copytree(llama, tmp_path / "model"))
    change(model)
    refused(tmp_path, program, 4, [str(model), *words], f"--model-path={model}")


def refused(folder: Path, program: str, status: int, words: list[str], *flags: str) -> None:
    """Check that a start ends with this status, one sentence with these words, and nothing that listens."""
    port = free_port()
    result = ended(folder, program, f"--port={port}", f"--data-dir={folder / 'data'}", *flags)
    assert result.returncode == status, result.stderr
    sentence = result.stderr.strip()
    assert "\n" not in sentence, sentence
    assert sentence.startswith(f"{Path(program).name}: ")
    assert [word for word in words if word not in sentence] == [], sentence
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--prot=1"], ["'--prot'", "--port?"]),
        (["--port=0"], ["--port"]),
        (["—", "backend", "=", "vllm"], ["long dash", "'--backend=vllm'"]),
        (["--config=/not/there"], ["/not/there"]),
        (["--backend=vlm"], ["--backend", ", ".join(BACKENDS)]),
        (["--backend=openai"], ["--api-base", "--model-path"]),
        (["--api-base=http://me:secret@host/v1"], ["--api-base", "--remote-key-file"]),
    ],
)
def test_a_setting_that_is_wrong(tmp_path: Path, flags: list[str], words: list[str]) -> None:
    refused(tmp_path, API, 2, words, *flags)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_path_that_is_a_file(program: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.touch()
    refused(tmp_path, program, 4, [str(path), "is a file"], f"--model-path={path}")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_port_that_is_taken(program: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = ended(tmp_path, program, f"--port={port}", f"--data-dir={tmp_path / 'data'}", "--backend=echo")
    assert result.returncode == 5
    assert result.stderr.strip().count("\n") == 0
    assert f"port {port}" in result.stderr
    assert "--port" in result.stderr


def test_a_reranker_that_cannot_be_one(tmp_path: Path) -> None:
    folder = tmp_path / "reranker"
    refused(tmp_path, API, 4, [str(folder), "--reranker-path", "no such folder"], "--backend=echo", f"--reranker-path={folder}")


def test_a_second_server_on_one_data_folder(echo: Server, tmp_path: Path) -> None:
    data = echo.log.parent / "data"
    words = [str(data), str(echo.process.pid), "--data-dir"]
    refused(tmp_path, API, 3, words, "--backend=echo", f"--data-dir={data}")
    assert echo.get("/healthz")[0] == 200


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(tmp_path, API, 3, [str(tmp_path / "file")], "--backend=echo", f"--data-dir={tmp_path / 'file' / 'data'}")


def test_the_api_answers_without_the_page(echo: Server) -> None:
    echo.wait()
    status, text = echo.get("/", b'{"prompt": "hello"}')
    assert (status, json.loads(text)["response"]) == (200, "You said: hello")
    assert echo.get("/gradio_api/info")[0] == 404
    log = echo.log.read_text()
    assert f"http://127.0.0.1:{echo.port}/" in log
    assert "Traceback" not in log


def test_the_api_imports_no_page(tmp_path: Path) -> None:
    """All that the API server imports to answer, in a process that ends by itself."""
    code = "import sys, api.app, api.server; sys.exit(bool({'gradio', 'torch', 'webui'} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, timeout=PATIENCE, check=False)
    assert result.returncode == 0


def test_it_listens_on_this_machine_only(echo: Server) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", echo.port), timeout=5)


def test_a_real_model_answers(start: Callable[..., Server], llama: Path) -> None:
    server = start(API, f"--model-path={llama}", "--precision=fp32")
    server.wait()
    status, text = server.get("/", b'{"prompt": "hello", "max_new_tokens": 5, "temperature": 0}')
    assert status == 200
    answer = json.loads(text)
    assert answer["usage"]["completion_tokens"] <= 5
    assert answer["history"] == [["hello", answer["response"]]]
    assert server.stop() == 0


def test_a_remote_engine_answers(start: Callable[..., Server]) -> None:
    with serving(EchoServer(4096)) as remote:
        server = start(API, "--backend=openai", f"--api-base={remote.url}", f"--model-path={MODEL}")
        server.wait()
        status, text = server.get("/", b'{"prompt": "hello", "max_new_tokens": 50}')
        assert (status, json.loads(text)["response"]) == (200, "You said: hello")
        assert json.loads(text)["usage"]["completion_tokens"] == 4
        assert remote.requests[-1]["max_tokens"] == 50
    status, text = server.get("/", b'{"prompt": "hello"}')
    assert (status, "cannot be reached" in text) == (503, True)
    assert server.get("/readyz")[0] == 200
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


def test_a_signal_is_a_good_end_of_the_page(start: Callable[..., Server]) -> None:
    server = start(WEBUI, "--backend=echo")
    server.wait("/readyz")
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_loads_is_a_good_end(start: Callable[..., Server], how: signal.Signals) -> None:
    server = start(API, "--backend=echo", "--listen")
    server.wait("/healthz")
    assert server.stop(how) == 0
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "WARNING: --listen without --api-key" in log


def asked(server: Server, count: int) -> socket.socket:
    """Ask for a long answer and return the connection on which it will come."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    body = b'{"prompt": "[[count %d]]"}' % count
    client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    server.until(lambda: "chat_runs_active 1.0" in server.get("/metrics")[1])
    return client


def test_a_signal_lets_answers_end_and_refuses_new_ones(start: Callable[..., Server]) -> None:
    server = start(API, "--backend=echo", "--echo-delay=0.2")
    server.wait()
    with asked(server, 40) as client:
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: server.get("/readyz")[0] == 503)
        status, text = server.get("/", b"hello")
        assert (status, json.loads(text)["error"]["code"]) == (503, "stopping")
        assert b"39 40" in client.makefile("rb").read()
    assert server.process.wait(PATIENCE) == 0
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_ends_answers_that_take_too_long(start: Callable[..., Server], signals: int) -> None:
    server = start(API, "--backend=echo", "--echo-delay=1", f"--drain-seconds={1 if signals == 1 else 600}")
    server.wait()
    with asked(server, 2000) as client:
        for _ in range(signals):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 503") and b"stopped before this answer was finished" in answer
    assert server.process.wait(PATIENCE) == 0
    assert "Traceback" not in server.log.read_text()


def descendants(pid: int) -> set[int]:
    """Return the processes that `pid` started, and those that they did."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = re.sub(r"\(.*\)", "()", stat.read_text()).split()
        except OSError:
            continue
        if int(fields[3]) == pid:
            found |= {int(fields[0]), *descendants(int(fields[0]))}
    return found


def running(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_killed_server_leaves_no_child(tmp_path: Path) -> None:
    """A process that reads a file in its sandbox is killed; the reader, which would sleep for minutes, ends with it."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from knowledge import sandbox\n"
        "from knowledge.library import Library\n"
        "from knowledge.settings import KnowledgeSettings\n"
        "from tests.knowledge.stubs import StubEmbedder\n"
        "sandbox.target_for = lambda name: 'tests.knowledge.rogue:sleep'\n"
        "library = Library(KnowledgeSettings(data_dir=Path(sys.argv[1]), min_free_disk=0), embedder=StubEmbedder())\n"
        "library.open()\n"
        "library.load(lambda *_: None)\n"
        "library.add('default', 'slow.txt', b'text')\n"
        "time.sleep(600)\n"
    )
    line = [sys.executable, "-c", code, str(tmp_path / "data")]
    server = subprocess.Popen(line, cwd=ROOT, env=ENVIRONMENT)
    try:
        end = time.monotonic() + PATIENCE
        while not (children := descendants(server.pid)):
            assert time.monotonic() < end
            assert server.poll() is None
            time.sleep(0.01)
        time.sleep(0.5)
        assert all(map(running, children))
    finally:
        server.kill()
        server.wait(PATIENCE)
    end = time.monotonic() + PATIENCE
    while any(running(child) for child in children):
        assert time.monotonic() < end, "a child outlived its server"
        time.sleep(0.05)
