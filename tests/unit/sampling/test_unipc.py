import math

import numpy as np
import pytest
import torch
from diffusers.schedulers import UniPCMultistepScheduler

from praxino.sampling import schedules, unipc


def predicted(x, t):
    """The best v for data of deviation 0.6, and what the flow makes of a sample from t to t_next is known exactly."""
    x0 = 0.36 * (1 - t) / ((1 - t) ** 2 * 0.36 + t**2) * x
    return (x - x0) / t


def deviation(t):
    return math.sqrt((1 - t) ** 2 * 0.36 + t**2)


def run(x, sigmas, steps=None):
    history = None
    for index in range(len(sigmas) if steps is None else steps):
        x, history = unipc.step(x, predicted(x, sigmas[index]), sigmas, index, history)
    return x


def error_at_the_end(count):
    """Of `count` steps from 0.95 to 0.2 over a sample in float64; a last level keeps the 0 away."""
    sigmas = [*np.linspace(0.95, 0.2, count + 1), 0.1]
    x = torch.ones(1, dtype=torch.float64) * deviation(0.95)
    return abs(run(x, sigmas, count).item() - deviation(0.2))


def test_the_error_falls_as_of_third_order_of_the_step() -> None:
    coarse, fine, finest = (error_at_the_end(count) for count in (20, 40, 80))
    assert fine < coarse / 6 and finest < fine / 6
    assert finest < 1e-5


@pytest.mark.parametrize(("count", "shift", "start"), [(1, 5, 0.999), (2, 5, 0.999), (3, 3, 0.999), (12, 16, 0.999)])
def test_it_is_diffusers_solver_on_the_same_levels(count, shift, start) -> None:
    sigmas = np.float32(schedules.shifted(count, shift, start)).astype(float).tolist()
    stock = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    stock.set_timesteps(count)
    stock.sigmas = torch.tensor([*sigmas, 0.0])
    stock.timesteps = torch.tensor([int(1000 * sigma) for sigma in sigmas])
    x = theirs = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(1))
    history = None
    for index, t in enumerate(stock.timesteps):
        v = torch.sin(3 * x) + index
        theirs = stock.step(v, t, theirs, return_dict=False)[0]
        x, history = unipc.step(x, v, sigmas, index, history)
        torch.testing.assert_close(x, theirs, rtol=2e-4, atol=2e-5)


def test_from_pure_noise_the_first_step_is_eulers_and_nothing_overflows() -> None:
    x = torch.ones(1, dtype=torch.float64)
    sigmas = [1.0, 0.7, 0.4, 0.1]
    after, history = unipc.step(x, predicted(x, 1.0), sigmas, 0, None)
    torch.testing.assert_close(after, x - 0.3 * predicted(x, 1.0))
    for index in (1, 2, 3):
        after, history = unipc.step(after, predicted(after, sigmas[index]), sigmas, index, history)
    assert torch.isfinite(after).all()


def test_the_last_step_ends_at_the_estimate() -> None:
    x = torch.full((2,), 0.5)
    after, kept = unipc.step(x, torch.ones(2), [0.25], 0, None)
    assert torch.equal(after, kept.denoised)
    assert torch.equal(after, x - 0.25)


@pytest.mark.parametrize(("count", "shift", "start"), [(1, 5, 1.0), (8, 1, 1.0), (50, 12, schedules.UNIPC_START)])
def test_levels_are_equal_steps_shifted_once(count, shift, start) -> None:
    levels = schedules.shifted(count, shift, start)
    t = [start * (1 - i / count) for i in range(count)]
    np.testing.assert_allclose(levels, [shift * s / (1 + (shift - 1) * s) for s in t], rtol=1e-14)
