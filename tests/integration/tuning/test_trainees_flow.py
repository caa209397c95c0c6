"""Stable Diffusion 3, FLUX.1 and Wan learn as diffusers' example scripts teach flow matching; LoRAs are read back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline, StableDiffusion3Pipeline, WanPipeline
from diffusers.training_utils import compute_loss_weighting_for_sd3

from praxino.errors import UserError
from praxino.families import families
from praxino.recipe import Lora
from praxino.training.tuning.trainee import Batch, trainee

CAPTIONS = ("a red cat", "a dog that runs")
SHAPES = {"sd3": (2, 16, 8, 8), "flux": (2, 16, 8, 8), "wan": (2, 16, 2, 8, 8)}
PIPELINES = {"sd3": StableDiffusion3Pipeline, "flux": FluxPipeline, "wan": WanPipeline}
NORMAL, UNIFORM = torch.tensor([0.31, -1.2]), torch.tensor([0.7312, 0.1004])


class Drawn(Batch):
    """A batch whose chance is drawn already."""

    def noise(self, like):
        return torch.randn(like.shape, generator=torch.Generator().manual_seed(0))

    def normal(self, device):
        return NORMAL

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
def batch(learner, parts, *, num_frames=1, gives_first=False):
    clips = np.random.default_rng(0).integers(0, 256, (2, num_frames, 64, 64, 3), dtype=np.uint8)
    encoded = [learner.encode(parts, clip) for clip in clips]
    words = [learner.read(parts, caption) for caption in CAPTIONS]
    stacked = ({name: torch.stack([one[name] for one in some]) for name in some[0]} for some in (encoded, words))
    return Drawn(*stacked, 1.0, gives_first, [], torch.zeros(2, dtype=torch.bool))


def states_of(given):
    """How many tokens a caption is read as."""
    return given.texts["states"].shape[1]


def asked_sd3(pipeline, given, noise):
    """train_dreambooth_lora_sd3.py with --precondition_outputs 0, between two of its thousand noise levels."""
    clean, u = given.clips["latents"], torch.sigmoid(NORMAL)
    sigmas = (3 * u / (1 + 2 * u)).view(-1, 1, 1, 1)
    states, _, pooled, _ = pipeline.encode_prompt(
        list(CAPTIONS), list(CAPTIONS), list(CAPTIONS), do_classifier_free_guidance=False
    )
    predicted = pipeline.transformer(
        hidden_states=(1 - sigmas) * clean + sigmas * noise, timestep=sigmas.flatten() * 1000,
        encoder_hidden_states=states, pooled_projections=pooled,
    )[0]  # fmt: skip
    weighting = compute_loss_weighting_for_sd3("logit_normal", sigmas)
    return (weighting * (predicted - (noise - clean)) ** 2).mean()


def asked_flux(pipeline, given, noise):
    """train_dreambooth_lora_flux.py with --guidance_scale 1."""
    clean, sigmas = given.clips["latents"], UNIFORM.view(-1, 1, 1, 1)
    states, pooled, text_ids = pipeline.encode_prompt(list(CAPTIONS), None, max_sequence_length=states_of(given))
    image_ids = FluxPipeline._prepare_latent_image_ids(2, 4, 4, "cpu", torch.float32)
    noisy = FluxPipeline._pack_latents((1 - sigmas) * clean + sigmas * noise, 2, 16, 8, 8)
    predicted = pipeline.transformer(
        hidden_states=noisy, timestep=sigmas.flatten(), guidance=torch.ones(2), pooled_projections=pooled,
        encoder_hidden_states=states, txt_ids=text_ids, img_ids=image_ids, return_dict=False,
    )[0]  # fmt: skip
    predicted = FluxPipeline._unpack_latents(predicted, 64, 64, 8)
    return (compute_loss_weighting_for_sd3("none", sigmas) * (predicted - (noise - clean)) ** 2).mean()


def asked_wan(pipeline, given, noise):
    """Flow matching with WanPipeline's own words and the shift that is drawn with."""
    clean = given.clips["latents"]
    sigmas = (SHIFT * UNIFORM / (1 + (SHIFT - 1) * UNIFORM)).view(-1, 1, 1, 1, 1)
    states, _ = pipeline.encode_prompt(list(CAPTIONS), do_classifier_free_guidance=False, max_sequence_length=512)
    predicted = pipeline.transformer(
        hidden_states=(1 - sigmas) * clean + sigmas * noise, timestep=sigmas.flatten() * 1000,
        encoder_hidden_states=states, return_dict=False,
    )[0]  # fmt: skip
    return ((predicted - (noise - clean)) ** 2).mean()


