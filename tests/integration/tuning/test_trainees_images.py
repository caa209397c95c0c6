"""Stable Diffusion and SDXL learn as diffusers' example scripts teach; what is learnt is read back."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file

from praxino.engine.resolve import resolve
from praxino.errors import UserError
from praxino.families import families
from praxino.recipe import Lora
from praxino.request import Request
from praxino.training.tuning.run import Run, train
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Batch, trainee

KEPT = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0)
NOISE = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
PIPELINES = {"stable-diffusion": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}


class Drawn(Batch):
    """A batch whose chance is drawn already."""

    def noise(self, like):
        return NOISE

    def uniform(self, device):
        return torch.tensor([0.7312, 0.1004])


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


@torch.no_grad()
def batch(learner, parts):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 1, 64, 64, 3), dtype=np.uint8)
    clips = [learner.encode(parts, picture) for picture in pictures]
    words = [learner.read(parts, caption) for caption in ("a red cat", "a dog that runs " * 10)]
    stacked = ({name: torch.stack([one[name] for one in some]) for name in some[0]} for some in (clips, words))
    return Drawn(*stacked, 1.0, False, [], torch.zeros(2, dtype=torch.bool))


def ids(tokenizer, captions):
    return tokenizer(captions, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


def asked(family, base, given, noisy, timesteps):
    """What train_text_to_image_lora(_sdxl).py gives the UNet."""
    captions = ["a red cat", "a dog that runs " * 10]
    if family.name == "stable-diffusion":
        return base.unet(noisy, timesteps, base.text_encoder(ids(base.tokenizer, captions))[0])[0]
    one = base.text_encoder(ids(base.tokenizer, captions), output_hidden_states=True)
    two = base.text_encoder_2(ids(base.tokenizer_2, captions), output_hidden_states=True)
    states = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], -1)
    added = {"text_embeds": two[0], "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)}
    return base.unet(noisy, timesteps, states, added_cond_kwargs=added)[0]


@torch.no_grad()
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_is_that_of_diffusers_script(family, parts, prediction):
    learner, base = trainee(family.name), parts.base
    base.scheduler.register_to_config(prediction_type=prediction)
    given = batch(learner, parts)
    task = learner.task(parts, parts.variant, given)
    loss = (learner.answer(base.unet, task) - task.target).square().mean()
    timesteps, clean = torch.tensor([731, 100]), given.clips["latents"]
    kept = KEPT[timesteps].view(2, 1, 1, 1)
    noisy = kept.sqrt() * clean + (1 - kept).sqrt() * NOISE
    target = NOISE if prediction == "epsilon" else kept.sqrt() * NOISE - (1 - kept).sqrt() * clean
    predicted = asked(family, base, given, noisy.float(), timesteps)
    assert abs(loss - torch.nn.functional.mse_loss(predicted, target.float())) < 1e-5


@torch.no_grad()
def test_latents_are_drawn_around_the_mean(family, parts):
    learner = trainee(family.name)
    picture = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    found = learner.encode(parts, picture)["latents"] / parts.base.vae.config.scaling_factor
    posterior = parts.base.vae.encode(torch.tensor(picture).movedim(-1, 1) / 127.5 - 1).latent_dist
    off = (found - posterior.mean[0]) / posterior.std[0]
    assert 0.8 < off.std() < 1.2 and off.mean().abs() < 0.2


def test_what_is_learnt_is_read_by_praxino_diffusers_and_in_comfyuis_names(family, folder, parts, tune):
    learner = trainee(family.name)
    out = tune(model=str(folder), steps=3)
    given = batch(learner, parts)
    task = learner.task(parts, parts.variant, given)
    answers = [answer(learner, parts.base.unet, task)]
    for file in (out / "pytorch_lora_weights.safetensors", out / "comfyui" / "run.safetensors"):
        family.check_lora(file)
        family.equip(parts, recipe_with(Lora(str(file), 1.0, "")))
        answers.append(answer(learner, parts.base.unet, task))
    assert torch.allclose(answers[1], answers[2], atol=1e-6)
    assert not torch.allclose(answers[0], answers[1], atol=1e-4)
    pipeline = PIPELINES[family.name].from_pretrained(folder)
    pipeline.load_lora_weights(out)
    assert torch.allclose(answer(learner, pipeline.unet, task), answers[1], atol=1e-5)


@torch.no_grad()
def answer(learner, network, task):
    return learner.answer(network, task)


def recipe_with(*loras):
    class Recipe:
        companions, options, conditions, prompt, negative_prompt = (), {}, (), "", ""

    Recipe.loras = loras
    return Recipe


def test_what_is_shown_more_than_words_is_refused(family, tune, tmp_path):
    like = {"stable-diffusion": "stable-diffusion-1.5-inpainting", "sdxl": "sdxl-inpainting"}[family.name]
    family.miniature(tmp_path / "filling", like)
    with pytest.raises(UserError, match="cannot be fine-tuned: it does inpainting"):
        tune(model=str(tmp_path / "filling"))


def test_samples_leave_the_new_weights_in_float32(folder, clips, tmp_path):
    """A pipeline over networks in bfloat16 casts all that it is given."""

    def recipe_of(prompt, seed, index):
        return resolve(Request(prompt, model=str(folder), seed=seed, steps=1)).recipe

    tuning = Tuning(
        data=str(clips), model=str(folder), out=str(tmp_path / "run"), steps=2, rank=2, size="64x64", dtype="bfloat16",
        sample_every=1, samples=("a cat",), prior=1, prior_prompts=("a dog",),
    )  # fmt: skip
    out = train(Run(tuning, recipe_of=recipe_of))
    assert len(list((out / "samples").iterdir())) == 2
    (state,) = (out / "state").glob("*.safetensors")
    kinds = {tensor.dtype for name, tensor in load_file(state).items() if ".lora_" in name}
    assert kinds == {torch.float32}
