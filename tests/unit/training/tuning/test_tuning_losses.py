"""Noise levels and what an error costs, against diffusers' training utilities and sums in float64."""

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import (
    compute_density_for_timestep_sampling,
    compute_loss_weighting_for_sd3,
    compute_snr,
)

from praxino.training.tuning import losses, noising
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Batch, Task

CPU = torch.device("cpu")
CONFIG = {
    "num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
}  # fmt: skip
TIMES = torch.tensor([0.002, 0.1, 0.5, 0.9, 0.999], dtype=torch.float64)


def batch(count=1, seed=0, clips=None, **settings):
    chances = [torch.Generator().manual_seed(seed + number) for number in range(count)]
    return Batch(clips or {}, {}, 1.0, False, chances, torch.zeros(count, dtype=torch.bool), Tuning(**settings))


@pytest.mark.parametrize(
    "settings",
    [{"times": "uniform"}, {"times": "logit-normal"}, {"times": "logit-normal", "logit_mean": 0.7, "logit_std": 0.4},
     {"times": "mode"}, {"times": "mode", "mode_scale": -0.5}],
)  # fmt: skip
def test_times_are_diffusers_densities(settings):
    given = Tuning(**settings)
    for seed in range(20):
        found = noising.times(batch(seed=seed, **settings), CPU, noising.Times("logit-normal", 3.0, 0.2))
        wanted = compute_density_for_timestep_sampling(
            given.times.replace("-", "_"), 1, given.logit_mean, given.logit_std, given.mode_scale,
            generator=torch.Generator().manual_seed(seed),
        )  # fmt: skip
        assert torch.allclose(found, wanted, atol=1e-6)


def test_a_familys_own_times_are_drawn_unless_told_otherwise():
    own = noising.Times("logit-normal", mean=1.0, shift=3.0)
    normal = torch.randn(1, generator=torch.Generator().manual_seed(4))
    s = torch.sigmoid(normal + 1)
    assert torch.allclose(noising.times(batch(seed=4), CPU, own), 3 * s / (1 + 2 * s))
    assert torch.allclose(noising.times(batch(seed=4, time_shift=7.0), CPU, own), 7 * s / (1 + 6 * s))
    flat = torch.rand(1, generator=torch.Generator().manual_seed(4))
    assert torch.allclose(noising.times(batch(seed=4, times="uniform"), CPU, own), 3 * flat / (1 + 2 * flat))


def test_a_share_of_the_times_is_uniform():
    drawn = noising.times(batch(4000), CPU, noising.Times("logit-normal", 0.0, 0.01, uniform_share=0.25))
    assert 0.2 < float(((drawn - 0.5).abs() > 0.05).float().mean()) < 0.25


@pytest.mark.parametrize("times", ["own", "uniform", "logit-normal", "mode"])
def test_whole_timesteps_are_all_there_are(times):
    found = noising.timesteps(batch(3000, times=times), CPU, 10)
    assert sorted(set(found.tolist())) == list(range(10))


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction", "sample"])
def test_min_snr_is_diffusers_weight(predicts):
    scheduler = DDPMScheduler(**CONFIG, prediction_type=predicts)
    timesteps, clean = torch.tensor([0, 10, 400, 999]), torch.ones(4, 1, 1, 1)
    made = noising.diffused(scheduler.config, clean, torch.zeros_like(clean), timesteps)
    snr = compute_snr(scheduler, timesteps)
    assert torch.allclose(made.snr, snr, rtol=1e-4) and made.predicts == predicts
    least = torch.stack([snr, 5 * torch.ones(4)], 1).min(1)[0]
    wanted = {"epsilon": least / snr, "v_prediction": least / (snr + 1), "sample": least}[predicts]
    task = Task({}, clean, snr=made.snr, predicts=predicts)
    assert torch.allclose(losses.of_level(Tuning(min_snr=5.0), task), wanted, rtol=1e-4)
    assert losses.of_level(Tuning(), task) is None


def test_pure_noise_has_a_weight():
    assert (
        losses.of_snr(5.0, torch.zeros(1), "epsilon") == 1 and losses.of_snr(5.0, torch.zeros(1), "v_prediction") == 0
    )


@pytest.mark.parametrize("weighting", ["sigma-sqrt", "cosmap"])
def test_times_weigh_as_in_diffusers(weighting):
    wanted = compute_loss_weighting_for_sd3(weighting.replace("-", "_"), TIMES)
    task = Task({}, torch.zeros(5), times=TIMES)
    assert torch.allclose(losses.of_level(Tuning(weighting=weighting), task), wanted.double())
    assert torch.isfinite(losses.of_time(weighting, torch.zeros(1)))


