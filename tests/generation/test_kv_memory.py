"""The budget of keys and values: what is taken over, what is copied, what gives way."""

import numpy as np
import pytest
import torch

from generation.key_values import BLOCK, Form, KeyValues, LayerForm
from generation.kv_memory import Kept, KvMemory

FORM = Form((LayerForm(1, 2, 3, None),), torch.float32, torch.device("cpu"))
LONG = list(range(100, 140))


def filled(memory: KvMemory, ids: list[int]) -> KeyValues:
    begun = memory.begin(ids, len(ids), [])
    assert begun is not None
    begun[0].keys[0][0, : len(ids), 0] = torch.tensor(ids, dtype=torch.float32)
    return begun[0]


def test_the_bytes_of_a_token() -> None:
    assert FORM.token_bytes == (2 + 3) * 4


def test_a_conversation_goes_on_in_its_own_memory() -> None:
    memory = KvMemory(FORM, 4 * BLOCK)
    first = filled(memory, LONG)
    memory.keep(LONG, first)
    begun = memory.begin([*LONG, 1, 2], 50, [])
    assert begun == (first, len(LONG))
    assert memory.used == BLOCK


def test_a_shared_beginning_is_copied_and_the_other_stays() -> None:
    memory = KvMemory(FORM, 4 * BLOCK)
    first = filled(memory, LONG)
    memory.keep(LONG, first)
    begun = memory.begin([*LONG[:20], 7, 8], 30, [])
    assert begun is not None
    copy, common = begun
    assert common == 20
    assert copy is not first
    assert copy.keys[0][0, :20, 0].tolist() == LONG[:20]
    assert memory.used == 2 * BLOCK
    again = memory.begin([*LONG, 1], 50, [])
    assert again == (first, len(LONG))


def test_a_running_row_can_be_begun_from_but_not_taken() -> None:
    memory = KvMemory(FORM, 4 * BLOCK)
    running = Kept(np.asarray(LONG, dtype=np.int64), filled(memory, LONG))
    begun = memory.begin([*LONG, 1], 50, [running])
    assert begun is not None
    assert begun[0] is not running.memory
    assert begun[1] == len(LONG)


def test_the_last_token_is_always_read() -> None:
    memory = KvMemory(FORM, 4 * BLOCK)
    memory.keep(LONG, filled(memory, LONG))
    begun = memory.begin(LONG, 50, [])
    assert begun is not None
    assert begun[1] == len(LONG) - 1


@pytest.mark.parametrize("common", [0, 1, 15])
def test_a_short_beginning_is_not_worth_it(common: int) -> None:
    memory = KvMemory(FORM, 4 * BLOCK)
    memory.keep(LONG, filled(memory, LONG))
    begun = memory.begin([*LONG[:common], 1, 2, 3], 50, [])
    assert begun is not None
    assert begun[1] == 0


def test_the_least_recently_used_gives_way() -> None:
    memory = KvMemory(FORM, 3 * BLOCK + 5)
    assert memory.total == 3 * BLOCK
    rows = [[number] * 30 for number in range(4)]
    for row in rows:
        memory.keep(row, filled(memory, row))
        assert memory.used <= memory.total
    kept = [memory.begin([*row, 9], 40, []) for row in rows[1:]]
    assert [begun and begun[1] for begun in kept] == [30, 30, 30]
    assert memory.begin([5], 1, []) is None


def test_nothing_gives_way_in_vain() -> None:
    memory = KvMemory(FORM, 3 * BLOCK)
    filled(memory, LONG)
    memory.keep(LONG, filled(memory, LONG))
    assert memory.begin([5], 3 * BLOCK, []) is None
    assert memory.used == 2 * BLOCK
    assert memory.forget()


def test_without_room_for_a_copy_the_kept_row_is_taken() -> None:
    memory = KvMemory(FORM, BLOCK)
    first = filled(memory, LONG)
    memory.keep(LONG, first)
    assert memory.begin([*LONG[:20], 1], 40, []) == (first, 20)


def test_growing_keeps_what_is_there_or_says_no() -> None:
    memory = KvMemory(FORM, 2 * BLOCK)
    first = filled(memory, LONG)
    assert memory.grow(first, 40, BLOCK) is first
    larger = memory.grow(first, 40, BLOCK + 1)
    assert larger is not None
    assert larger.keys[0][0, :40, 0].tolist() == LONG
    assert memory.used == 2 * BLOCK
    assert memory.grow(larger, 40, 3 * BLOCK) is None
    memory.give_back(larger)
    assert memory.used == 0


def test_forgetting_says_whether_there_was_anything() -> None:
    memory = KvMemory(FORM, 2 * BLOCK)
    assert not memory.forget()
    memory.keep(LONG, filled(memory, LONG))
    assert memory.forget()
    assert memory.used == 0
