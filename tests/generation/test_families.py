"""Prompt families: the texts that the models were trained on."""

import subprocess
import sys
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from generation.families import FAMILIES

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Bye"},
]
EXPECTED = {
    "llama2": (
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]"  # llama/generation.py
    ),
    "llama3": (
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "chatml": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    ),
    "baichuan": "Be brief.<reserved_106>Hi<reserved_107>Hello<reserved_106>Bye<reserved_107>",
    "baichuan1": "Be brief.<reserved_102>Hi<reserved_103>Hello<reserved_102>Bye<reserved_103>",
    "glm4": "[gMASK]<sop><|system|>\nBe brief.<|user|>\nHi<|assistant|>\nHello<|user|>\nBye<|assistant|>\n",
    "chatglm": ("[gMASK]sop<|system|>\n Be brief.<|user|>\n Hi<|assistant|>\n Hello<|user|>\n Bye<|assistant|>"),
    "falcon": "System: Be brief.\nUser: Hi\nFalcon: Hello\nUser: Bye\nFalcon:",
    "vicuna": "Be brief. USER: Hi ASSISTANT: Hello</s>USER: Bye ASSISTANT:",
    "plain": "Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Bye\n\nAssistant:",
}
EXPECTED |= {"qwen": EXPECTED["chatml"], "yi": EXPECTED["chatml"]}


def render(name: str, talk: list[dict[str, str]]) -> str:
    def refuse(message: str) -> Any:
        raise ValueError(message)

    jinja = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    jinja.globals["raise_exception"] = refuse
    template = jinja.from_string(FAMILIES[name].template)
    return template.render(messages=talk, bos_token="<s>", eos_token="</s>", add_generation_prompt=True)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_text_of_a_family(name: str) -> None:
    assert render(name, TALK) == EXPECTED[name]


def test_mistral_has_no_system_turn() -> None:
    assert render("mistral", TALK[1:]) == "<s>[INST] Hi [/INST] Hello</s>[INST] Bye [/INST]"
    with pytest.raises(ValueError, match="alternate"):
        render("mistral", TALK)


def test_qwen_has_a_default_system_turn() -> None:
    assert render("qwen", TALK[1:2]).startswith("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n")


def test_every_marker_stands_in_the_template_or_ends_an_answer() -> None:
    for family in FAMILIES.values():
        text = render(family.name, TALK[1:]) + "".join(family.stop) + EXPECTED.get(family.name, "")
        spelled = text.replace("<s>", "<|begin_of_text|>") + "<|system|>"
        assert [marker for marker in family.markers if marker not in spelled] == []


def test_families_and_settings_import_nothing_heavy() -> None:
    code = "import sys, generation.settings; print(sorted({'torch', 'transformers', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
