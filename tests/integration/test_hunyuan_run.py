"""HunyuanVideo on its miniatures: what is drawn around the networks, against diffusers' classes and sums of our own."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.transformers.transformer_hunyuan_video import HunyuanVideoRotaryPosEmbed
from PIL import Image
from safetensors.torch import save_file

from praxino.engine.resolve import resolve
from praxino.engine.run import run as run_recipe
from praxino.errors import ModelError, UserError
from praxino.families import Shape, hunyuan_video, hunyuan_video_i2v
from praxino.families._hunyuan import convert, latents, load, loop, pictures, run, text
from praxino.families._hunyuan.rope import LongRope, placed
from praxino.families._hunyuan.settings import from_options
from praxino.families._hunyuan.template import PICTURE, VIDEO, VIDEO_FROM_PICTURE
from praxino.families._hunyuan.words import unread_notes
from praxino.families._pixels import to_uint8
from praxino.families._stock.checkpoint import read_shapes
from praxino.families._stock.load import quiet
from praxino.recipe import Condition, Encoding, Media, Recipe
from praxino.request import Request
from praxino.sampling.noise import SeededNoise
from praxino.sampling.samplers import SAMPLERS

PROMPT = "a red cat running, tail first"
LONG = " ".join(f"word{index}" for index in range(40))
NAMES = {"token-replace": "hunyuan-video-i2v", "latent-concat": "hunyuan-video-i2v-33ch", "text": "hunyuan-video"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    @cache
    def made(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        family_of(kind).miniature(folder, NAMES[kind])
        return folder

    return made


@pytest.fixture(scope="module")
def loaded(folders):
    @cache
    def read(kind: str, dtype: str = "float32"):
        variant = family_of(kind).identify(folders(kind))
        assert variant is not None
        return family_of(kind).load(folders(kind), variant, dtype, "cpu")

    return read


@pytest.fixture(scope="module")
def stock(folders):
    @cache
    def read(kind: str):
        import diffusers

        name = "HunyuanVideoPipeline" if kind == "text" else "HunyuanVideoImageToVideoPipeline"
        with quiet():
            return getattr(diffusers, name).from_pretrained(folders(kind), local_files_only=True)

    return read


def family_of(kind: str):
    return hunyuan_video.FAMILY if kind == "text" else hunyuan_video_i2v.FAMILY


def picture(width: int = 80, height: int = 48) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (1, height, width, 3), dtype=np.uint8)


def recipe_for(parts, **wish) -> Recipe:
    variant = parts.variant
    kind = from_options(variant.options).kind
    family, task = family_of(kind), variant.tasks[0]
    sampling = family.plan(
        Request(prompt=PROMPT, **wish), variant, Shape(variant.width, variant.height, variant.num_frames, 8.0), task
    )
    media = Media(source="given", sha256="", data="")
    decided = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    del decided["notes"]
    return Recipe(
        family=family.name, variant=variant.name, model="miniature", revision="", task=task, prompt=PROMPT,
        caption=PROMPT, width=variant.width, height=variant.height, num_frames=variant.num_frames, fps=8.0,
        guidance=sampling.guidance_phases[0].scale, seed=3, n=1, dtype="float32",
        conditions=() if kind == "text" else (Condition(0, 1.0, media, "frame"),), loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
    )  # fmt: skip


def given_to(parts) -> list[np.ndarray]:
    return [] if from_options(parts.variant.options).kind == "text" else [picture()]


@pytest.mark.parametrize("prompt", [PROMPT, LONG], ids=["short", "too long"])
@pytest.mark.parametrize("kind", ["token-replace", "latent-concat"])
def test_words_and_picture_are_read_as_in_diffusers(loaded, stock, kind, prompt):
    parts, frame = loaded(kind), picture()[0]
    settings = from_options(parts.variant.options)
    found = text.embed(parts, prompt, VIDEO_FROM_PICTURE, settings, frame)
    every = {"token-replace": 4, "latent-concat": 2}[kind]
    states, pooled, mask = stock(kind).encode_prompt(
        image=Image.fromarray(frame), prompt=prompt, max_sequence_length=settings.max_text_tokens,
        image_embed_interleave=every,
    )  # fmt: skip
    assert torch.equal(found.states, states)
    assert torch.equal(found.pooled, pooled)
    assert torch.equal(found.mask, mask.to(found.mask))
    assert found.states.shape[1] == 576 // every + settings.max_text_tokens - 4


@pytest.mark.parametrize("prompt", [PROMPT, LONG], ids=["short", "too long"])
def test_words_are_read_as_in_diffusers(loaded, stock, prompt):
    parts = loaded("text")
    settings = from_options(parts.variant.options)
    for template in (VIDEO, PICTURE):
        found = text.embed(parts, prompt, template, settings, None)
        states, pooled, mask = stock("text").encode_prompt(
            prompt=prompt, max_sequence_length=settings.max_text_tokens,
            prompt_template={"template": template.text, "crop_start": template.crop_start},
        )  # fmt: skip
        assert torch.equal(found.states, states)
        assert torch.equal(found.pooled, pooled)
        assert torch.equal(found.mask, mask.to(found.mask))


def start_of(parts, **wish) -> tuple[Recipe, loop.Start]:
    recipe = recipe_for(parts, **wish)
    return recipe, run.prepare(recipe, parts, given_to(parts), SeededNoise(recipe.seed))


def picture_latents(parts, recipe: Recipe) -> torch.Tensor:
    """The encoder in one piece, its mode, scaled."""
    pixels = pictures.prepare(given_to(parts)[0], recipe.width, recipe.height)
    with torch.no_grad():
        moments = parts.vae.quant_conv(parts.vae.encoder(pixels))
    return moments[:, : moments.shape[1] // 2] * 0.476986


@pytest.mark.parametrize("kind", ["token-replace", "latent-concat"])
def test_stable_motion_begins_with_a_trace_of_the_picture_dynamic_with_none(loaded, kind):
    parts = loaded(kind)
    recipe, stable = start_of(parts)
    _, dynamic = start_of(parts, motion="dynamic")
    frames = from_options(recipe.options).drawn_frames(recipe.num_frames)
    noise = SeededNoise(recipe.seed).draw((1, 4, (frames - 1) // 4 + 1, recipe.height // 8, recipe.width // 8))
    still = picture_latents(parts, recipe)
    torch.testing.assert_close(stable.picture, still, rtol=0, atol=1e-6)
    assert torch.equal(dynamic.latents, noise)
    mixed = 0.999 * noise.double() + 0.001 * still.double()
    torch.testing.assert_close(stable.latents.double(), mixed, rtol=0, atol=1e-6)


def test_pictures_are_cut_not_squashed():
    squares = np.zeros((1, 40, 120, 3), np.uint8)
    squares[:, :, 40:80] = 255
    middle = pictures.prepare(squares, 64, 64)
    assert middle.shape == (1, 3, 1, 64, 64)
    assert middle.mean() > 0.95, "the black thirds are cut away"
    tall = pictures.prepare(squares.transpose(0, 2, 1, 3), 96, 64)
    assert tall.shape == (1, 3, 1, 64, 96), "a size that is none of the picture's buckets is covered"


def test_pictures_are_resized_bilinearly():
    """Against torch's, with its antialias; diffusers' preparation would be Lanczos."""
    photo = np.random.default_rng(2).integers(0, 256, (1, 90, 120, 3), dtype=np.uint8)
    found = pictures.prepare(photo, 64, 64)
    whole = torch.from_numpy(photo).permute(0, 3, 1, 2).float()
    resized = torch.nn.functional.interpolate(whole, (64, 85), mode="bilinear", antialias=True)
    expected = resized[:, :, :, 10:74] / 127.5 - 1
    torch.testing.assert_close(found[:, :, 0], expected, rtol=0, atol=1.01 / 127.5)
    lanczos = Image.fromarray(photo[0]).resize((85, 64), Image.Resampling.LANCZOS).crop((10, 0, 74, 64))
    assert np.abs(np.asarray(lanczos) / 127.5 - 1 - found[0, :, 0].permute(1, 2, 0).numpy()).max() > 0.2


class Seen:
    """What a network is given, call by call."""

    def __init__(self, network) -> None:
        self.calls: list[dict] = []
        self._hook = network.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, network, args, kwargs) -> None:
        self.calls.append(kwargs)

    def __enter__(self) -> list[dict]:
        return self.calls

    def __exit__(self, *problem) -> None:
        self._hook.remove()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", NAMES)
def test_numbers_that_the_transformer_is_told_are_those_of_bfloat16_and_float32(loaded, kind, dtype):
    """diffusers rounds the timestep of latent-concat to bfloat16, and tells other guidance in each number format."""
    parts = loaded(kind, dtype)
    recipe = recipe_for(parts, sigmas=(1.0, 0.9545454382896423, 0.4))
    with Seen(parts.transformer) as calls:
        *_, last = run.denoise(recipe, parts, given_to(parts), SeededNoise(3), None)
    assert [call["timestep"].dtype for call in calls] == [torch.float32] * 3
    assert calls[1]["timestep"].item() == float(np.float32(954.5454382896423)), "in bfloat16 it is 956"
    told = {None if call["guidance"] is None else call["guidance"].item() for call in calls}
    assert told == ({None} if kind == "latent-concat" else {6016.0})
    assert {call["hidden_states"].dtype for call in calls} == {parts.transformer.dtype}
    assert last.tensors["latents"].dtype == torch.float32


@pytest.mark.parametrize("kind", NAMES)
def test_latents_are_float32_from_step_to_step_beside_a_bfloat16_transformer(loaded, kind):
    """The steps again with what the transformer said, in float64; the stock pipeline rounds each to bfloat16."""
    parts = loaded(kind, "bfloat16")
    recipe = recipe_for(parts)
    said: list[torch.Tensor] = []
    hook = parts.transformer.register_forward_hook(lambda network, args, output: said.append(output[0].double()))
    states = list(run.denoise(recipe, parts, given_to(parts), SeededNoise(3), None))
    hook.remove()
    x = states[0].tensors["latents"].double()
    levels = [*recipe.sigmas, 0.0]
    begins = 1 if kind == "token-replace" else 0
    for step, v in enumerate(said):
        x[:, :, begins:] += (levels[step + 1] - levels[step]) * v[:, :, begins:]
    found = states[-1].tensors["latents"].double()
    torch.testing.assert_close(found[:, :, begins:], x[:, :, begins:], rtol=0, atol=1e-5)
    rounded = found.bfloat16().double()
    assert (rounded - x)[:, :, begins:].abs().max() > 1e-3


@torch.no_grad()
def test_a_run_of_latent_concat_by_hand(loaded):
    """[noise | picture on the first frame, else 0 | 1 on the first frame, else 0], Euler in float64."""
    parts = loaded("latent-concat")
    recipe, start = start_of(parts, motion="dynamic")
    *_, last = run.denoise(recipe, parts, given_to(parts), SeededNoise(recipe.seed), None)
    frames = (recipe.num_frames + 4 - 1) // 4 + 1
    shape = (1, 4, frames, recipe.height // 8, recipe.width // 8)
    x = SeededNoise(recipe.seed).draw(shape).double()
    beside = torch.zeros(shape)
    beside[:, :, 0] = picture_latents(parts, recipe)[:, :, 0]
    mask = torch.zeros(1, 1, *shape[2:])
    mask[:, :, 0] = 1
    levels = [17 * t / (1 + 16 * t) for t in np.linspace(1, 0, recipe.steps + 1)]
    for t, t_next in itertools.pairwise(levels):
        v = parts.transformer(
            hidden_states=torch.cat([x.float(), beside, mask], 1), timestep=torch.tensor([t * 1000]).float(),
            encoder_hidden_states=start.text.states, encoder_attention_mask=start.text.mask,
            pooled_projections=start.text.pooled, guidance=None, return_dict=False,
        )[0]  # fmt: skip
        x = x + (t_next - t) * v.double()
    torch.testing.assert_close(last.tensors["latents"].double(), x, rtol=0, atol=1e-4)


def tencents(network) -> dict[str, torch.Tensor]:
    """A diffusers transformer's tensors in Tencent's naming: the conversion backwards, on its own."""
    own = dict(network.state_dict())
    named: dict[str, torch.Tensor] = {}

    def take(pattern: str, new: str, *parts: str) -> None:
        for what in ("weight", "bias"):
            if f"{pattern.format(parts[0])}.{what}" in own:
                named[f"{new}.{what}"] = torch.cat([own.pop(f"{pattern.format(part)}.{what}") for part in parts])

    def swapped(old: str, new: str) -> None:
        for what in ("weight", "bias"):
            scale, shift = own.pop(f"{old}.{what}").chunk(2)
            named[f"{new}.{what}"] = torch.cat([shift, scale])

    def mlp(old: str, new: str) -> None:
        take(f"{old}.net.{{}}", f"{new}.fc1", "0.proj")
        take(f"{old}.net.{{}}", f"{new}.fc2", "2")

    def embedder(old: str, new: str, first: str, second: str) -> None:
        take(f"{old}.{{}}", f"{new}.{first}", "linear_1")
        take(f"{old}.{{}}", f"{new}.{second}", "linear_2")

    for block in range(network.config.num_layers):
        old, new = f"transformer_blocks.{block}", f"double_blocks.{block}"
        for stream, mod, ff, qkv, out, norm in (
            ("img", "norm1", "ff", ("to_q", "to_k", "to_v"), "to_out.0", "norm_{}"),
            ("txt", "norm1_context", "ff_context", ("add_q_proj", "add_k_proj", "add_v_proj"), "to_add_out",
             "norm_added_{}"),
        ):  # fmt: skip
            take(f"{old}.attn.{{}}", f"{new}.{stream}_attn_qkv", *qkv)
            take(f"{old}.attn.{{}}", f"{new}.{stream}_attn_proj", out)
            take(f"{old}.{{}}.linear", f"{new}.{stream}_mod.linear", mod)
            for one in "qk":
                take(f"{old}.attn.{{}}", f"{new}.{stream}_attn_{one}_norm", norm.format(one))
            mlp(f"{old}.{ff}", f"{new}.{stream}_mlp")
    for block in range(network.config.num_single_layers):
        old, new = f"single_transformer_blocks.{block}", f"single_blocks.{block}"
        take(f"{old}.{{}}", f"{new}.linear1", "attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
        take(f"{old}.{{}}", f"{new}.linear2", "proj_out")
        take(f"{old}.{{}}.linear", f"{new}.modulation.linear", "norm")
        for one in "qk":
            take(f"{old}.attn.norm_{{}}", f"{new}.{one}_norm", one)
    for block in range(network.config.num_refiner_layers):
        old, new = (
            f"context_embedder.token_refiner.refiner_blocks.{block}",
            f"txt_in.individual_token_refiner.blocks.{block}",
        )
        take(f"{old}.attn.{{}}", f"{new}.self_attn_qkv", "to_q", "to_k", "to_v")
        take(f"{old}.attn.{{}}", f"{new}.self_attn_proj", "to_out.0")
        take(f"{old}.{{}}.linear", f"{new}.adaLN_modulation.1", "norm_out")
        for norm in ("norm1", "norm2"):
            take(f"{old}.{{}}", f"{new}.{norm}", norm)
        mlp(f"{old}.ff", f"{new}.mlp")
    take("{}", "img_in.proj", "x_embedder.proj")
    take("{}", "txt_in.input_embedder", "context_embedder.proj_in")
    embedder("context_embedder.time_text_embed.timestep_embedder", "txt_in.t_embedder", "mlp.0", "mlp.2")
    embedder("context_embedder.time_text_embed.text_embedder", "txt_in.c_embedder", "linear_1", "linear_2")
    embedder("time_text_embed.timestep_embedder", "time_in", "mlp.0", "mlp.2")
    embedder("time_text_embed.guidance_embedder", "guidance_in", "mlp.0", "mlp.2")
    embedder("time_text_embed.text_embedder", "vector_in", "in_layer", "out_layer")
    take("{}", "final_layer.linear", "proj_out")
    swapped("norm_out.linear", "final_layer.adaLN_modulation.1")
    assert not own, sorted(own)
    return named


@pytest.mark.parametrize("kind", NAMES)
def test_a_file_in_tencents_naming_is_the_same_network(loaded, folders, tmp_path, kind):
    parts = loaded(kind)
    file = tmp_path / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tencents(parts.transformer).items()}, file)
    for name in (*load.BESIDE, "image_processor"):
        if (folders(kind) / name).is_dir():
            (tmp_path / name).symlink_to(folders(kind) / name)
    variant = family_of(kind).identify(file)
    assert variant is not None and variant.name == NAMES[kind]
    other = hunyuan_video_i2v.FAMILY if kind == "text" else hunyuan_video.FAMILY
    assert other.identify(file) is None
    again = family_of(kind).load(file, variant, "float32", "cpu")
    for name in convert.transformer_config(read_shapes(file) or {}, kind):
        if name != "rope_axes_dim":  # which no tensor tells: it is that of the published heads
            assert again.transformer.config[name] == parts.transformer.config[name], name
    own = parts.transformer.state_dict()
    for name, tensor in again.transformer.state_dict().items():
        assert torch.equal(tensor, own[name]), name
    assert len(own) == len(again.transformer.state_dict())


@pytest.mark.parametrize("kind", ["token-replace", "latent-concat", "text"])
def test_the_negative_branch_is_read_as_the_positive_one(loaded, stock, kind):
    """Tencent's own negative prompt, a black picture of the same size, and as many tokens of it; stock keeps 288."""
    parts = loaded(kind)
    recipe, start = start_of(parts, true_guidance=3.0)
    assert recipe.negative_prompt == parts.variant.negative_prompt != ""
    assert start.negative is not None and start.negative.states.shape == start.text.states.shape
    more = {}
    if kind != "text":
        every = {"token-replace": 4, "latent-concat": 2}[kind]
        more = {"image": Image.new("RGB", (80, 48)), "image_embed_interleave": every}
    limit = from_options(recipe.options).max_text_tokens
    states, _, mask = stock(kind).encode_prompt(prompt=recipe.negative_prompt, max_sequence_length=limit, **more)
    assert torch.equal(start.negative.states, states)
    assert torch.equal(start.negative.mask, mask.to(start.negative.mask))
    assert recipe_for(parts, true_guidance=3.0, negative_prompt="rain").negative_prompt == "rain"
    assert start_of(parts)[1].negative is None


