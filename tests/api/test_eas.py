"""The service JSON of PAI-EAS: read as a file of settings, written from settings, and the same again on the way back."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.eas_export import mount, secrets, service
from api.settings import ServerSettings, read
from configs.command_line import LONG_DASHES
from configs.settings import ENVIRONMENT_PREFIX, SettingsError
from tests.server_process import API, serving

SECRET = "sesame-4711"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)


def document(script: str = "python webui/webui_server.py --port=8001 --listen", **container: Any) -> dict[str, Any]:
    """The shape of the platform's own examples."""
    return {
        "name": "chat",
        "cloud": {"computing": {"instance_type": "ecs.gn6i", "instances": [{"type": "ecs.gn6i"}]}},
        "containers": [{"image": "registry/chat:1", "port": 8001, "script": script} | container],
        "features": {"eas.aliyun.com/extra-ephemeral-storage": "100Gi"},
        "metadata": {
            "name": "chat",
            "instance": 1,
            "rpc": {"keepalive": 60000, "worker_threads": 7, "max_queue_size": 64, "batching": False},
            "cpu": 8,
        },
        "storage": [
            {"oss": {"path": "oss://b/m/", "readOnly": True}, "properties": {"resource_type": "model"}, "mount_path": "/model"}
        ],
    }


def load(folder: Path, content: Any, *flags: str, name: str = "service.json") -> ServerSettings:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content, indent="\t"))
    return read([f"--config={file}", *flags], "api_server.py")


