from pathlib import Path

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift
from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule
from hypothesis import given
from hypothesis import strategies as st

from praxino.errors import UserError
from praxino.sampling import schedules

REFERENCE = Path(__file__).parents[2] / "reference"
STEPS = [1, 2, 3, 7, 8, 20, 30, 41]


@pytest.mark.parametrize("num_steps", STEPS)
def test_uniform_falls_in_equal_steps(num_steps):
    expected = np.linspace(1, 1 / num_steps, num_steps)
    np.testing.assert_allclose(schedules.uniform(num_steps), expected, atol=1e-7)


@pytest.mark.parametrize("num_steps", STEPS[1:])
@pytest.mark.parametrize("num_tokens", [80, 1024, 5280, 15000])
def test_sd3_is_diffusers_shift_and_stretch(num_steps, num_tokens):
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05,
        base_image_seq_len=1024, max_image_seq_len=4096, shift_terminal=0.1,
    )  # fmt: skip
    mu = calculate_shift(num_tokens, 1024, 4096, 0.95, 2.05)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / num_steps, num_steps), mu=mu)
    np.testing.assert_allclose(schedules.sd3(num_steps, num_tokens), scheduler.sigmas[:-1], atol=5e-6)
    assert schedules.sd3(num_steps, num_tokens)[-1] == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("num_steps", STEPS)
@pytest.mark.parametrize("num_tokens", [16, 256, 4080, 4096, 16384])
def test_flux_is_the_shift_of_esser_et_al_with_mu_on_a_line(num_steps, num_tokens):
    t = 1 - np.arange(num_steps, dtype=np.float64) / num_steps
    shift = np.exp(0.5 + (1.15 - 0.5) * (num_tokens - 256) / (4096 - 256))
    expected = shift * t / (1 + (shift - 1) * t)
    np.testing.assert_allclose(schedules.flux(num_steps, num_tokens), expected, atol=3e-7)


@pytest.mark.parametrize(("num_steps", "num_tokens"), [(50, 4080), (28, 4096), (30, 4032), (8, 48), (6, 48)])
def test_flux_is_its_authors_schedule_to_the_last_bit(num_steps, num_tokens):
    with np.load(REFERENCE / "flux" / "io.npz") as recorded:
        expected = recorded[f"schedule_{num_steps}_{num_tokens}"]
    assert (*schedules.flux(num_steps, num_tokens), 0.0) == tuple(expected)


@pytest.mark.parametrize("num_steps", STEPS[1:])
def test_linear_quadratic_is_diffusers(num_steps):
    expected = linear_quadratic_schedule(num_steps)
    np.testing.assert_allclose(schedules.linear_quadratic(num_steps), expected, atol=1e-6)


def test_linear_quadratic_takes_a_fortieth_of_the_noise_in_its_first_half():
    assert schedules.linear_quadratic(40)[20] == pytest.approx(0.975, abs=1e-12)


@given(st.integers(1, 100), st.integers(1, 20_000))
def test_every_schedule_falls_from_one_and_stays_above_zero(num_steps, num_tokens):
    made = (
        schedules.uniform(num_steps), schedules.linear_quadratic(num_steps), schedules.sd3(num_steps, num_tokens),
        schedules.flux(num_steps, num_tokens),
    )  # fmt: skip
    for sigmas in made:
        assert len(sigmas) == num_steps
        assert sigmas[0] == pytest.approx(1, abs=1e-6)
        assert schedules.explicit(sigmas) == sigmas


@pytest.mark.parametrize("num_tokens", [100_000, 1_000_000])
def test_sd3_refuses_clips_beyond_its_arithmetic(num_tokens):
    with pytest.raises(UserError, match="cannot space 40 steps"):
        schedules.sd3(40, num_tokens)


@pytest.mark.parametrize(
    ("sigmas", "complaint"),
    [
        ((), "empty"),
        ((1.0, 0.0), "above 0"),
        ((1.1, 0.5), "above 0"),
        ((float("nan"),), "above 0"),
        ((0.9, 0.9), "must fall"),
        ((0.5, 0.9), "must fall"),
    ],
)
def test_bad_noise_levels_are_refused(sigmas, complaint):
    with pytest.raises(UserError, match=complaint):
        schedules.explicit(sigmas)
