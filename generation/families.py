"""Prompt families: how a model without a chat template of its own was taught to read a conversation.

Each family is a Jinja template (the dialect of Hugging Face chat templates), the strings that end an answer, and the
structural markers that a message must not be able to write. Knows no tokenizer; imports nothing, because `--help` lists
the names.

Sources: Meta's `llama/generation.py` (llama2), Meta's Llama 3 prompt format, OpenAI's ChatML, Mistral's
`mistral-common` v1, Baichuan2 `generation_utils.py`, ChatGLM3 `tokenization_chatglm.py`, FastChat `conversation.py`
(falcon, vicuna).
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
_BAICHUAN = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}"
    "{% elif message['role'] == 'user' %}{{ '<reserved_106>' + message['content'] }}"
    "{% else %}{{ '<reserved_107>' + message['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<reserved_107>' }}{% endif %}"
)
_CHATGLM = (
    "{{ '[gMASK]sop' }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n ' + message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def _labelled(user: str, assistant: str, separator: str, end_of_answer: str) -> str:
    """Return a template that writes `user: text` and `assistant: text` turns."""
    return (
        "{% for message in messages %}"
        "{% if message['role'] == 'system' %}{{ message['content'].strip() + '" + separator + "' }}"
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
        Family("baichuan", _BAICHUAN, stop=("<reserved_106>",), markers=("<reserved_106>", "<reserved_107>")),
        Family(
            "chatglm",
            _CHATGLM,
            stop=("<|user|>", "<|observation|>"),
            markers=("[gMASK]", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
        ),
        Family("yi", _CHATML_TURNS, stop=("<|im_end|>",), markers=_CHATML_MARKERS),
        Family(
            "falcon",
            _labelled("User", "Falcon", "\\n", "'\\n'"),
            stop=("\nUser:", "<|endoftext|>"),
            markers=("User:", "Falcon:", "<|endoftext|>"),
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
