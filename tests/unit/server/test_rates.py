import pytest

from praxino.server.rates import Rates


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_minutes_requests_at_once_then_one_by_one(clock):
    rates = Rates(clock)
    assert [rates.take("a", 60) for _ in range(60)] == [0.0] * 60
    assert rates.take("a", 60) == pytest.approx(1.0)
    clock.now += 0.5
    assert rates.take("a", 60) == pytest.approx(0.5)
    clock.now += 0.5
    assert rates.take("a", 60) == 0.0
    assert rates.take("a", 60) > 0


def test_no_more_than_allowed_in_the_long_run(clock):
    rates, granted = Rates(clock), 0
    for _ in range(6000):
        granted += rates.take("a", 30) == 0.0
        clock.now += 0.1
    assert granted == 30 + 299


def test_keys_do_not_share(clock):
    rates = Rates(clock)
    assert rates.take("a", 1) == rates.take("b", 1) == 0.0
    assert rates.take("a", 1) == pytest.approx(60)


def test_a_bucket_holds_a_minute_at_most(clock):
    rates = Rates(clock)
    rates.take("a", 2)
    clock.now += 86_400
    assert [rates.take("a", 2) > 0 for _ in range(3)] == [False, False, True]