def blended(tiles: list[torch.Tensor], overlap: int, stride: int) -> torch.Tensor:
    """Tiles of frames, each but the first without its first frame, faded over into the next."""
    faded = [tiles[0]]
    for tile in tiles[1:]:
        tile = tile.clone()
        count = min(overlap, faded[-1].shape[2], tile.shape[2])
        for x in range(count):
            tile[:, :, x] = faded[-1][:, :, x - count] * (1 - x / count) + tile[:, :, x] * (x / count)
        faded.append(tile)
    parts = [faded[0][:, :, : stride + 1], *(tile[:, :, :stride] for tile in faded[1:])]
    return torch.cat(parts, 2)


@torch.no_grad()
def test_clips_are_decoded_in_tiles_of_64_frames_of_which_48_are_new(loaded):
    """diffusers' tiles are of 16 and 12, which is another clip."""
    vae = loaded("text").vae
    z = torch.randn(1, 4, 19, 2, 2, generator=torch.Generator().manual_seed(5))
    found = latents.decode(vae, z * vae.config.scaling_factor)
    tiles = []
    for first in range(0, 19, 12):
        tile = vae.decoder(vae.post_quant_conv(z[:, :, first : first + 17]))
        tiles.append(tile if first == 0 else tile[:, :, 1:])
    expected = blended(tiles, 16, 48)[0, :, : 18 * 4 + 1]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    usual = type(vae).from_config(vae.config)
    usual.load_state_dict(vae.state_dict())
    assert (usual.eval().decode(z).sample[0] - expected).abs().max() > 1e-3