def refusal(folder: Path, content: Any, *flags: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(folder, content, *flags)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    assert str(folder / "service.json") in sentence
    assert SECRET not in sentence
    return sentence


def test_everything_that_is_for_the_server(tmp_path: Path) -> None:
    script = "python3 -u /app/webui/webui_server.py --model-path=/model/qwen --served-model-name 'my model' --precision bf16"
    env = [{"name": "CHAT_LLM_WEBUI_LISTEN", "value": "true"}, {"name": "CHAT_LLM_WEBUI_API_KEY", "value": SECRET}]
    found = load(tmp_path, document(script, env=env))
    assert (found.model_path, found.served_model_name, found.precision) == ("/model/qwen", ("my model",), "bf16")
    assert (found.port, found.listen, found.api_key) == (8001, True, (SECRET,))
    assert (found.request_timeout, found.max_queue_size, found.max_waiting, found.max_running) == (60, 2, 64, 7)


def test_what_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = [{"name": "CHAT_LLM_WEBUI_REQUEST_TIMEOUT", "value": "50"}, {"name": "CHAT_LLM_WEBUI_TOP_K", "value": "5"}]
    content = document("python api/api_server.py --top-k=6", env=env)
    found = load(tmp_path, content)
    assert (found.request_timeout, found.top_k) == (50, 6), "the script before the environment before the limits"
    monkeypatch.setenv(ENVIRONMENT_PREFIX + "TOP_K", "7")
    assert load(tmp_path, content).top_k == 7
    assert load(tmp_path, content, "--top-k=8", "--port=9").port == 9


def test_it_is_known_by_its_content(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(document()), name="service.yaml").port == 8001
    assert load(tmp_path, '{"port": 8002}').port == 8002, "JSON of our own keys"
    assert load(tmp_path, '{\n\t"port": 8003\n}').port == 8003


def test_what_it_does_not_use_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    env = [{"name": "HF_ENDPOINT", "value": SECRET}]
    content = document(env=env)
    content["containers"].append({"image": "sidecar", "script": "nginx"})
    with caplog.at_level(logging.WARNING):
        load(tmp_path, content)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.partition(": ")[2].partition(": ")[2].split(", ") == [
        "name", "cloud", "containers[1]", "containers[0].image", "containers[0].env HF_ENDPOINT", "features",
        "metadata.name", "metadata.instance", "metadata.cpu", "metadata.rpc.batching", "storage",
    ]  # fmt: skip
    assert SECRET not in line
    caplog.clear()
    load(tmp_path, {"containers": [{"script": "python api/api_server.py"}]})
    assert caplog.records == []


@pytest.mark.parametrize(("keepalive", "seconds"), [(60000, 60), (1999, 1), (1, 1), (86_400_000, 86400)])
def test_milliseconds(tmp_path: Path, keepalive: int, seconds: int) -> None:
    assert load(tmp_path, document() | {"metadata": {"rpc": {"keepalive": keepalive}}}).request_timeout == seconds


def rpc(**limits: Any) -> dict[str, Any]:
    return document() | {"metadata": {"rpc": limits}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (document() | {"containers": []}, "containers: no script starts"),
        (document() | {"containers": {}}, "containers must be a list"),
        (document() | {"containers": ["x"]}, "containers[0] must be an object"),
        (document("nginx"), "containers: no script starts"),
        (document("python api/api_server.pyc"), "containers[0].script must call"),
        (document() | {"containers": [{"script": "api/api_server.py"}] * 2}, "more than one script"),
        ({"metadata": {"name": "x"}, "processor": "tensorflow"}, "containers: no script starts"),
        (document(script=1), "containers[0].script must be a text"),  # type: ignore[arg-type]
        (document("python api/api_server.py --prot=1"), "did you mean --port?"),
        (document("python api/api_server.py --port"), "containers[0].script: "),
        (document("python api/api_server.py --port=x"), "containers[0].script: --port"),
        (document("python api/api_server.py --port=9"), "containers[0].port is 8001"),
        (document("python api/api_server.py — backend = vllm"), "long dash"),
        (document("python api/api_server.py --help"), "asks for help"),
        (document("python api/api_server.py --config=x.yaml"), "another file"),
        (document(f"python api/api_server.py {SECRET}"), "containers[0].script: "),
        (document(f"python api/api_server.py --api-key='{SECRET}"), "a quote that is not closed"),
        (document("cd /app && python api/api_server.py"), "one plain command"),
        (document("python api/api_server.py --port=$PORT"), "one plain command"),
        (document('python api/api_server.py --port="$PORT"'), "one plain command"),
        (document("python api/api_server.py > log"), "one plain command"),
        (document("A=b python api/api_server.py"), "containers[0].env"),
        (document(env={}), "containers[0].env must be a list"),
        (document(env=["x"]), "containers[0].env[0] must be an object"),
        (document(env=[{"value": SECRET}]), "containers[0].env[0].name must be a text"),
        (document(env=[{"name": "CHAT_LLM_WEBUI_PORT", "value": 1}]), "containers[0].env[0].value must be a text"),
        (document(env=[{"name": "CHAT_LLM_WEBUI_PROT", "value": SECRET}]), "CHAT_LLM_WEBUI_PORT"),
        (document(env=[{"name": "CHAT_LLM_WEBUI_TOP_K", "value": "99"}]), "containers[0].env: CHAT_LLM_WEBUI_TOP_K"),
        (document(env=[{"name": "CHAT_LLM_WEBUI_CONFIG", "value": "x"}]), "another file"),
        (document(port="8001"), "containers[0].port must be a whole number"),
        (document(port=0), "containers[0].port"),
        (document() | {"metadata": []}, "metadata must be an object"),
        (document() | {"metadata": {"rpc": 1}}, "metadata.rpc must be an object"),
        (rpc(keepalive="60000"), "metadata.rpc.keepalive must be a whole number"),
        (rpc(keepalive=1.5), "metadata.rpc.keepalive must be a whole number"),
        (rpc(keepalive=True), "metadata.rpc.keepalive must be a whole number"),
        (rpc(keepalive=-1), "metadata.rpc.keepalive must be a whole number"),
        (rpc(keepalive=10**12), "metadata.rpc.keepalive: "),
        (rpc(worker_threads=0), "metadata.rpc.worker_threads: "),
        (rpc(max_queue_size=10**6), "metadata.rpc.max_queue_size: "),
        (document("python api/api_server.py --model-path=/elsewhere/m"), "below no mount_path"),
        (document("python api/api_server.py --model-path=/model2"), "below no mount_path"),
        (document() | {"storage": {}}, "storage must be a list"),
        (document() | {"storage": [{"mount_path": 1}]}, "storage[0].mount_path must be a text"),
        ('{"containers": [}', "is not JSON: line 1, column 17"),
        ("[" * 100_000, "is not JSON"),
        ('{"port": ' + "9" * 5000 + "}", "is not JSON"),
        ("[1]", "not a list"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, content: Any, words: str) -> None:
    assert words in refusal(tmp_path, content)


def test_a_model_in_the_image_needs_no_mount(tmp_path: Path) -> None:
    assert load(tmp_path, document(f"python api/api_server.py --model-path={tmp_path}")).model_path == str(tmp_path)
    assert load(tmp_path, document("python api/api_server.py --model-path=Qwen/Qwen3-0.6B")).model_path == "Qwen/Qwen3-0.6B"


LETTERS = st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" '\"\\$`&;|<>()#*~\n")
TEXT = st.text(LETTERS, min_size=1, max_size=12).filter(
    lambda text: not text.startswith(tuple(LONG_DASHES)) and text.strip() not in ("", "none")
)
FOLDER = TEXT.filter(lambda text: not text.startswith("~"))  # "~0" is nobody's home, which is refused
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "port": st.integers(1, 65535),
    "model_path": FOLDER | st.none(),
    "backend": st.sampled_from(["transformers", "vllm", "echo"]),
    "model_type": st.sampled_from(["qwen", "llama2", None]),
    "precision": st.sampled_from(["fp32", "int4", None]),
    "served_model_name": st.lists(TEXT, max_size=3),
    "engine_arg": st.lists(TEXT.map(lambda text: f"a={text}x"), max_size=2),
    "max_concurrent": st.integers(1, 1024),
    "kv_memory": st.none() | st.floats(0.001, 65536),
    "hub_cache": st.none() | FOLDER.map(Path),
    "echo_delay": st.floats(0, 60),
    "data_dir": FOLDER.map(Path),
    "embedding_path": st.none() | FOLDER,
    "request_timeout": st.integers(1, 86400),
    "max_waiting": st.integers(0, 4096),
    "max_running": st.none() | st.integers(1, 1024),
    "max_wait_seconds": st.floats(0.001, 86400),
    "listen": st.booleans(),
    "enable_lora": st.booleans(),
    "api_key": st.just([SECRET]),
    "admin_key": st.just([SECRET]),
    "root_path": st.sampled_from(["", "/api/predict/chat", "/ä$b"]),
    "allowed_host": st.lists(st.sampled_from(["a.example", "*"]), max_size=2),
    "min_workers": st.integers(0, 3),
    "max_workers": st.integers(3, 9),
    "max_queue_size": st.integers(0, 9),
}


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_there_and_back(tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any]) -> None:
    flags = [
        f"--{name.replace('_', '-')}={'none' if value is None else str(value).lower() if isinstance(value, bool) else value}"
        for name, given in fields.items()
        for value in (given if isinstance(given, list) else [given])
        if value is not None or name == "model_path"
    ]
    wanted = read(flags, "x")
    written = json.dumps(service(wanted, "chat", "image", API))
    assert SECRET not in written
    assert secrets(wanted) == [name for name in ServerSettings.model_fields if name in fields and "key" in name]
    file = tmp_path_factory.getbasetemp() / "there_and_back.json"
    file.write_text(written)
    found = read([f"--config={file}"], "x")
    assert found.model_copy(update={"config": None}) == wanted.model_copy(update={"api_key": (), "admin_key": ()})


