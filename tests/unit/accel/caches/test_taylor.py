"""Answers that go on as they did, against the state that diffusers' TaylorSeer keeps."""

import pytest
import torch
from diffusers.hooks.taylorseer_cache import TaylorSeerState

from praxino.accel.caches.call import Call
from praxino.accel.caches.taylor import TaylorCache


def answers(step):
    """Of two branches, at a step."""
    x = torch.linspace(0, 1, 6).reshape(1, 6)
    return [torch.sin(x + 0.2 * step), torch.cos(x * step / 3)]


def asked(cache, step, first=2, num_steps=12):
    """What the cache says to the branches of a step, and which of them was computed."""
    cache.begin(torch.zeros(1, 6), step, may_reuse=first <= step < num_steps - 1)
    found = [cache.answer(Call(i, torch.zeros(1, 6), lambda v=v: (v,), False)) for i, v in enumerate(answers(step))]
    return [output[0] for output, _ in found], [is_reused for _, is_reused in found]


@pytest.mark.parametrize("interval", [2, 4])
def test_it_says_what_diffusers_predicts(interval):
    cache, states = TaylorCache(interval), [TaylorSeerState(torch.float32, max_order=1) for _ in range(2)]
    computed = []
    for step in range(12):
        found, are_reused = asked(cache, step)
        assert len(set(are_reused)) == 1
        for state, v, own in zip(states, answers(step), found, strict=True):
            state.current_step = step
            if are_reused[0]:
                torch.testing.assert_close(own, state.predict()[0], rtol=1e-6, atol=1e-6)
            else:
                state.update((v,))
                assert torch.equal(own, v)
        computed += [] if are_reused[0] else [step]
    assert computed == sorted({0, *range(1, 11, interval), 11})


def test_a_saved_state_goes_on():
    whole, again = TaylorCache(4), TaylorCache(4)
    for step in range(4):
        asked(whole, step)
    again.restore({name: tensor.clone() for name, tensor in whole.state().items()})
    for step in range(4, 12):
        assert all(map(torch.equal, asked(whole, step)[0], asked(again, step)[0]))
    again.restore({})
    assert not again.is_used


def test_answers_of_another_kind_are_computed_and_half_precision_stays():
    cache = TaylorCache(3)
    for step in range(6):
        cache.begin(torch.zeros(1, 6), step, may_reuse=True)
        _, is_reused = cache.answer(Call(0, torch.zeros(1, 6), lambda: ("a", "b"), False))
        assert not is_reused
    half = torch.ones(1, 6, dtype=torch.bfloat16)
    for step in range(3):
        cache.begin(half, step, may_reuse=step > 1)
        output, is_reused = cache.answer(Call(0, half, lambda: half, None))
        assert output.dtype == torch.bfloat16
    assert is_reused