@torch.no_grad()
def test_a_picture_is_encoded_in_one_piece(loaded):
    vae = loaded("text").vae
    pixels = torch.rand(1, 3, 1, 64, 288, generator=torch.Generator().manual_seed(5)) * 2 - 1
    whole = vae.quant_conv(vae.encoder(pixels))[:, :4] * vae.config.scaling_factor
    assert torch.equal(latents.encode(vae, pixels), whole)
    assert vae.use_tiling
    in_tiles = vae.encode(pixels).latent_dist.mode() * vae.config.scaling_factor
    assert (in_tiles - whole).abs().max() > 1e-3


@pytest.mark.parametrize(("num_frames", "k"), [(193, 4), (201, 4), (301, 5), (601, 8), (1001, 8)])
def test_long_clips_turn_once(num_frames, k):
    """Against the formula in float64: temporal frequency k - 1 becomes 0.9 turns over the clip, and no other."""
    usual = HunyuanVideoRotaryPosEmbed(2, 1, (16, 8, 8), 256.0)
    count = (num_frames - 1) // 4 + 1
    transformer = torch.nn.Module()
    transformer.rope = usual
    hidden = torch.zeros(1, 1, count, 4, 6)
    with placed(transformer, num_frames):
        cosines, sines = transformer.rope(hidden)
    assert transformer.rope is usual
    frequencies = 256.0 ** (-np.arange(0, 16, 2) / 16)
    frequencies[k - 1] = 0.9 * 2 * np.pi / count
    angles = np.repeat(np.repeat(np.outer(np.arange(count), frequencies), 2, 1), 6, 0)
    np.testing.assert_allclose(cosines[:, :16], np.cos(angles), rtol=0, atol=3e-5)
    np.testing.assert_allclose(sines[:, :16], np.sin(angles), rtol=0, atol=3e-5)
    stock_cosines, stock_sines = usual(hidden)
    assert torch.equal(cosines[:, 16:], stock_cosines[:, 16:]) and torch.equal(sines[:, 16:], stock_sines[:, 16:])
    assert (cosines[:, :16] - stock_cosines[:, :16]).abs().max() > 0.3


