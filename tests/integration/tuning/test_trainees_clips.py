"""CogVideoX and Mochi learn by the formulas of their trainers; what is learnt is read back."""

import numpy as np
import pytest
import torch
from diffusers import CogVideoXDPMScheduler, CogVideoXPipeline, MochiPipeline

from praxino.errors import UserError
from praxino.families import families
from praxino.families.mochi.loop import rope_in_float32
from praxino.recipe import Lora
from praxino.training.tuning.trainee import Batch, trainee

CAPTIONS = ("a red cat", "a dog that runs")
UNIFORM = torch.tensor([0.7312, 0.1004])
FRAMES = {"cogvideox": 9, "mochi": 7}
PIPELINES = {"cogvideox": CogVideoXPipeline, "mochi": MochiPipeline}


class Drawn(Batch):
    """A batch whose chance is drawn already."""

    def noise(self, like):
        return torch.randn(like.shape, generator=torch.Generator().manual_seed(0))

    def uniform(self, device):
        return UNIFORM


@pytest.fixture(scope="module", params=PIPELINES)
def family(request):
    return families()[request.param]


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / family.name
    family.miniature(folder)
    return folder


@pytest.fixture
def parts(family, folder):
    return family.load(folder, family.identify(folder), "float32", "cpu")


@pytest.fixture
def learner(family):
    return trainee(family.name)


@torch.no_grad()
def batch(family, learner, parts):
    shape = (2, FRAMES[family.name], 32, 32, 3)
    clips = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    encoded = [learner.encode(parts, clip) for clip in clips]
    words = [learner.read(parts, caption) for caption in CAPTIONS]
    stacked = ({name: torch.stack([one[name] for one in some]) for name in some[0]} for some in (encoded, words))
    return Drawn(*stacked, 8.0, False, [], torch.zeros(2, dtype=torch.bool))


def asked_cogvideox(folder, parts, given, noise):
    """train_cogvideox_lora.py, whose clean latents' error is weighed."""
    pipeline, scheduler = CogVideoXPipeline.from_pretrained(folder), CogVideoXDPMScheduler.from_pretrained(
        folder, subfolder="scheduler"
    )  # fmt: skip
    clean, timesteps = given.clips["latents"], torch.tensor([731, 100])
    states, _ = pipeline.encode_prompt(list(CAPTIONS), do_classifier_free_guidance=False, max_sequence_length=24)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    output = parts.transformer(hidden_states=noisy, encoder_hidden_states=states, timestep=timesteps)[0]
    predicted = scheduler.get_velocity(output, noisy, timesteps)
    weights = 1 / (1 - scheduler.alphas_cumprod[timesteps]).view(-1, 1, 1, 1, 1)
    return (weights * (predicted - clean) ** 2).mean()


def asked_mochi(folder, parts, given, noise):
    """The fine-tuner's z_sigma and ut, the words by diffusers' own pipeline."""
    pipeline = MochiPipeline.from_pretrained(folder)
    z, sigma = given.clips["latents"], UNIFORM.view(-1, 1, 1, 1, 1)
    states, mask, _, _ = pipeline.encode_prompt(
        list(CAPTIONS), do_classifier_free_guidance=False, max_sequence_length=256
    )
    with rope_in_float32():
        predicted = parts.transformer(
            hidden_states=(1 - sigma) * z + sigma * noise,
            encoder_hidden_states=states,
            timestep=1000 * (1 - UNIFORM),
            encoder_attention_mask=mask,
        )[0]
    return torch.nn.functional.mse_loss(predicted, z - noise)


ASKED = {"cogvideox": asked_cogvideox, "mochi": asked_mochi}


@torch.no_grad()
def test_the_loss_is_that_of_their_trainers(family, folder, learner, parts):
    given = batch(family, learner, parts)
    task = learner.task(parts, family.identify(folder), given)
    loss = (learner.answer(parts.transformer, task) - task.target).square().mean()
    expected = ASKED[family.name](folder, parts, given, given.noise(given.clips["latents"]))
    assert abs(loss - expected) < 1e-5


@torch.no_grad()
def test_latents_are_what_is_decoded(family, learner, parts):
    """Of a VAE with random weights: the normalised posterior's deviation alone lies between."""
    clip = np.random.default_rng(1).integers(0, 256, (FRAMES[family.name], 32, 32, 3), dtype=np.uint8)
    found, config = learner.encode(parts, clip)["latents"], parts.vae.config
    posterior = parts.vae.encode(torch.tensor(clip).movedim(-1, 0)[None] / 127.5 - 1).latent_dist
    if family.name == "cogvideox":
        raw = found.transpose(0, 1) / config.scaling_factor
    else:
        mean, deviation = (torch.tensor(some).view(-1, 1, 1, 1) for some in (config.latents_mean, config.latents_std))
        raw = found * deviation / config.scaling_factor + mean
    off = (raw - posterior.mean[0]) / posterior.std[0]
    assert 0.8 < off.std() < 1.2 and off.mean().abs() < 0.2


def test_what_is_learnt_is_read_by_praxino_and_diffusers(family, folder, learner, parts, tune):
    out = tune(model=str(folder), steps=3, size="32x32")
    task = learner.task(parts, family.identify(folder), batch(family, learner, parts))
    answers = [answer(learner, parts.transformer, task)]
    comfy = [out / "comfyui" / "run.safetensors"] if family.name == "mochi" else []
    for file in [out / "pytorch_lora_weights.safetensors", *comfy]:
        family.check_lora(file)
        family.equip(parts, recipe_with(Lora(str(file), 1.0, "")))
        answers.append(answer(learner, parts.transformer, task))
    assert torch.allclose(answers[1], answers[-1], atol=1e-5)
    assert not torch.allclose(answers[0], answers[1], atol=1e-4)
    pipeline = PIPELINES[family.name].from_pretrained(folder)
    if family.name == "cogvideox":
        pipeline.transformer.norm_out.norm.eps = parts.transformer.norm_out.norm.eps
    pipeline.load_lora_weights(out)
    assert torch.allclose(answer(learner, pipeline.transformer, task), answers[1], atol=1e-5)


@torch.no_grad()
def answer(learner, network, task):
    return learner.answer(network, task)


def recipe_with(*loras):
    class Recipe:
        companions, options = (), {"lora_blocks": ""}

    Recipe.loras = loras
    return Recipe


def test_what_has_no_trainee_is_refused(tune, tmp_path):
    families()["cogvideox"].miniature(tmp_path / "pose", "cogvideox-fun-2b-pose")
    with pytest.raises(UserError, match="cannot be fine-tuned: its beside is control"):
        tune(model=str(tmp_path / "pose"), size="")