def test_huber_is_a_square_for_small_errors_and_straight_for_large_ones():
    tuning, zero = Tuning(loss="huber", huber_c=0.1), torch.zeros(4, dtype=torch.float64)
    off = torch.tensor([1e-4, 0.05, 1.0, 100.0], dtype=torch.float64)
    found = losses.error(off, zero, Task({}, off), tuning)
    assert np.allclose(found, 2 * 0.1 * (np.sqrt(off.numpy() ** 2 + 0.1**2) - 0.1))
    assert found[0] == pytest.approx(1e-8, rel=1e-3) and found[3] == pytest.approx(0.2 * 100, rel=1e-2)
    assert torch.equal(losses.error(off, zero, Task({}, off), Tuning()), off.square())


@pytest.mark.parametrize("schedule", ["exponential", "snr"])
def test_hubers_bend_follows_the_noise_as_in_diffusers_script(schedule):
    """train_text_to_image_lora.py of scheduled_huber_loss_training, one timestep at a time."""
    scheduler, timesteps = DDPMScheduler(**CONFIG), torch.tensor([0, 10, 400, 999])
    kept = scheduler.alphas_cumprod[timesteps].double()
    sigmas = ((1 - kept) / kept).sqrt()
    wanted = 0.1 ** (timesteps / 1000).double() if schedule == "exponential" else 0.9 / (1 + sigmas) ** 2 + 0.1
    off = torch.tensor([[0.2, 3.0]] * 4, dtype=torch.float64)
    task = Task({}, off, times=timesteps.double() / 1000, snr=kept / (1 - kept))
    found = losses.error(off, torch.zeros_like(off), task, Tuning(loss="huber", huber_schedule=schedule))
    c = wanted[:, None]
    assert torch.allclose(found, 2 * c * ((off**2 + c**2).sqrt() - c))


def test_each_channels_noise_is_moved_as_a_whole():
    noise = torch.zeros(400, 3, 2, 4, 4)
    moved = noising.offset(batch(400, noise_offset=0.3), noise)
    assert torch.equal(moved, moved[:, :, :1, :1, :1].expand_as(moved))
    assert float(moved[:, :, 0, 0, 0].std()) == pytest.approx(0.3, rel=0.1)
    assert torch.equal(noising.offset(batch(400), noise), noise)
    assert float(noising.offset(batch(400), noise, own=0.05).std()) == pytest.approx(0.05, rel=0.1)


def test_a_mask_says_what_counts():
    error = torch.rand(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 4, 4, dtype=torch.float64)
    mask[0, :2], mask[1, :, 3] = 1, 0.5
    clips = {"latents": torch.zeros_like(error), "mask": mask}
    white, grey = error[0, :, :2].sum(), error[1, :, :, 3].sum() / 2
    found = losses.mean(error, batch(2, clips=clips), Task({}, error))
    assert found.item() == pytest.approx(float((white + grey) / (3 * 8 + 3 * 4 / 2)), rel=1e-6)
    ones = {**clips, "mask": torch.ones_like(mask)}
    assert losses.mean(error, batch(2, clips=ones), Task({}, error)).item() == pytest.approx(float(error.mean()))


def test_a_mask_leaves_out_what_is_given():
    """The first of two frames is given: of the other what is white counts."""
    error = torch.rand(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 4, 4)
    mask[:, 1, 2] = 1
    learnt = (torch.arange(2) > 0)[:, None, None]
    found = losses.mean(error, batch(clips={"latents": error, "mask": mask}), Task({}, error, learnt))
    assert found.item() == pytest.approx(float(error[0, :, 1, 1, 2].mean()))


def test_a_mask_is_packed_as_latents_are():
    latents, mask = torch.rand(1, 3, 2, 2, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(1, 2, 2)
    mask[0, 0, 1] = 1
    task = Task({}, latents, pack=lambda some: some.flatten(2).transpose(1, 2))
    found = losses.mean(task.pack(latents), batch(clips={"latents": latents, "mask": mask}), task)
    assert found.item() == pytest.approx(float(latents[0, :, :, 0, 1].mean()))


def test_weights_are_of_each_example():
    error = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    task = Task({}, error, times=torch.tensor([0.5, 0.25]))
    found = losses.mean(error, batch(2, weighting="sigma-sqrt"), task)
    assert found.item() == pytest.approx(float((4 * error[0].mean() + 16 * error[1].mean()) / 2))