@pytest.mark.parametrize(("num_frames", "is_long"), [(189, False), (193, True)])
def test_clips_of_more_than_192_frames_are_placed_so(loaded, num_frames, is_long):
    parts = loaded("token-replace")
    recipe = dataclasses.replace(recipe_for(parts, sigmas=(1.0,)), num_frames=num_frames, width=16, height=16)
    seen: list[type] = []
    hook = parts.transformer.register_forward_pre_hook(lambda network, _: seen.append(type(network.rope)))
    list(run.denoise(recipe, parts, given_to(parts), SeededNoise(1), None))
    hook.remove()
    assert seen == [LongRope if is_long else HunyuanVideoRotaryPosEmbed]


def test_latent_concat_leaves_its_first_four_frames_away(loaded):
    parts = loaded("latent-concat")
    recipe = recipe_for(parts, sigmas=(1.0,))
    *_, last = run.denoise(recipe, parts, given_to(parts), SeededNoise(1), None)
    assert last.tensors["latents"].shape[2] == (recipe.num_frames + 4 - 1) // 4 + 1
    whole = to_uint8(latents.decode(parts.vae, last.tensors["latents"]))
    assert len(whole) == recipe.num_frames + 4
    assert np.array_equal(run.decode(recipe, parts, last), whole[4:])


