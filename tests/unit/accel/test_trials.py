"""What a run tries, how much of its time that takes, and what is told. Time passes as tests want it."""

from contextlib import contextmanager

import pytest
import torch
from torch import nn

from praxino.accel import trials
from praxino.accel.networks import computing
from praxino.accel.paces import Tried
from praxino.accel.trials import Way, trying


class Denoiser(nn.Module):
    """Takes a time, and answers a question."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.seconds, self.calls = clock, 10.0, 0

    def forward(self, x, timestep):
        self.calls += 1
        self.clock[0] += self.seconds
        return (x * timestep,)


def way(name, seconds, error=0.0):
    """That takes so long, and is so far off."""

    @contextmanager
    def lay(network):
        def forward(x, timestep):
            network.calls += 1
            network.clock[0] += seconds
            return (x * timestep + error,)

        with computing(network, forward):
            yield

    return Way(name, lay)


@contextmanager
def refuses(network):
    raise RuntimeError("no such kernel\nmore of it")
    yield


@pytest.fixture
def denoiser(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(trials.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(trials.time, "process_time", lambda: clock[0])
    return Denoiser(clock)


@pytest.fixture
def told(monkeypatch, denoiser):
    """What a run of so many calls tells of some ways."""

    def run(found, num_calls=1000, is_wanted=lambda name: True):
        monkeypatch.setattr(trials, "ways", lambda network, device, scores: found)
        answers = []
        with trying([denoiser], num_calls, is_wanted, lambda *args: answers.append(args)):
            for _ in range(3):
                assert torch.equal(denoiser(torch.ones(2, 3), 4.0)[0], torch.full((2, 3), 4.0))
        return answers

    return run


def test_each_way_is_timed_and_compared_and_the_run_goes_on_with_its_own_answer(told, denoiser):
    ((found, is_all),) = told([way("fused:qkv", 8.0), way("attention:math", 20.0, 0.04)])
    assert is_all
    fused, math = found
    assert fused == Tried("fused:qkv", 8.0, 10.0, 0.0) and fused.gain == pytest.approx(0.2)
    assert (math.gain, math.error) == (-1.0, pytest.approx(0.01))
    assert "forward" not in vars(denoiser)


def test_what_fails_or_answers_with_no_number_is_told(told):
    ((found, _),) = told([Way("attention:sage", refuses), way("passes:1", 1.0, float("nan")), way("fused:qkv", 9.0)])
    assert [one.problem for one in found] == ["no such kernel", "its answer has what is no number", ""]
    assert [one.gain > 0 for one in found] == [False, False, True]


@pytest.mark.parametrize(
    ("num_calls", "seconds", "tried"),
    [(1000, 10.0, 5), (50, 10.0, 2), (20, 10.0, 0), (50, 0.05, 3), (20, 0.1, 1), (10, 0.5, 0), (9, 0.1, 0)],
)
def test_trying_takes_a_small_part_of_a_run(told, denoiser, num_calls, seconds, tried):
    denoiser.seconds = seconds
    answers = told([way(f"attention:{i}", seconds) for i in range(5)], num_calls)
    assert sum(len(found) for found, _ in answers) == tried
    rounds = trials.ROUNDS if seconds < trials.LONG_SECONDS else trials.ROUNDS_OF_LONG
    extra = denoiser.calls - 3
    assert extra == (1 + tried * (2 + rounds) if tried else 0)
    assert extra <= num_calls * trials.SHARE_OF_SHORT
    if answers:
        assert answers[0][1] is (tried == 5)


def test_a_first_call_that_is_slow_makes_no_long_run(told, denoiser, monkeypatch):
    own = denoiser.forward

    def slow_at_first(x, timestep):
        denoiser.seconds = 5.0 if denoiser.calls == 0 else 0.01
        return own(x, timestep)

    monkeypatch.setattr(denoiser, "forward", slow_at_first)
    assert told([way("fused:qkv", 0.001)], num_calls=50) == []
    assert denoiser.calls == 4


def test_calls_that_take_long_are_not_recorded(told, denoiser):
    found = [way("graphs:cuda", 0.1), way("fused:qkv", 0.1)]
    ((tried, is_all),) = told(found)
    assert ([one.name for one in tried], is_all) == (["fused:qkv"], True)
    denoiser.seconds = trials.LONG_SECONDS / 2
    ((tried, is_all),) = told(found)
    assert ([one.name for one in tried], is_all) == (["graphs:cuda", "fused:qkv"], True)


def test_only_what_is_wanted_is_tried(told):
    ((found, is_all),) = told([way("fused:qkv", 1.0), way("passes:1", 1.0)], is_wanted=lambda name: name == "passes:1")
    assert ([one.name for one in found], is_all) == (["passes:1"], True)
    assert told([way("fused:qkv", 1.0)], is_wanted=lambda name: False) == []


def test_a_network_that_answers_otherwise_each_time_is_left(told, denoiser, monkeypatch):
    drift = iter(range(100))
    monkeypatch.setattr(trials, "_off", lambda found, expected: float(next(drift) + 1))
    assert told([way("fused:qkv", 1.0)]) == [((), True)]


def test_kernels_that_hold_the_scores_are_tried_with_few_tokens(monkeypatch):
    monkeypatch.setattr(trials, "kinds", lambda network, device: ["onednn"] if device == "cpu" else [])
    network = nn.Linear(1, 1)
    assert [way.name for way in trials.ways(network, "cpu", 0)] == ["attention:math", "products:onednn", "passes:1"]
    assert [way.name for way in trials.ways(network, "cpu", trials.SCORES_BYTES + 1)] == [
        "products:onednn",
        "passes:1",
    ]
    assert trials.ways(network, "cuda", 0)[-1].name == "graphs:cuda"
    assert "attention:cudnn" in [way.name for way in trials.ways(network, "cuda", trials.SCORES_BYTES + 1)]
    assert [way.name for way in trials.ways(network, "mps", trials.SCORES_BYTES + 1)] == ["passes:1"]