def test_a_mount_is_what_the_reading_checks(tmp_path: Path) -> None:
    wanted = read(["--model-path=/models/qwen"], "x")
    content = service(wanted, "chat", "image", API) | {"storage": [mount("/models/qwen", "oss://b/m/")]}
    assert load(tmp_path, content).model_path == "/models/qwen"
    content["storage"] = [mount("/models/llama", "oss://b/m/")]
    assert "below no mount_path" in refusal(tmp_path, content)


def test_a_server_starts_with_it(tmp_path: Path) -> None:
    wanted = read(["--backend=echo", "--served-model-name=my model", "--min-free-disk=0"], "x")
    file = tmp_path / "service.json"
    file.write_text(json.dumps(service(wanted, "chat", "image", API)))
    with serving(tmp_path, API, f"--config={file}") as server:
        body = json.dumps({"model": "my model", "input": {"prompt": "hello"}}).encode()
        status, answer = server.get("/api/v1/services/aigc/text-generation/generation", body)
        assert (status, json.loads(answer)["output"]["text"]) == (200, "You said: hello")
        assert "service JSON: for the platform alone, and not used by the server: name, " in server.log.read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--min-workers=6"], "--min-workers 6 is more than --max-workers 5"),
        (["--max-workers=0"], "--max-workers"),
        (["--max-queue-size=-1"], "--max-queue-size"),
        (["--max-idle-time=0"], "--max-idle-time"),
        (["--scale-up-step=0"], "--scale-up-step"),
        (["--scale-up-step=1.5"], "--scale-up-step"),
    ],
)
def test_the_knobs_of_an_autoscaler(flags: list[str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read(flags, "x")
    plain = read([], "x")
    assert (plain.min_workers, plain.max_workers, plain.max_queue_size, plain.max_idle_time, plain.scale_up_step) == (
        1,
        5,
        2,
        60,
        1,
    )
