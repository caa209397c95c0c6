import pytest

from praxino.jobs.job import Reason
from praxino.jobs.retry import MAX_DELAY_SECONDS, RetryPolicy


@pytest.mark.parametrize(
    ("reason", "delays"),
    [
        (Reason.CRASH, [2.0, 8.0, None]),
        (Reason.STORAGE, [2.0, 8.0, 32.0, 128.0, None]),
        (Reason.OUT_OF_MEMORY, [0.0, None]),
        (Reason.USER, [None]),
        (Reason.MODEL, [None]),
        (Reason.RESULT_MISSING, [None]),
    ],
)
def test_delays(reason, delays):
    policy = RetryPolicy()
    assert [policy.delay_seconds(reason, {reason: count + 1}) for count in range(len(delays))] == delays


def test_reasons_are_counted_apart():
    assert RetryPolicy().delay_seconds(Reason.OUT_OF_MEMORY, {Reason.CRASH: 2, Reason.OUT_OF_MEMORY: 1}) == 0.0


def test_a_delay_has_a_bound():
    assert RetryPolicy(crash_attempts=50).delay_seconds(Reason.CRASH, {Reason.CRASH: 40}) == MAX_DELAY_SECONDS
