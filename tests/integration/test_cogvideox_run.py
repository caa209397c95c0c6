"""CogVideoX's miniatures from words, pictures and clips to frames: what is given to the network, saved and left."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import CogVideoXFunControlPipeline, DiffusionPipeline
from PIL import Image
from safetensors.torch import save_file

from praxino.errors import ModelError
from praxino.families import LoopState, Shape
from praxino.families.cogvideox import FAMILY, latents, loop, pictures, run, schedule
from praxino.families.cogvideox.settings import from_options
from praxino.families.cogvideox.variants import PUBLISHED
from praxino.recipe import Condition, Encoding, Lora, Media, Recipe
from praxino.request import Request
from praxino.sampling.noise import SeededNoise

LAYER = "transformer_blocks.0.attn1"
REFERENCE = Path(__file__).parents[1] / "reference" / "cogvideox"
GIVEN = {"image-to-video": ("frame",), "video-to-video": ("video",)}


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    @cache
    def made(name: str):
        folder = tmp_path_factory.mktemp(name)
        FAMILY.miniature(folder, name)
        return folder, FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")

    return made


def recipe_for(folder, task: str = "", **wish) -> Recipe:
    variant = FAMILY.identify(folder)
    assert variant is not None
    task = task or variant.tasks[0]
    roles = ("control:pose",) if variant.needs else GIVEN.get(task, ())
    named = {"control": ("pose-map=p.mp4",)} if variant.needs else {}
    shape = Shape(variant.width, variant.height, variant.num_frames, variant.fps)
    sampling = FAMILY.plan(Request(prompt="a red cat", **named, **wish), variant, shape, task)
    decided = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    assert decided.pop("notes") == ()
    return Recipe(
        family="cogvideox", variant=variant.name, model="miniature", revision="", task=task, prompt="a red cat",
        caption="a red cat", width=32, height=32, num_frames=9, fps=8.0, guidance=6.0, seed=3, n=1, dtype="float32",
        conditions=tuple(Condition(0, 1.0, Media("given", "", ""), role) for role in roles), loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
    )  # fmt: skip


def given(recipe) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [
        rng.integers(0, 256, (1 if condition.role == "frame" else 9, 40, 48, 3), dtype=np.uint8)
        for condition in recipe.conditions
    ]


def last(recipe, parts, state=None) -> LoopState:
    *_, state = FAMILY.denoise(recipe, parts, given(recipe), recipe.seed, state)
    return state


def prepared(recipe, parts) -> loop.Start:
    settings = from_options(recipe.options)
    table = schedule.levels(settings.schedule_steps, settings.shift_scale, settings.levels)
    return run.prepare(recipe, parts, given(recipe), SeededNoise(recipe.seed), table)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_kind_is_drawn_to_its_length_and_loads_with_diffusers(miniature, name):
    folder, parts = miniature(name)
    recipe = recipe_for(folder)
    frames = FAMILY.decode(recipe, parts, last(recipe, parts))
    assert frames.shape == (9, 32, 32, 3) and frames.std() > 0
    assert parts.transformer.norm_out.norm.eps == PUBLISHED[name].options["output_epsilon"]
    assert type(DiffusionPipeline.from_pretrained(folder)).__name__.startswith("CogVideoX")


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("cogvideox-2b", {}),
        ("cogvideox-2b", {"task": "video-to-video", "video": "x.mp4", "strength": 0.9, "steps": 5}),
        ("cogvideox-1.5-5b", {"task": "video-to-video", "video": "x.mp4", "strength": 0.75}),
        ("cogvideox-1.5-5b-i2v", {"negative_prompt": "blur"}),
        ("cogvideox-fun-5b-pose", {"scheduler": "dpm++-sde"}),
    ],
)
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(miniature, name, wish):
    folder, parts = miniature(name)
    recipe = recipe_for(folder, **wish)
    states = list(FAMILY.denoise(recipe, parts, given(recipe), recipe.seed))
    assert len(states) == recipe.steps + 1
    saved = LoopState(2, {key: tensor.clone() for key, tensor in states[2].tensors.items()})
    resumed = last(recipe, parts, saved)
    for key, tensor in states[-1].tensors.items():
        assert torch.equal(resumed.tensors[key], tensor)


def test_no_words_are_zeros_and_words_are_read(miniature):
    folder, parts = miniature("cogvideox-5b")
    assert torch.count_nonzero(prepared(recipe_for(folder), parts).negative) == 0
    blurred = prepared(recipe_for(folder, negative_prompt="blur"), parts).negative
    assert torch.count_nonzero(blurred) > 0
    assert prepared(recipe_for(folder, guidance=1), parts).negative is None
    fun, fun_parts = miniature("cogvideox-fun-5b-pose")
    assert torch.count_nonzero(prepared(recipe_for(fun), fun_parts).negative) > 0


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "resize", "scale", "frames"),
    [("cogvideox-5b-i2v", "bicubic", 0.7, 3), ("cogvideox-1.5-5b-i2v", "lanczos", 1.0, 4)],
)
def test_a_picture_goes_first_on_further_channels(miniature, name, resize, scale, frames):
    folder, parts = miniature(name)
    recipe = recipe_for(folder)
    start, noise = prepared(recipe, parts), SeededNoise(3)
    posterior = parts.vae.encode(pictures.prepare(given(recipe)[0], 32, 32, resize)).latent_dist
    picture = (posterior.mean + posterior.std * noise.draw((1, 16, 1, 4, 4))).transpose(1, 2) * scale
    assert torch.equal(start.beside[:, :1], picture)
    assert start.beside.shape == (1, frames, 16, 4, 4) and torch.count_nonzero(start.beside[:, 1:]) == 0
    assert torch.equal(start.latents, noise.draw((1, frames, 16, 4, 4)))


def test_the_later_model_is_told_two_beside_a_picture(miniature):
    folder, parts = miniature("cogvideox-1.5-5b-i2v")
    told = []
    hook = parts.transformer.register_forward_pre_hook(lambda *call: told.append(call[2]["ofs"]), with_kwargs=True)
    last(recipe_for(folder), parts)
    hook.remove()
    assert [value.tolist() for value in told] == [[2.0]] * 4


@torch.no_grad()
def test_a_clip_that_is_changed_is_noised_to_the_level_that_is_begun_with(miniature):
    folder, parts = miniature("cogvideox-2b")
    recipe = recipe_for(folder, "video-to-video", video="x.mp4", strength=0.5)
    start, noise = prepared(recipe, parts), SeededNoise(3)
    posterior = parts.vae.encode(pictures.prepare(given(recipe)[0], 32, 32, "bicubic")).latent_dist
    clean = (posterior.mean + posterior.std * noise.draw((1, 16, 3, 4, 4))).transpose(1, 2) * 1.15258426
    alpha = schedule.levels(4, 3.0, "authors").alphas[2]
    wanted = alpha * clean + (1 - alpha**2) ** 0.5 * noise.draw((1, 3, 16, 4, 4))
    assert torch.allclose(start.latents, wanted, atol=1e-6)
    clip = given(recipe)[0]
    held = np.concatenate((clip[:6], *[clip[5:6]] * 3))
    short, whole = (next(FAMILY.denoise(recipe, parts, [frames], 3)).tensors["latents"] for frames in (clip[:6], held))
    assert torch.equal(short, whole) and not torch.equal(short, start.latents)


@torch.no_grad()
def test_fun_draws_what_the_stock_pipeline_draws(miniature):
    folder, parts = miniature("cogvideox-fun-5b-pose")
    recipe = recipe_for(folder, negative_prompt="blur")
    pipeline = CogVideoXFunControlPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    clip = pictures.prepare(given(recipe)[0], 32, 32, "bicubic")
    frames = ((clip[0].permute(1, 2, 3, 0) / 2 + 0.5).clamp(0, 1) * 255).round().byte().numpy()
    theirs = pipeline(
        prompt="a red cat", negative_prompt="blur", control_video=[Image.fromarray(frame) for frame in frames],
        height=32, width=32, num_inference_steps=4, guidance_scale=6.0, max_sequence_length=24,
        latents=SeededNoise(3).draw((1, 3, 16, 4, 4)), output_type="latent",
    ).frames  # fmt: skip
    *_, state = FAMILY.denoise(recipe, parts, [frames], recipe.seed)
    found = state.tensors["latents"]
    assert float((found - theirs).abs().max() / theirs.abs().max()) < 1e-5


@torch.no_grad()
def test_long_clips_are_decoded_in_the_authors_groups_and_not_by_twos(miniature):
    _, parts = miniature("cogvideox-1.5-5b")
    vae = parts.vae
    drawn = torch.randn(1, 41, 16, 2, 2, generator=torch.Generator().manual_seed(1))
    frames = latents.decode(vae, drawn)
    z, cache, pieces = (drawn / 0.7).transpose(1, 2), None, []
    for piece in z.split([5, *[4] * 9], dim=2):
        pixels, cache = vae.decoder(piece, conv_cache=cache)
        pieces.append(pixels)
    wanted = ((torch.cat(pieces, 2)[0] / 2 + 0.5).clamp(0, 1) * 255).byte().permute(1, 2, 3, 0).numpy()
    assert frames.shape == (161, 16, 16, 3) and np.array_equal(frames, wanted)
    by_twos = vae.decode(z).sample
    assert relative(by_twos, torch.cat(pieces, 2)) > 1e-3
    assert vae.num_latent_frames_batch_size == 2


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def test_half_precision_keeps_latents_in_float32(miniature):
    folder, _ = miniature("cogvideox-5b")
    parts = FAMILY.load(folder, FAMILY.identify(folder), "bfloat16", "cpu")
    recipe = recipe_for(folder)
    state = last(recipe, parts)
    assert parts.transformer.dtype == torch.bfloat16
    assert state.tensors["latents"].dtype == state.tensors["denoised"].dtype == torch.float32
    assert FAMILY.decode(recipe, parts, state).std() > 0


def drawn_with(parts, recipe, *loras: Lora) -> torch.Tensor:
    FAMILY.equip(parts, dataclasses.replace(recipe, loras=loras))
    try:
        return last(recipe, parts).tensors["latents"]
    finally:
        FAMILY.equip(parts, recipe)


@pytest.mark.parametrize("prefix", ["transformer.", "", "diffusion_model."])
def test_a_lora_is_what_merging_it_would_be_and_leaves_no_trace(miniature, tmp_path, prefix):
    folder, parts = miniature("cogvideox-5b")
    recipe, path = recipe_for(folder), tmp_path / "lora.safetensors"
    generator = torch.Generator().manual_seed(1)
    A, B = torch.randn(2, 32, generator=generator), torch.randn(32, 2, generator=generator)
    name = f"{prefix}{LAYER}.to_k"
    save_file({f"{name}.lora_A.weight": A, f"{name}.lora_B.weight": B, f"{name}.alpha": torch.tensor(1.0)}, path)
    FAMILY.check_lora(path)
    plain = last(recipe, parts).tensors["latents"]
    laid = drawn_with(parts, recipe, Lora(str(path), 0.5, ""))
    assert torch.equal(drawn_with(parts, recipe, Lora(str(path), 0.0, "")), plain)
    assert torch.equal(last(recipe, parts).tensors["latents"], plain)
    layer = parts.transformer.get_submodule(f"{LAYER}.to_k")
    own = layer.weight.data
    layer.weight.data = own + 0.5 * (1 / 2) * B @ A
    merged = last(recipe, parts).tensors["latents"]
    layer.weight.data = own
    assert relative(laid, plain) > 1e-4
    assert torch.allclose(laid, merged, atol=1e-4)


def test_the_authors_fused_loras_are_cut_by_rows(miniature, tmp_path):
    folder, parts = miniature("cogvideox-5b")
    recipe = recipe_for(folder)
    generator = torch.Generator().manual_seed(2)
    A, B = torch.randn(2, 32, generator=generator), torch.randn(96, 2, generator=generator)
    fused = "model.diffusion_model.transformer.layers.0.attention.query_key_value"
    whole = {f"{fused}.lora_A.weight": A, f"{fused}.lora_B.weight": B, f"{fused}.alpha": torch.tensor(1.0)}
    parted, numbered = {}, {}
    for index, (name, rows) in enumerate(zip(("to_q", "to_k", "to_v"), B.chunk(3), strict=True)):
        layer = f"{LAYER}.{name}"
        parted |= {f"{layer}.lora_A.weight": A.clone(), f"{layer}.lora_B.weight": rows.contiguous() / 2}
        numbered |= {f"{fused}.matrix_A.{index}": A.clone(), f"{fused}.matrix_B.{index}": rows.contiguous()}
    drawn = []
    for weights in (whole, parted, numbered):
        save_file(weights, tmp_path / "lora.safetensors")
        FAMILY.check_lora(tmp_path / "lora.safetensors")
        drawn.append(drawn_with(parts, recipe, Lora(str(tmp_path / "lora.safetensors"), 1.0, "")))
    assert torch.equal(drawn[0], drawn[1]) and torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], last(recipe, parts).tensors["latents"])


def test_the_alpha_that_diffusers_writes_into_a_file_counts(miniature, tmp_path):
    folder, parts = miniature("cogvideox-5b")
    recipe, generator = recipe_for(folder), torch.Generator().manual_seed(2)
    A, B = torch.randn(2, 32, generator=generator), torch.randn(32, 2, generator=generator)
    weights = {f"transformer.{LAYER}.to_q.lora_A.weight": A, f"transformer.{LAYER}.to_q.lora_B.weight": B}
    path, drawn = tmp_path / "lora.safetensors", []
    for told, scale in (
        ({"transformer.r": 2, "transformer.lora_alpha": 8}, 0.25),
        ({"transformer.lora_alpha": 1, "transformer.alpha_pattern": {"attn1.to_q": 4}}, 0.5),
        ({}, 1.0),
    ):
        save_file(weights, path, metadata={"lora_adapter_metadata": json.dumps(told)})
        drawn.append(drawn_with(parts, recipe, Lora(str(path), scale, "")))
    assert torch.equal(drawn[0], drawn[2]) and torch.equal(drawn[1], drawn[2])


def test_a_lora_that_does_not_fit_is_refused_and_leaves_no_trace(miniature, tmp_path):
    folder, parts = miniature("cogvideox-5b")
    recipe, path = recipe_for(folder), tmp_path / "lora.safetensors"
    plain = last(recipe, parts).tensors["latents"]
    for layer, complaint in (("transformer_blocks.7.attn1.to_q", "no layer"), (f"{LAYER}.to_q", "2x31, not 2x32")):
        save_file({f"{layer}.lora_A.weight": torch.zeros(2, 31), f"{layer}.lora_B.weight": torch.zeros(32, 2)}, path)
        with pytest.raises(ModelError, match=complaint):
            FAMILY.equip(parts, dataclasses.replace(recipe, loras=(Lora(str(path), 1.0, ""),)))
    assert torch.equal(last(recipe, parts).tensors["latents"], plain)


def test_a_transformer_in_the_authors_naming_draws_with_the_networks_of_another_folder(miniature, tmp_path):
    folder, _ = miniature("cogvideox-5b")
    path = tmp_path / "transformer.safetensors"
    path.write_bytes((REFERENCE / "transformer_5b.safetensors").read_bytes())
    card = {"family": "cogvideox", "variant": "mine", "width": 32, "height": 32, "num_frames": 9, "steps": 2,
            "max_text_tokens": 24, "any_size": True}  # fmt: skip
    (tmp_path / "praxino.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="transformer alone"):
        FAMILY.load(path, FAMILY.identify(path), "float32", "cpu")
    (tmp_path / "praxino.json").write_text(json.dumps({**card, "components": str(folder)}))
    parts = FAMILY.load(path, FAMILY.identify(path), "float32", "cpu")
    recipe = recipe_for(path)
    assert recipe.variant == "mine" and FAMILY.decode(recipe, parts, last(recipe, parts)).shape == (9, 32, 32, 3)


def test_a_long_prompt_is_said_to_be_cut(miniature):
    folder, _ = miniature("cogvideox-5b")
    variant = FAMILY.identify(folder)
    assert variant is not None
    sampling = FAMILY.plan(Request(prompt="a red cat " * 5), variant, Shape(32, 32, 9, 8.0), "text-to-video")
    assert any("does not read" in note for note in sampling.notes)