STG = {"transformer-block": "block", "attention-values": "values", "attention-skip": "skip"}


def without(network, blocks: tuple[int, ...], mode: str):
    """A copy of a network with parts of blocks left out for good, written down on its own."""
    network = copy.deepcopy(network).double()
    every = [*network.transformer_blocks, *network.single_transformer_blocks]

    def looks_nowhere(attn, hidden_states, encoder_hidden_states, attention_mask=None, image_rotary_emb=None):
        double = hasattr(attn, "add_v_proj") and attn.add_v_proj is not None
        if mode == "attention-values":
            text = (attn.add_v_proj if double else attn.to_v)(encoder_hidden_states)
            hidden_states, encoder_hidden_states = attn.to_v(hidden_states), text
        if double:
            return attn.to_out[0](hidden_states), attn.to_add_out(encoder_hidden_states)
        return hidden_states, encoder_hidden_states

    for index in blocks:
        if mode == "transformer-block":
            every[index].forward = lambda hidden_states, encoder_hidden_states, *rest: (
                hidden_states,
                encoder_hidden_states,
            )
        else:
            every[index].attn.processor = looks_nowhere
    return network


@torch.no_grad()
@pytest.mark.parametrize("mode", STG)
@pytest.mark.parametrize("kind", ["token-replace", "text"])
def test_skip_guidance_and_true_guidance_against_float64(loaded, kind, mode):
    parts = loaded(kind)
    wish = {"stg": 1.5, "stg_blocks": (1, 3), "stg_mode": mode, "rescale": 0.7, "true_guidance": 2.0, "cfg_star": True}
    recipe, start = start_of(parts, **wish)
    recipe = dataclasses.replace(recipe, options={**recipe.options, "zero_steps": 0})
    first = next(iter(run.denoise(recipe, parts, given_to(parts), SeededNoise(3), None)))
    *_, last = run.denoise(
        dataclasses.replace(recipe, sigmas=recipe.sigmas[:1]), parts, given_to(parts), SeededNoise(3), None
    )
    x = first.tensors["latents"].double()
    shown = x.clone()
    if start.picture is not None:
        shown[:, :, :1] = start.picture

    def said(network, words) -> torch.Tensor:
        return network(
            hidden_states=shown, timestep=torch.tensor([1000.0]), encoder_hidden_states=words.states.double(),
            encoder_attention_mask=words.mask, pooled_projections=words.pooled.double(),
            guidance=torch.tensor([6016.0]), return_dict=False,
        )[0]  # fmt: skip

    plain = copy.deepcopy(parts.transformer).double()
    v_t, v_u = said(plain, start.text), said(plain, start.negative)
    v_p = said(without(parts.transformer, (1, 3), mode), start.text)
    v_u = v_u * (v_t * v_u).sum() / (v_u * v_u).sum()
    v = v_u + 2 * (v_t - v_u) + 1.5 * (v_t - v_p)
    v = v * (0.3 * v_t.std() / v.std() + 0.7)
    expected = x - v
    if start.picture is not None:
        expected[:, :, :1] = start.picture
    assert (v_p - v_t).abs().max() > 1e-3
    torch.testing.assert_close(last.tensors["latents"].double(), expected, rtol=0, atol=1e-4)


