"""FLUX.1 Kontext learns from pairs, Fill from masks: by diffusers' formulas, and what is learnt is read back."""

import json

import numpy as np
import pytest
import torch
from diffusers import FluxFillPipeline, FluxKontextPipeline
from PIL import Image
from safetensors.torch import load_file

from praxino.errors import UserError
from praxino.families import families
from praxino.recipe import Lora
from praxino.training.tuning import adapters, beside
from praxino.training.tuning.examples import check
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Batch, trainee

FAMILY = families()["flux"]
KINDS = {"flux-kontext": FluxKontextPipeline, "flux-fill": FluxFillPipeline}
TIMES = torch.tensor([0.7312, 0.1004])


class Drawn(Batch):
    """A batch whose chance is drawn already."""

    def noise(self, like):
        return torch.randn(like.shape, generator=torch.Generator().manual_seed(0))

    def uniform(self, device):
        return TIMES


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / kind
    FAMILY.miniature(folder, kind)
    return folder


@pytest.fixture
def parts(folder):
    return FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "pairs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(2):
        for name in ("", ".reference"):
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / f"{number}{name}.png")
        (folder / f"{number}.txt").write_text("make it blue")
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[16:48, :32] = 255
    Image.fromarray(mask).save(folder / "0.mask.png")
    return folder


PICTURES = np.random.default_rng(3).integers(0, 256, (2, 2, 1, 64, 64, 3), dtype=np.uint8)
MASK = np.zeros((1, 64, 64, 3), np.uint8)
MASK[:, 8:40, 20:] = 255


@torch.no_grad()
def batch(parts):
    learner, made = trainee("flux"), []
    for frames, other in PICTURES:
        made.append(
            {**learner.encode(parts, frames), **learner.shown(parts, frames, {"reference": other, "mask": MASK})}
        )
    words = [learner.read(parts, caption) for caption in ("make it blue", "a cat")]
    stacked = ({name: torch.stack([one[name] for one in some]) for name in some[0]} for some in (made, words))
    return Drawn(*stacked, 1.0, False, [], torch.zeros(2, dtype=torch.bool))


def pixels(frames):
    return torch.tensor(frames).movedim(-1, 1).float() / 127.5 - 1


def as_latents(pipeline, frames):
    """The posterior's mean, packed, as both pipelines are given by these families, rounded to bfloat16."""
    vae = pipeline.vae
    mean = (vae.encode(pixels(frames)).latent_dist.mode() - vae.config.shift_factor) * vae.config.scaling_factor
    return FluxKontextPipeline._pack_latents(mean, 1, 16, 8, 8).bfloat16().float()


@torch.no_grad()
def test_the_loss_is_that_of_diffusers_formulas(kind, folder, parts):
    given, learner = batch(parts), trainee("flux")
    task = learner.task(parts, parts.variant, given)
    loss = (learner.answer(learner.network(parts), task) - task.target).square().mean()

    pipeline = KINDS[kind].from_pretrained(folder)
    clean, noise, sigmas = given.clips["latents"], given.noise(given.clips["latents"]), TIMES.view(-1, 1, 1, 1)
    noisy = FluxKontextPipeline._pack_latents((1 - sigmas) * clean + sigmas * noise, 2, 16, 8, 8)
    ids = FluxKontextPipeline._prepare_latent_image_ids(2, 4, 4, "cpu", torch.float32)
    states, pooled, text_ids = pipeline.encode_prompt(
        ["make it blue", "a cat"], None, max_sequence_length=given.texts["states"].shape[1]
    )
    if kind == "flux-kontext":
        shown = torch.cat([as_latents(pipeline, other) for _, other in PICTURES])
        noisy, beside_ids = torch.cat([noisy, shown], 1), ids.clone()
        beside_ids[..., 0] = 1
        ids = torch.cat([ids, beside_ids])
    else:
        covered = torch.tensor(MASK[..., :1]).movedim(-1, 1).float() / 255
        channels = []
        for frames, _ in PICTURES:
            visible = pixels(frames) * (1 - covered)
            mean = pipeline.vae.encode(visible).latent_dist.mode()
            kept = (mean - pipeline.vae.config.shift_factor) * pipeline.vae.config.scaling_factor
            mask, _ = pipeline.prepare_mask_latents(
                covered, visible, 1, 16, 1, 64, 64, torch.float32, "cpu", torch.Generator().manual_seed(0)
            )
            channels.append(
                torch.cat([FluxKontextPipeline._pack_latents(kept, 1, 16, 8, 8).bfloat16().float(), mask], 2)
            )
        noisy = torch.cat([noisy, torch.cat(channels)], 2)
    predicted = pipeline.transformer(
        hidden_states=noisy, timestep=TIMES, guidance=torch.ones(2), pooled_projections=pooled,
        encoder_hidden_states=states, txt_ids=text_ids, img_ids=ids, return_dict=False,
    )[0][:, :16]  # fmt: skip
    wanted = (FluxKontextPipeline._unpack_latents(predicted, 64, 64, 8) - (noise - clean)).square().mean()
    assert float(loss) == pytest.approx(float(wanted), rel=1e-4)


