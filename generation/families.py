"""Prompt families: how a model without a chat template of its own was taught to read a conversation.

Each family is a Jinja template (the dialect of Hugging Face chat templates), the strings that end an answer, and the
structural markers that a message must not be able to write. Knows no tokenizer; imports nothing, because `--help` lists
the names.

Sources: Meta's `llama/generation.py` (llama2), Meta's Llama 3 prompt format, OpenAI's ChatML, Mistral's
`mistral-common` v1, Baichuan `generation_config.json` and `generation_utils.py` of both generations, ChatGLM3
`tokenization_chatglm.py`, the chat template of GLM-4, FastChat `conversation.py` (falcon as in the demo of
Falcon 180B Chat; vicuna).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """One way to write a conversation as text.

    `stop`: strings that end an answer beside the model's own end token. `markers`: text with a meaning in the template;
    inside a message it is neutralised.
    """

    name: str
    template: str
    stop: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()


_LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set turns = messages[1:] %}"
    "{% else %}{% set system = none %}{% set turns = messages %}{% endif %}"
    "{% for message in turns %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
    "{% if loop.first and system is not none %}"
    "{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)
_LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{{ message['content'].strip() + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
_CHATML_TURNS = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_QWEN = (
    "{% if messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}" + _CHATML_TURNS
)
_MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'].strip() + eos_token }}{% endif %}"
    "{% endfor %}"
)
_CHATGLM = (
    "{{ '[gMASK]sop' }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n ' + message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_GLM4 = (
    "{{ '[gMASK]<sop>' }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)


def _reserved(user: str, assistant: str) -> str:
    """Return a template that begins a turn by a token alone, as Baichuan does."""
    return (
        "{% for message in messages %}"
        "{% if message['role'] == 'system' %}{{ message['content'] }}"
        "{% elif message['role'] == 'user' %}{{ '" + user + "' + message['content'] }}"
        "{% else %}{{ '" + assistant + "' + message['content'] }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '" + assistant + "' }}{% endif %}"
    )


def _labelled(user: str, assistant: str, separator: str, end_of_answer: str, system: str = "") -> str:
    """Return a template that writes `user: text` and `assistant: text` turns, and the system turn after `system`."""
    return (
        "{% for message in messages %}"
        "{% if message['role'] == 'system' %}{{ '" + system + "' + message['content'].strip() + '" + separator + "' }}"
        "{% elif message['role'] == 'user' %}{{ '" + user + ": ' + message['content'].strip() + '" + separator + "' }}"
        "{% else %}{{ '" + assistant + ": ' + message['content'].strip() + " + end_of_answer + " }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '" + assistant + ":' }}{% endif %}"
    )


_INST = ("[INST]", "[/INST]")
_CHATML_MARKERS = ("<|im_start|>", "<|im_end|>")

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("llama2", _LLAMA2, markers=(*_INST, "<<SYS>>", "<</SYS>>")),
        Family(
            "llama3",
            _LLAMA3,
            stop=("<|eot_id|>",),
            markers=("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        ),
        Family("qwen", _QWEN, stop=("<|im_end|>", "<|endoftext|>"), markers=(*_CHATML_MARKERS, "<|endoftext|>")),
        Family("chatml", _CHATML_TURNS, stop=("<|im_end|>",), markers=_CHATML_MARKERS),
        Family("mistral", _MISTRAL, markers=_INST),
        Family(
            "baichuan",
            _reserved("<reserved_106>", "<reserved_107>"),
            stop=("<reserved_106>",),
            markers=("<reserved_106>", "<reserved_107>"),
        ),
        Family(
            "baichuan1",
            _reserved("<reserved_102>", "<reserved_103>"),
            stop=("<reserved_102>",),
            markers=("<reserved_102>", "<reserved_103>"),
        ),
        Family(
            "chatglm",
            _CHATGLM,
            stop=("<|user|>", "<|observation|>"),
            markers=("[gMASK]", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
        ),
        Family(
            "glm4",
            _GLM4,
            stop=("<|endoftext|>", "<|user|>", "<|observation|>"),
            markers=("[gMASK]", "<sop>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
        ),
        Family("yi", _CHATML_TURNS, stop=("<|im_end|>",), markers=_CHATML_MARKERS),
        Family(
            "falcon",
            _labelled("User", "Falcon", "\\n", "'\\n'", system="System: "),
            stop=("\nUser:", "<|endoftext|>"),
            markers=("System:", "User:", "Falcon:", "<|endoftext|>"),
        ),
        Family(
            "vicuna",
            _labelled("USER", "ASSISTANT", " ", "eos_token"),
            stop=("USER:",),
            markers=("USER:", "ASSISTANT:", "</s>"),
        ),
        Family(
            "plain",
            _labelled("User", "Assistant", "\\n\\n", "'\\n\\n'"),
            stop=("\nUser:",),
            markers=("User:", "Assistant:"),
        ),
    )
}
"""name -> family; `--model-type` takes a name. A new family is one entry here."""