def saved(frames: np.ndarray, path: Path) -> str:
    Image.fromarray(frames).save(path)
    return str(path)


def test_from_the_request_to_the_frames_and_again(loaded, folders, tmp_path):
    """A picture of 3:2 in its bucket, a LoRA, words beyond the reach of the reader, and each sample alone."""
    module = "Hunyuan_video_I2V_lora_double_blocks_0_img_attn_qkv"
    generator = torch.Generator().manual_seed(1)
    down, up = torch.randn(2, 32, generator=generator), torch.randn(96, 2, generator=generator)
    save_file({f"{module}.lora_down.weight": down, f"{module}.lora_up.weight": up}, tmp_path / "lora.safetensors")
    request = Request(
        prompt=LONG, model=str(folders("token-replace")), image=saved(picture(150, 100)[0], tmp_path / "a.png"),
        motion="dynamic", steps=2, seed=3, n=2, dtype="float32", format="png", sheet=True,
        lora=(f"{tmp_path / 'lora.safetensors'}:0.5",),
    )  # fmt: skip
    resolution = resolve(request)
    recipe = resolution.recipe
    assert (recipe.width, recipe.height, recipe.num_frames, recipe.task) == (96, 64, 5, "image-to-video")
    (note,) = resolution.notes
    told, _, shown = note.partition(" tokens of the prompt; it does not read: ")
    assert told == "the language model reads 28" and shown[1:61] in LONG and shown.endswith("...'")
    both = run_recipe(recipe, lambda _: None)
    for index, frames in enumerate(both):
        assert frames.shape == (5, 64, 96, 3)
        (alone,) = run_recipe(recipe.single(index), lambda _: None)
        assert np.array_equal(alone, frames)
    (without,) = run_recipe(dataclasses.replace(recipe.single(0), loras=()), lambda _: None)
    assert not np.array_equal(without, both[0])
    with pytest.raises(UserError, match="does not draw 128x64"):
        resolve(dataclasses.replace(request, size="128x64"))
    with pytest.raises(UserError, match="--negative changes nothing"):
        resolve(dataclasses.replace(request, negative_prompt="rain"))


