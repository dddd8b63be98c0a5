"""Lines that say the same are written a few times a minute. Threat F-38."""

import logging

import pytest

from api.repeats import FEW, TEMPLATES, Repeats
from tests.api.test_rate_limits import Clock


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> tuple[logging.Logger, Clock]:
    clock, logger = Clock(), logging.getLogger("tests.repeats")
    logger.filters = [Repeats(clock)]
    caplog.set_level(logging.INFO)
    return logger, clock


def test_a_flood(written: tuple[logging.Logger, Clock], caplog: pytest.LogCaptureFixture) -> None:
    logger, clock = written
    for number in range(10_000):
        logger.warning("Refused: %d.", number)
    logger.warning("Something else.")
    assert len(caplog.records) == FEW + 1
    clock.now += 61
    logger.warning("Refused: %d.", 7)
    assert caplog.messages[-1] == f"Refused: 7. ({10_000 - FEW} more like it were kept back)"


def test_memory_is_bounded(written: tuple[logging.Logger, Clock]) -> None:
    logger, _ = written
    for number in range(3 * TEMPLATES):
        logger.warning(f"line {number}")
    repeats = logger.filters[0]
    assert isinstance(repeats, Repeats) and len(repeats._seen) <= TEMPLATES