ASKED = {"sd3": asked_sd3, "flux": asked_flux, "wan": asked_wan}
SHIFT = 5.0


@torch.no_grad()
def test_the_loss_is_that_of_diffusers_formulas(family, folder, learner, parts):
    given = batch(learner, parts, num_frames=5 if family.name == "wan" else 1)
    assert given.clips["latents"].shape == SHAPES[family.name]
    if family.name == "wan":
        assert parts.variant.options["shift"] == SHIFT
    task = learner.task(parts, parts.variant, given)
    loss = (learner.answer(learner.network(parts), task) - task.target).square().mean()
    expected = ASKED[family.name](
        PIPELINES[family.name].from_pretrained(folder), given, given.noise(given.clips["latents"])
    )
    assert abs(loss - expected) < 1e-5


def test_what_is_learnt_is_read_by_praxino_diffusers_and_in_comfyuis_names(family, folder, learner, parts, tune):
    out = tune(model=str(folder), steps=3, size="" if family.name == "sd3" else "64x64")
    network = learner.network(parts)
    task = learner.task(parts, parts.variant, batch(learner, parts))
    answers = [answer(learner, network, task)]
    for file in (out / "pytorch_lora_weights.safetensors", out / "comfyui" / "run.safetensors"):
        family.check_lora(file)
        family.equip(parts, recipe_with(Lora(str(file), 1.0, "")))
        answers.append(answer(learner, network, task))
    assert torch.allclose(answers[1], answers[2], atol=1e-6)
    assert not torch.allclose(answers[0], answers[1], atol=1e-4)
    pipeline = PIPELINES[family.name].from_pretrained(folder)
    pipeline.load_lora_weights(out)
    assert torch.allclose(answer(learner, pipeline.transformer, task), answers[1], atol=1e-5)


@torch.no_grad()
def answer(learner, network, task):
    return learner.answer(network, task)


def recipe_with(*loras):
    class Recipe:
        companions, options, conditions, prompt, negative_prompt = (), {}, (), "", ""

    Recipe.loras = loras
    return Recipe


@torch.no_grad()
def test_a_given_first_frame_of_wan_stands_at_time_zero(tmp_path):
    family, learner = families()["wan"], trainee("wan")
    family.miniature(tmp_path / "wan", "wan2.2-ti2v-5b")
    parts = family.load(tmp_path / "wan", family.identify(tmp_path / "wan"), "float32", "cpu")
    given = batch(learner, parts, num_frames=5, gives_first=True)
    task, clean = learner.task(parts, parts.variant, given), given.clips["latents"]
    tokens = clean.shape[3] // 2 * (clean.shape[4] // 2)
    assert torch.equal(task.inputs["hidden_states"][:, :, 0], clean[:, :, 0])
    assert not task.inputs["timestep"][:, :tokens].any() and (task.inputs["timestep"][:, tokens:] > 0).all()
    assert not task.learnt[0].any() and task.learnt[1:].all()
    assert learner.answer(parts.transformer, task).shape == task.target.shape
    alone = learner.encode(parts, np.random.default_rng(0).integers(0, 256, (2, 5, 64, 64, 3), dtype=np.uint8)[0][:1])
    assert torch.allclose(alone["latents"][:, 0], clean[0, :, 0], atol=1e-5), "as when a picture is given"


@pytest.mark.parametrize(
    ("name", "like", "said"),
    [("flux", "flux-canny", "its kind is control"), ("wan", "wan2.1-vace-1.3b", "its kind is vace")],
)
def test_what_has_no_trainee_is_refused(name, like, said, tune, tmp_path):
    families()[name].miniature(tmp_path / like, like)
    with pytest.raises(UserError, match=said):
        tune(model=str(tmp_path / like))


def test_a_whole_network_is_written_into_folders_of_diffusers_alone(tune, tmp_path):
    file = Path(__file__).parents[2] / "reference" / "ltx_video" / "ltx_tiny_original_format_fp16.safetensors"
    with pytest.raises(UserError, match=r"method is full, and .* has no transformer/"):
        tune(model=str(file), method="full")
    assert not (tmp_path / "run").exists()