@pytest.mark.parametrize("scheduler", SAMPLERS)
@pytest.mark.parametrize("kind", NAMES)
def test_going_on_from_any_step_gives_the_same_bits(loaded, kind, scheduler):
    parts = loaded(kind)
    recipe = recipe_for(parts, scheduler=scheduler, true_guidance=2.0, stg=1.0)
    straight = list(run.denoise(recipe, parts, given_to(parts), SeededNoise(8), None))
    for reached in straight:
        *_, state = run.denoise(recipe, parts, given_to(parts), SeededNoise(8), reached)
        assert state.step == recipe.steps
        for name, tensor in straight[-1].tensors.items():
            assert torch.equal(state.tensors[name], tensor), (reached.step, name)


def test_a_changed_clip_begins_between_itself_and_noise(loaded):
    parts = loaded("text")
    family, variant = family_of("text"), parts.variant
    sampling = family.plan(
        Request(prompt=PROMPT, steps=4, strength=0.5), variant, Shape(64, 64, 9, 8.0), "video-to-video"
    )
    recipe = dataclasses.replace(recipe_for(parts), task="video-to-video", sigmas=sampling.sigmas)
    clip = np.random.default_rng(3).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    start = run.prepare(recipe, parts, [clip], SeededNoise(2))
    frames = clip[[0, 1, 1, 2, 2, 3, 3, 4, 4]]
    with torch.no_grad():
        clean = latents.encode(parts.vae, pictures.prepare(frames, 64, 64))
    share, noise = sampling.sigmas[0], SeededNoise(2).draw(tuple(clean.shape))
    assert len(sampling.sigmas) == 2 and 0.5 < share < 1
    torch.testing.assert_close(start.latents, (1 - share) * clean + share * noise, rtol=0, atol=1e-6)


