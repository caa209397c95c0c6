import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler

from praxino.sampling.noise import SeededNoise
from praxino.sampling.samplers import SAMPLERS, Step, denoised, euler_ancestral, hold

SIGMAS = (0.99, 0.9, 0.7, 0.4, 0.15)


def velocity(x, t):
    """A smooth field that no sampler solves exactly."""
    return torch.sin(2 * x) + t * x


def steps(sigmas):
    for index, t in enumerate(sigmas):
        t_next = sigmas[index + 1] if index + 1 < len(sigmas) else 0.0
        yield Step(t, t_next, sigmas[index - 1] if index else None)


def run(name, x, sigmas, field=velocity):
    noise, before = SeededNoise(1), None
    for step in steps(sigmas):
        t_token = torch.full((1, 1, 1), step.t, dtype=x.dtype)
        v = field(x, step.t)
        x, before = SAMPLERS[name](x, v, t_token, step, before, noise), denoised(x, v, t_token)
    return x


def start():
    return torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_euler_is_diffusers():
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=list(SIGMAS))
    x = start().float()
    for index, t in enumerate(scheduler.timesteps):
        x = scheduler.step(velocity(x, SIGMAS[index]), t, x, return_dict=False)[0]
    torch.testing.assert_close(run("euler", start().float(), SIGMAS), x, atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # raised inside diffusers
def test_dpmpp_2m_is_diffusers():
    scheduler = DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=1.0, solver_order=2,
        algorithm_type="dpmsolver++", solver_type="midpoint", final_sigmas_type="zero",
    )  # fmt: skip
    scheduler.set_timesteps(len(SIGMAS))
    scheduler.sigmas = torch.tensor([*SIGMAS, 0.0], dtype=torch.float32)
    x = start().float()
    for index, t in enumerate(scheduler.timesteps):
        x = scheduler.step(velocity(x, SIGMAS[index]), t, x, return_dict=False)[0]
    torch.testing.assert_close(run("dpm++-2m", start().float(), SIGMAS), x, atol=2e-5, rtol=1e-5)


def test_dpmpp_2m_begins_at_pure_noise_like_euler():
    sigmas = (1.0, 0.5)
    torch.testing.assert_close(run("dpm++-2m", start(), sigmas), run("euler", start(), sigmas))


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("dpm++-2m", 2)])
def test_the_error_falls_with_the_order(name, order):
    """Halving the steps divides the error by two to the order, on dx/dt = x cos t + 1 down to t = 0.2."""

    def error(num_steps):
        sigmas = torch.linspace(0.9, 0.2, num_steps + 1, dtype=torch.float64).tolist()
        fine = torch.linspace(0.9, 0.2, 4001, dtype=torch.float64).tolist()
        return (until_last(name, sigmas) - until_last(name, fine)).abs().max().item()

    def until_last(name, sigmas):
        x, before, noise = torch.ones(1, 1, 1, dtype=torch.float64), None, SeededNoise(0)
        for step in list(steps(sigmas))[:-1]:
            t_token = torch.full((1, 1, 1), step.t, dtype=x.dtype)
            v = x * torch.cos(t_token) + 1
            x, before = SAMPLERS[name](x, v, t_token, step, before, noise), denoised(x, v, t_token)
        return x

    assert error(20) / error(40) == pytest.approx(2**order, rel=0.15)


def test_ancestral_is_its_formula():
    x, v, t = start(), velocity(start(), 0.8), torch.full((1, 1, 1), 0.8, dtype=torch.float64)
    stepped = euler_ancestral(x, v, t, Step(0.8, 0.3), None, SeededNoise(7))
    fresh = SeededNoise(7).draw((1, 5, 3)).double()
    torch.testing.assert_close(stepped, 0.7 * (x - 0.8 * v) + 0.3 * fresh)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_straight_field_is_followed_to_its_end(name):
    """v = n - x_0 with the same x_0 everywhere: every sampler arrives at it."""
    x0 = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(1, 5, 3)
    arrived = run(name, start(), SIGMAS, lambda x, t: (x - x0) / t)
    torch.testing.assert_close(arrived, x0)


def test_held_tokens_wait_for_their_own_noise_level():
    x, stepped = torch.zeros(1, 3, 2), torch.ones(1, 3, 2)
    t_start = torch.tensor([[1.0, 0.4, 0.0]])
    assert hold(x, stepped, 0.8, t_start)[0, :, 0].tolist() == [1, 0, 0]
    assert hold(x, stepped, 0.4, t_start)[0, :, 0].tolist() == [1, 1, 0]


def test_noise_goes_on_from_its_state():
    noise = SeededNoise(3)
    noise.draw((5,))
    state = noise.state().clone()
    expected = noise.draw((4,))
    other = SeededNoise(99)
    other.restore(state)
    assert torch.equal(other.draw((4,)), expected)
