"""The choice of a token against the library's processors."""

from dataclasses import replace

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from generation.base import Sampling
from generation.choice import Choice

CPU = torch.device("cpu")
LOGITS = torch.randn(50, generator=torch.Generator().manual_seed(1)) * 2
SEEN = [3, 7, 7, 20]


def expected(sampling: Sampling) -> torch.Tensor:
    steps = LogitsProcessorList()
    if sampling.repetition_penalty != 1.0:
        steps.append(RepetitionPenaltyLogitsProcessor(penalty=sampling.repetition_penalty))
    steps.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        steps.append(TopKLogitsWarper(top_k=sampling.top_k))
    if sampling.top_p < 1.0:
        steps.append(TopPLogitsWarper(top_p=sampling.top_p))
    return torch.softmax(steps(torch.tensor([SEEN]), LOGITS[None].clone()), dim=-1)[0]


@pytest.mark.parametrize("penalty", [1.0, 1.4])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (5, 1.0), (0, 0.7), (8, 0.6), (1, 0.5), (500, 0.01)])
def test_the_distribution_is_the_librarys(top_k: int, top_p: float, penalty: float) -> None:
    sampling = Sampling(temperature=0.8, top_k=top_k, top_p=top_p, repetition_penalty=penalty, seed=1)
    wanted = expected(sampling)
    counts, draws = torch.zeros(50), 4000
    for seed in range(draws):
        token = Choice(Sampling(0, 0.8, top_p, top_k, penalty, seed=seed), SEEN, CPU)(LOGITS)
        assert wanted[token] > 0
        counts[token] += 1
    # Five standard deviations of a binomial, and the seeds are fixed: this cannot fail by chance from one run to the next.
    allowed = 5 * (wanted * (1 - wanted) / draws).sqrt() + 1e-3
    assert ((counts / draws - wanted).abs() <= allowed).all()


def test_a_flat_distribution_is_looked_at_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = Sampling(temperature=1.0, top_k=0, top_p=0.9, seed=1)
    before = [Choice(replace(sampling, seed=seed), SEEN, CPU)(LOGITS) for seed in range(50)]
    monkeypatch.setattr("generation.choice.USUALLY_ENOUGH", 2)
    assert [Choice(replace(sampling, seed=seed), SEEN, CPU)(LOGITS) for seed in range(50)] == before


def test_the_penalty_remembers_what_was_chosen() -> None:
    logits = torch.tensor([1.0, 3.0, 2.9, 0.0])
    choose = Choice(Sampling(temperature=0, repetition_penalty=2.0), [0], CPU)
    assert [choose(logits), choose(logits), choose(logits)] == [1, 2, 1]
    assert logits.tolist() == torch.tensor([1.0, 3.0, 2.9, 0.0]).tolist()


def test_only_a_plain_greedy_choice_is_the_largest() -> None:
    assert Choice(Sampling(temperature=0), [1], CPU).is_largest
    assert not Choice(Sampling(temperature=0, repetition_penalty=1.1), [1], CPU).is_largest
    assert not Choice(Sampling(temperature=0.5), [1], CPU).is_largest


def test_presence_and_frequency_count_the_answer_and_not_the_prompt() -> None:
    logits = torch.tensor([1.0, 3.0, 2.9, 2.5])
    present = Choice(Sampling(temperature=0, presence_penalty=0.3), [1, 1, 2], CPU)
    assert [present(logits) for _ in range(5)] == [1, 2, 1, 1, 1]
    frequent = Choice(Sampling(temperature=0, frequency_penalty=0.3), [1, 1, 2], CPU)
    # 3.0, 2.9, 2.7, 2.6, 2.5 (1 first: it fell by 0.3 twice, the largest ones one after the other)
    assert [frequent(logits) for _ in range(6)] == [1, 2, 1, 2, 3, 1]


def test_negative_penalties_draw_back_to_what_was_said() -> None:
    choose = Choice(Sampling(temperature=0, presence_penalty=-2.0, frequency_penalty=-2.0), [], CPU)
    assert choose(torch.tensor([5.0, 0.0, 0.0])) == 0
    assert [choose(torch.tensor([0.0, 3.0, 2.9])) for _ in range(5)] == [0] * 5


def test_penalties_without_an_answer_change_nothing() -> None:
    plain = Sampling(temperature=0.8, seed=4)
    for seed in range(20):
        once = Choice(replace(plain, seed=seed), SEEN, CPU)(LOGITS)
        assert once == Choice(replace(plain, seed=seed, presence_penalty=2.0, frequency_penalty=2.0), SEEN, CPU)(LOGITS)