def test_a_card_that_contradicts_its_weights_is_refused(folders, tmp_path):
    shutil.copytree(folders("latent-concat"), tmp_path / "model")
    card = json.loads((tmp_path / "model" / "praxino.json").read_text())
    (tmp_path / "model" / "praxino.json").write_text(json.dumps({**card, "like": "hunyuan-video-i2v"}))
    with pytest.raises(ModelError, match="of another kind"):
        family_of("latent-concat").identify(tmp_path / "model")


def test_a_transformer_alone_names_what_it_lacks(loaded, tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tencents(loaded("text").transformer).items()}, file)
    variant = family_of("text").identify(file)
    assert variant is not None
    with pytest.raises(ModelError, match=r"no vae, text_encoder, .* is a transformer alone"):
        family_of("text").load(file, variant, "float32", "cpu")


def test_half_precision_beside_a_bfloat16_transformer(loaded):
    parts = loaded("token-replace", "bfloat16")
    assert parts.transformer.dtype == torch.bfloat16
    assert parts.vae.dtype == parts.text_encoder.dtype == parts.text_encoder_2.dtype == torch.float16
    recipe = recipe_for(parts, sigmas=(1.0,))
    *_, state = run.denoise(recipe, parts, given_to(parts), SeededNoise(1), None)
    assert run.decode(recipe, parts, state).std() > 0


@pytest.mark.parametrize("kind", ["token-replace", "text"])
def test_the_first_unread_token_is_the_first_that_changes_nothing(loaded, folders, kind):
    parts = loaded(kind)
    settings = from_options(parts.variant.options)
    template = VIDEO if kind == "text" else VIDEO_FROM_PICTURE
    frame = None if kind == "text" else picture()[0]
    whole = "ab cd ef gh ij kl mn op qr st uv wx yz"
    (note,) = unread_notes(whole, folders(kind), settings, 9)
    unread = note.rpartition("read: ")[2].strip("'")
    assert whole.endswith(unread)
    place = len(whole) - len(unread)
    last_read = len(whole[:place].rstrip()) - 1
    read = text.embed(parts, whole, template, settings, frame).states
    last = text.embed(parts, whole[:last_read] + "#" + whole[last_read + 1 :], template, settings, frame).states
    beyond = text.embed(parts, whole[:place] + "#" * len(unread), template, settings, frame).states
    assert torch.equal(read, beyond)
    assert not torch.equal(read, last)
