"""Which calls of the network make a step, and what a scheduler's first levels leave out."""

from __future__ import annotations

import pytest
import torch

from praxino.families._stock.schedulers import DIFFUSION
from praxino.families.hotshot_xl.miniature import SCHEDULER
from praxino.families.hotshot_xl.sampling import walk


def levels(name: str, num_levels: int, num_steps: int) -> list[list[int]]:
    return [[round(float(t)) for t in calls] for calls in walk(name, SCHEDULER, num_levels, num_steps).calls]


@pytest.mark.parametrize("name", DIFFUSION)
@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_there_are_as_many_steps_as_asked_for(name: str, num_steps: int) -> None:
    assert len(levels(name, 5, num_steps)) == num_steps


@pytest.mark.parametrize("name", DIFFUSION)
def test_the_last_levels_are_those_of_the_whole_walk(name: str) -> None:
    whole, part = levels(name, 8, 8), levels(name, 8, 3)
    assert [calls[0] for calls in part] == [calls[0] for calls in whole][-3:]


def test_heun_calls_twice_but_for_the_last_step() -> None:
    assert levels("heun", 4, 4) == [[751, 501], [501, 251], [251, 1], [1]]


def test_plms_takes_its_first_step_again() -> None:
    assert levels("pndm", 4, 4) == [[751, 501], [501], [251], [1]]
    assert levels("pndm", 4, 2) == [[251, 1], [1]]
    assert levels("pndm", 4, 1) == [[1]]


@pytest.mark.parametrize("name", DIFFUSION)
@pytest.mark.parametrize("num_steps", [2, 4])
def test_a_perfect_network_leads_back_to_the_picture(name: str, num_steps: int) -> None:
    """Predicting the very noise that is in its latents, every sampler ends near the picture."""
    clean, noise = torch.randn(2, 1, 4, 2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    walked = walk(name, SCHEDULER, 4, num_steps)
    latents = walked.noised(clean, noise, 0)
    for step in range(num_steps):
        for timestep in walked.calls[step]:
            scaled = walked.scheduler.scale_model_input(latents, timestep)
            alpha = walked.scheduler.alphas_cumprod[round(timestep.item())].double()
            predicted = (scaled - alpha.sqrt() * clean) / (1 - alpha).sqrt()
            assert torch.allclose(walked.estimate(predicted, timestep, scaled), clean, atol=1e-4)
            latents = walked.advance(predicted, timestep, latents, torch.Generator().manual_seed(2))
    assert (latents - clean).abs().mean() < 0.2


def test_velocity_is_understood() -> None:
    walked = walk("ddim", {**SCHEDULER, "prediction_type": "v_prediction"}, 4, 4)
    clean, noise = torch.randn(2, 1, 4, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    timestep = walked.calls[1][0]
    alpha = walked.scheduler.alphas_cumprod[timestep]
    scaled, velocity = (
        alpha.sqrt() * clean + (1 - alpha).sqrt() * noise,
        alpha.sqrt() * noise - (1 - alpha).sqrt() * clean,
    )
    assert torch.allclose(walked.estimate(velocity, timestep, scaled), clean, atol=1e-5)