def test_what_is_learnt_is_read_by_praxino_and_diffusers(kind, folder, parts, pairs, tune):
    out = tune(data=str(pairs), model=str(folder), size="" if kind == "flux-kontext" else "64x64", steps=3, batch=1)
    learner = trainee("flux")
    network = learner.network(parts)
    task = learner.task(parts, parts.variant, batch(parts))
    answers = [answer(network, task)]
    for file in (out / "pytorch_lora_weights.safetensors", out / "comfyui" / "run.safetensors"):
        FAMILY.equip(parts, recipe_with(Lora(str(file), 1.0, "")))
        answers.append(answer(network, task))
    assert torch.allclose(answers[1], answers[2], atol=1e-6) and not torch.allclose(*answers[:2], atol=1e-4)
    pipeline = KINDS[kind].from_pretrained(folder)
    pipeline.load_lora_weights(out)
    assert torch.allclose(answer(pipeline.transformer, task), answers[1], atol=1e-5)


@torch.no_grad()
def answer(network, task):
    return trainee("flux").answer(network, task)


def recipe_with(*loras):
    class Recipe:
        companions, options, conditions, prompt, negative_prompt = (), {}, (), "", ""

    Recipe.loras = loras
    return Recipe


def test_a_run_taken_up_again_is_the_unbroken_one(kind, folder, pairs, tune):
    wish = {"data": str(pairs), "model": str(folder), "steps": 20, "batch": 1, "rank": 2}
    wish["size"] = "" if kind == "flux-kontext" else "64x64"
    straight = tune("straight", **wish)
    tune("broken", stop_after=11, **wish)
    broken = tune("broken", resume=True, **wish)
    lines = [(run / "metrics.jsonl").read_text().splitlines() for run in (straight, broken)]
    assert [json.loads(line)["loss"] for line in lines[0]] == [json.loads(line)["loss"] for line in lines[1]]
    files = [load_file(run / "pytorch_lora_weights.safetensors") for run in (straight, broken)]
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])


def test_one_pair_is_learnt_by_heart(parts):
    """With noise and time that stay: a random network has no room for more in so few weights."""
    learner, given = trainee("flux"), batch(parts)
    network = learner.network(parts)
    torch.manual_seed(0)
    adapters.prepare(network, learner, Tuning(rank=16, alpha=16, targets=("*",)))
    task = learner.task(parts, parts.variant, given)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-2)
    values = []
    for _ in range(100):
        loss = (learner.answer(network, task) - task.target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert values[-1] < values[0] / 5


def test_what_each_is_shown_is_told(kind, folder, pairs, clips):
    told = check(Tuning(data=str(pairs), model=str(folder)))
    if kind == "flux-fill":
        assert [line.rsplit("'", 1)[1] for line in told.used] == [
            ", with its mask, its reference not looked at", ", with a mask of chance, its reference not looked at",
        ]  # fmt: skip
        assert [example.beside for example in told.examples][1] == {"drawn": beside.MADE}
        return
    assert all(line.endswith(", after its reference") for line in told.used)
    with pytest.raises(UserError, match=r"has no reference, which .* asks for"):
        check(Tuning(data=str(clips), model=str(folder)))


def test_clips_that_it_draws_itself_are_refused(folder, pairs):
    with pytest.raises(UserError, match="draws nothing of words alone"):
        check(Tuning(data=str(pairs), model=str(folder), prior=3, prior_prompts=("a cat",)))


def test_masks_of_chance_follow_from_the_clip():
    frames = np.zeros((1, 60, 90, 3), np.uint8)
    some, again, others = (beside._of_chance(digest, frames) for digest in ("0" * 64, "0" * 64, "1" * 64))
    assert np.array_equal(some, again) and some.shape == (beside.NUM_MASKS, 60, 90, 3)
    assert len({mask.tobytes() for mask in (*some, *others)}) == 2 * beside.NUM_MASKS
    assert all({0, 255} == set(np.unique(mask)) for mask in some)


@torch.no_grad()
def test_a_step_takes_one_of_the_masks(kind, parts):
    """The third and the first of four, by the numbers that chance gives."""
    if kind == "flux-kontext":
        pytest.skip("it has no masks")
    learner, given = trainee("flux"), batch(parts)
    masks = beside._of_chance("0" * 64, PICTURES[0, 0])
    channels = learner.shown(parts, PICTURES[0, 0], {"mask": masks})["channels"]
    given.clips["channels"] = channels.expand(2, *channels.shape)
    hidden = learner.task(parts, parts.variant, given).inputs["hidden_states"]
    for row, chosen in enumerate((TIMES * beside.NUM_MASKS).long()):
        assert torch.equal(hidden[row, :, 64:], channels[chosen].float())
