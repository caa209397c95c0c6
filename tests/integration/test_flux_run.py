"""Whole runs on miniatures: resuming, pictures, masks, maps, references, number formats."""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.controlnets.controlnet_flux import FluxControlNetModel
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

from praxino.engine.resolve import resolve
from praxino.engine.run import run as run_recipe
from praxino.errors import ModelError, UserError
from praxino.families import LoopState, Shape, _canny
from praxino.families.flux import FAMILY, latents, maps, preview, text
from praxino.families.flux import run as flux_run
from praxino.families.flux.load import Parts
from praxino.families.flux.miniature import TRANSFORMER
from praxino.families.flux.variants import REDUX
from praxino.plain import from_plain, to_plain
from praxino.recipe import Companion, Recipe
from praxino.request import Request
from praxino.sampling.noise import SeededNoise
from praxino.sampling.samplers import SAMPLERS
from praxino.settings import home

CONTROL_LORA = Path(__file__).parents[1] / "reference" / "flux" / "control_lora.safetensors"
VAE_WEIGHTS = "diffusion_pytorch_model.safetensors"
RNG = np.random.default_rng(2)
PICTURE = RNG.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
OTHER = RNG.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
MASK = np.zeros_like(PICTURE)
MASK[:, :, 32:] = 255


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    @cache
    def made(like: str) -> Path:
        path = tmp_path_factory.mktemp("flux") / like
        FAMILY.miniature(path, like)
        return path

    return made


@pytest.fixture(scope="module")
def loaded(miniature):
    @cache
    def parts(like: str = "flux-dev", dtype: str = "float32") -> Parts:
        variant = FAMILY.identify(miniature(like))
        assert variant is not None
        return FAMILY.load(miniature(like), variant, dtype, "cpu")

    return parts


def recipe_for(parts: Parts, task: str = "text-to-image", roles=(), size=(64, 64), **wish: Any) -> Recipe:
    """A recipe for pictures of these roles, each with its strength after an @."""
    variant = parts.variant
    sampling = FAMILY.plan(Request(prompt="a red cat", **wish), variant, Shape(*size, 1, 1.0), task)
    given = [(role.partition("@")[0], float(role.partition("@")[2] or 1)) for role in roles]
    media = {"source": "", "sha256": "", "data": ""}
    decided = {name: value for name, value in to_plain(sampling).items() if name != "notes"}
    return from_plain(Recipe, {
        "family": "flux", "variant": variant.name, "model": "", "revision": "", "task": task,
        "prompt": "a red cat", "caption": "a red cat", "width": size[0], "height": size[1], "num_frames": 1,
        "fps": 1.0, "guidance": sampling.guidance_phases[0].scale, "seed": 8, "n": 1, "dtype": "float32", "loras": [],
        "conditions": [{"frame": 0, "strength": s, "media": media, "role": role} for role, s in given],
        "encoding": {"format": "png", "loop": 0, "gif": "good", "quality": 90, "codec": "none", "grid": False,
                     "sheet": False},
        **decided,
    })  # fmt: skip


def drawn(parts: Parts, recipe: Recipe, given: list[np.ndarray]) -> torch.Tensor:
    *_, state = FAMILY.denoise(recipe, parts, given, 8)
    return state.tensors["latents"]


def saved_and_loaded(state: LoopState, path: Path) -> LoopState:
    save_file({name: tensor.contiguous() for name, tensor in state.tensors.items()}, path)
    return LoopState(state.step, load_file(path))


RUNS = {
    "flux-dev": ("inpainting", ("image", "mask"), {"true_guidance": 2.0, "negative_prompt": "a dog", "strength": 0.75}),
    "flux-fill": ("outpainting", ("image", "mask"), {}),
    "flux-kontext": ("inpainting", ("image", "mask"), {}),
    "flux-canny": ("text-to-image", ("annotate:canny",), {"control": ("canny=a.png",)}),
    "flux-depth": (
        "inpainting",
        ("image", "mask", "control:depth"),
        {"control": ("depth-map=a.png",), "strength": 0.75},
    ),
    "flux-schnell": ("image-to-image", ("image",), {}),
}


@pytest.mark.parametrize("like", RUNS)
@pytest.mark.parametrize("scheduler", SAMPLERS)
def test_going_on_from_any_step_gives_the_same_bits(loaded, tmp_path, like, scheduler):
    task, roles, wish = RUNS[like]
    parts = loaded(like)
    recipe = recipe_for(parts, task, roles, scheduler=scheduler, steps=4, **wish)
    given = [PICTURE, MASK, OTHER][: len(roles)]
    straight = [
        saved_and_loaded(state, tmp_path / f"{state.step}") for state in FAMILY.denoise(recipe, parts, given, 8)
    ]
    for saved in straight:
        *_, state = FAMILY.denoise(recipe, parts, given, 8, saved)
        assert state.step == recipe.steps
        for name, tensor in straight[-1].tensors.items():
            assert torch.equal(state.tensors[name], tensor), (saved.step, name)


@pytest.mark.parametrize("like", RUNS)
def test_what_is_given_counts_and_consumes_no_seed(loaded, like):
    task, roles, wish = RUNS[like]
    parts = loaded(like)
    recipe = recipe_for(parts, task, roles, steps=2, **{**wish, "strength": wish.get("strength") and 0.5})
    first = next(FAMILY.denoise(recipe, parts, [PICTURE, MASK, OTHER][: len(roles)], 8))
    only_noise = SeededNoise(8)
    only_noise.draw((1, 16, 8, 8))
    assert torch.equal(first.tensors["generator"], only_noise.state())
    one, other = (drawn(parts, recipe, [picture, MASK, OTHER][: len(roles)]) for picture in (PICTURE, OTHER))
    assert not torch.equal(one, other)
    assert torch.equal(one, drawn(parts, recipe, [PICTURE, MASK, OTHER][: len(roles)]))


def test_what_a_mask_does_not_cover_stays_to_the_bit(loaded):
    parts = loaded()
    recipe = recipe_for(parts, "inpainting", ("image", "mask"), steps=3)
    found = latents.unpack(drawn(parts, recipe, [PICTURE, MASK]), 64, 64)
    own = latents.unpack(flux_run.encoded(parts.drawing(), flux_run.pictures.to_pixels(PICTURE[0])), 64, 64)
    assert torch.equal(found[..., :4], own[..., :4])
    assert (found[..., 4:] - own[..., 4:]).abs().min() > 0


def test_a_soft_mask_is_taken_softly(loaded):
    """Neither as black nor as white, in Fill and over a plain checkpoint."""
    for like in ("flux-fill", "flux-dev"):
        parts = loaded(like)
        recipe = recipe_for(parts, "inpainting", ("image", "mask"), steps=2)
        found = [drawn(parts, recipe, [PICTURE, np.full_like(MASK, level)]) for level in (0, 100, 155, 255)]
        assert all(not torch.equal(a, b) for i, a in enumerate(found) for b in found[i + 1 :])


def test_fills_channels_are_the_covered_picture_and_the_masks_pixels(loaded):
    networks = loaded("flux-fill").drawing()
    mask = flux_run.pictures.to_mask(MASK[0])
    channels = flux_run.fill_channels(networks, flux_run.pictures.to_pixels(PICTURE[0]), mask)
    assert channels.shape == (1, 16, 64 + 256)
    assert channels[0, :, 64:].reshape(4, 4, 256).mean(2).tolist() == [[0, 0, 1, 1]] * 4
    changed = PICTURE[0].copy()
    changed[:, 32:] = 7
    again = flux_run.fill_channels(networks, flux_run.pictures.to_pixels(changed), mask)
    assert torch.equal(channels, again), "what the mask covers is not seen"


def test_kontext_is_given_its_picture_in_the_bucket_of_its_aspect(loaded):
    parts = loaded("flux-kontext")
    recipe = recipe_for(parts, "instruction-editing", ("image",), size=(64, 96))
    wide = RNG.integers(0, 256, (1, 50, 110, 3), dtype=np.uint8)
    start = flux_run.prepare(recipe, parts, [wide], SeededNoise(8))
    assert start.beside is not None
    assert torch.equal(start.beside.positions, latents.positions(96, 48, index=1))
    squashed = np.asarray(Image.fromarray(wide[0]).resize((96, 48), Image.Resampling.LANCZOS))
    expected = flux_run.encoded(parts.drawing(), flux_run.pictures.to_pixels(squashed))
    assert torch.equal(start.beside.tokens, expected)
    assert start.tokens.shape[1] == 4 * 6


def test_a_map_on_the_channels_steers_a_picture_that_is_changed(loaded):
    parts = loaded("flux-canny")
    wish = {"control": ("canny-map=a.png",), "steps": 4, "strength": 0.5}
    recipe = recipe_for(parts, "image-to-image", ("image", "control:canny"), **wish)
    start = flux_run.prepare(recipe, parts, [PICTURE, OTHER], SeededNoise(8))
    alone = flux_run.prepare(
        recipe_for(parts, roles=("control:canny",), control=wish["control"], steps=4), parts, [OTHER], SeededNoise(8)
    )
    plain = recipe_for(loaded(), "image-to-image", ("image",), steps=4, strength=0.5)
    assert recipe.sigmas == plain.sigmas and recipe.steps == 2
    own, t = flux_run.encoded(parts.drawing(), flux_run.pictures.to_pixels(PICTURE[0])), recipe.sigmas[0]
    assert start.channels is not None and alone.channels is not None
    assert torch.equal(start.channels, alone.channels)
    assert torch.equal(start.tokens, t * alone.tokens + (1 - t) * own)


def test_kontext_fills_in_what_a_mask_covers_and_sees_the_whole_picture(loaded):
    parts = loaded("flux-kontext")
    recipe = recipe_for(parts, "inpainting", ("image", "mask"), steps=3)
    start = flux_run.prepare(recipe, parts, [PICTURE, MASK], SeededNoise(8))
    editing = recipe_for(parts, "instruction-editing", ("image",), steps=3)
    shown = flux_run.prepare(editing, parts, [PICTURE], SeededNoise(8))
    filling = recipe_for(loaded(), "inpainting", ("image", "mask"), steps=3, strength=1.0)
    held = flux_run.prepare(filling, loaded(), [PICTURE, MASK], SeededNoise(8))
    assert start.beside is not None and shown.beside is not None and start.kept is not None and held.kept is not None
    assert torch.equal(start.beside.tokens, shown.beside.tokens) and torch.equal(start.tokens, shown.tokens)
    for name in ("picture", "noise", "mask"):
        assert torch.equal(getattr(start.kept, name), getattr(held.kept, name))
    found = latents.unpack(drawn(parts, recipe, [PICTURE, MASK]), 64, 64)
    own = latents.unpack(start.kept.picture, 64, 64)
    assert torch.equal(found[..., :4], own[..., :4])
    edited = latents.unpack(drawn(parts, editing, [PICTURE]), 64, 64)
    assert not torch.equal(found[..., 4:], edited[..., 4:])
    assert not torch.equal(found, latents.unpack(drawn(loaded(), filling, [PICTURE, MASK]), 64, 64))


def test_kontext_without_a_picture_draws_as_dev_does(loaded):
    kontext = drawn(loaded("flux-kontext"), recipe_for(loaded("flux-kontext"), steps=2), [])
    dev = drawn(loaded(), recipe_for(loaded(), steps=2, schedule=None), [])
    assert torch.equal(kontext, dev), "the miniatures have the same weights"


def test_an_edge_map_that_is_made_is_the_ready_one(loaded):
    parts = loaded("flux-canny")
    ready = np.repeat(_canny.edges(PICTURE[0], 50, 200)[None, ..., None], 3, axis=3) * np.uint8(255)
    made = drawn(parts, recipe_for(parts, roles=("annotate:canny",), control=("canny=a.png",), steps=2), [PICTURE])
    given = drawn(parts, recipe_for(parts, roles=("control:canny",), control=("canny-map=a.png",), steps=2), [ready])
    assert torch.equal(made, given)


@pytest.fixture(scope="module")
def depth_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("depth")
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, neck_hidden_sizes=[8, 8], reassemble_factors=[2, 1], fusion_hidden_size=8,
        reassemble_hidden_size=16, head_hidden_size=4, head_in_index=-1,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = DepthAnythingForDepthEstimation(config)
        for weight in network.parameters():
            weight.data.normal_(std=0.3)
        network.save_pretrained(folder)
    DPTImageProcessorPil(
        size={"height": 28, "width": 28}, keep_aspect_ratio=True, ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_depth_is_made_as_the_authors_make_it(depth_folder):
    """Their DepthImageEncoder: the network's nearness, resized, over 127.5, less 1."""
    maker = maps.load(depth_folder, torch.device("cpu"))
    photo = RNG.integers(0, 256, (48, 80, 3), dtype=np.uint8)
    network = DepthAnythingForDepthEstimation.from_pretrained(depth_folder)
    given = DPTImageProcessorPil.from_pretrained(depth_folder)(photo, return_tensors="pt")["pixel_values"]
    assert given.shape[-2:] == (28, 42)
    with torch.no_grad():
        near = network(given).predicted_depth[:, None].expand(-1, 3, -1, -1)
        expected = torch.nn.functional.interpolate(near, (48, 80), mode="bicubic", antialias=True) / 127.5 - 1
        assert torch.equal(maps.make("depth", photo, [maker], for_checkpoint=True), expected)
        normalised = maps.make("depth", photo, [maker], for_checkpoint=False)
    assert (normalised.min(), normalised.max()) == (-1, 1)


def test_depth_goes_from_photo_to_picture(loaded, depth_folder):
    parts = loaded("flux-depth")
    recipe = recipe_for(parts, roles=("annotate:depth",), control=("depth=a.png",), steps=2)
    assert [companion.role for companion in recipe.companions] == ["annotator:depth"]
    located = dataclasses.replace(recipe, companions=(Companion("annotator:depth", str(depth_folder)),))
    parts = FAMILY.equip(parts, located)
    assert not torch.equal(drawn(parts, located, [PICTURE]), drawn(parts, located, [OTHER]))
    with pytest.raises(ModelError, match="no readable depth network"):
        FAMILY.equip(parts, dataclasses.replace(recipe, companions=(Companion("annotator:depth", "/nowhere"),)))


def with_companions(recipe: Recipe, **paths: Path) -> Recipe:
    found = tuple(dataclasses.replace(c, path=str(paths[c.role])) for c in recipe.companions)
    return dataclasses.replace(recipe, companions=found)


def test_one_controlnet_may_follow_several_maps(loaded, tmp_path):
    parts = loaded()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
        torch.manual_seed(9)
        config = {name: value for name, value in TRANSFORMER.items() if name != "out_channels"}
        network = FluxControlNetModel(**{**config, "num_layers": 1, "num_single_layers": 1, "num_mode": 7})
        for weight in network.parameters():
            weight.data.normal_(std=0.1)
    network.save_pretrained(tmp_path)
    roles = ("annotate:canny@0.5", "control:depth", "annotate:canny")
    recipe = recipe_for(parts, roles=roles, steps=1, control=("canny=a.png:0.5", "depth-map=b.png", "canny=c.png"))
    recipe = dataclasses.replace(recipe, companions=tuple(Companion(c.role, str(tmp_path)) for c in recipe.companions))
    parts = FAMILY.equip(parts, recipe)
    assert len(parts.companions) == 1
    start = flux_run.prepare(recipe, parts, [PICTURE, OTHER, OTHER], SeededNoise(8))
    assert [(control.kind, control.scale) for control in start.controls] == [("canny", 0.5), ("depth", 1), ("canny", 1)]
    assert len({id(control.network) for control in start.controls}) == 1
    found = drawn(parts, recipe, [PICTURE, OTHER, OTHER])
    assert not torch.equal(found, drawn(parts, recipe, [PICTURE, PICTURE, OTHER]))
    bare = recipe_for(parts, steps=1)
    assert not torch.equal(found, drawn(FAMILY.equip(parts, bare), bare, []))
    assert parts.companions == {}


def test_redux_draws_over_its_base(loaded, miniature):
    parts = loaded("flux-redux")
    with pytest.raises(ModelError, match="base"):
        parts.drawing()
    wish = {"reference": ("a.png",), "steps": 2}
    recipe = with_companions(
        recipe_for(parts, roles=("reference",), **wish), base=miniature("flux-dev"), redux=miniature("flux-redux")
    )
    parts = FAMILY.equip(parts, recipe)
    over_redux = drawn(parts, recipe, [PICTURE])
    plain = loaded()
    beside = with_companions(recipe_for(plain, roles=("reference",), **wish), redux=miniature("flux-redux"))
    max_tokens = {**beside.options, "max_text_tokens": recipe.options["max_text_tokens"]}
    beside = dataclasses.replace(beside, options=max_tokens)
    assert torch.equal(drawn(FAMILY.equip(plain, beside), beside, [PICTURE]), over_redux)
    network = parts.drawing()
    FAMILY.equip(parts, recipe)
    assert parts.drawing() is network, "what is loaded is kept"
    wrong = with_companions(recipe, base=miniature("flux-fill"), redux=miniature("flux-redux"))
    with pytest.raises(ModelError, match="draws from words"):
        FAMILY.equip(parts, wrong)


def test_references_follow_the_text_with_their_weights(loaded, miniature):
    parts = loaded()
    roles = ("reference@0.5", "reference")
    recipe = recipe_for(parts, roles=roles, reference=("a.png:0.5", "b.png"), steps=2)
    recipe = dataclasses.replace(with_companions(recipe, redux=miniature("flux-redux")), caption="")
    parts = FAMILY.equip(parts, recipe)
    with torch.no_grad():
        start = flux_run.prepare(recipe, parts, [PICTURE, OTHER], SeededNoise(8))
        own = text.embed(parts.drawing(), "", 16)
        (reader,) = parts.beside(recipe, "redux")
        seen = [flux_run.redux.embed(reader, picture[0]) for picture in (PICTURE, OTHER)]
    assert own.states.abs().min() > 0, "the empty prompt is read, not zeros"
    assert torch.equal(start.text.states, torch.cat((own.states, 0.5 * seen[0], seen[1]), dim=1))
    assert torch.equal(start.text.pooled, own.pooled)
    swapped = drawn(parts, recipe, [OTHER, PICTURE])
    assert not torch.equal(drawn(parts, recipe, [PICTURE, OTHER]), swapped)


def test_a_preview_knows_colours_from_the_vae_alone():
    """A VAE that is known: two of its channels are brightness, one is redness, the rest see nothing."""

    class Vae:
        device = torch.device("cpu")
        config = SimpleNamespace(shift_factor=0.1, scaling_factor=2.0)

        def encode(self, pixels):
            small = torch.nn.functional.avg_pool2d(pixels, 8)
            grey = small.mean(1, keepdim=True)
            channels = [grey, small[:, :1], -grey, small[:, 1:2], torch.zeros_like(grey) + 3]
            return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: torch.cat(channels, 1)))

    fitted = preview.fit(Vae())
    colours = torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(1)) * 2 - 1
    pixels = colours.repeat_interleave(8, 2).repeat_interleave(8, 3)
    tokens = (Vae().encode(pixels).latent_dist.mode() - 0.1) * 2
    found = preview.draw(fitted, tokens)
    expected = ((colours[0] / 2 + 0.5) * 255).permute(1, 2, 0).numpy()
    assert found.shape == (4, 5, 3)
    assert np.abs(found - expected).max() < 3


def test_larger_previews_are_an_eighth_and_made_without_decoding(loaded, monkeypatch):
    parts = loaded()
    recipe = recipe_for(parts, size=(128, 192), steps=2)
    states = list(FAMILY.denoise(recipe, parts, [], 8))
    monkeypatch.setattr(latents, "decode", None)
    shown = [FAMILY.preview(recipe, parts, state) for state in states]
    assert {picture.shape for picture in shown} == {(24, 16, 3)}
    assert not np.array_equal(shown[0], shown[-1])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_run_keeps_its_number_format(loaded, dtype):
    parts = loaded("flux-kontext", dtype)
    recipe = recipe_for(parts, "instruction-editing", ("image",), steps=2)
    *_, state = FAMILY.denoise(recipe, parts, [PICTURE], 8)
    assert str(state.tensors["latents"].dtype) == f"torch.{dtype}"
    assert parts.drawing().vae.dtype == torch.float32
    frames = FAMILY.decode(recipe, parts, state)
    assert frames.shape == (1, 64, 64, 3)
    assert frames.std() > 0


def save(picture: np.ndarray, path: Path) -> str:
    Image.fromarray(picture).save(path)
    return str(path)


def test_from_the_request_to_the_frames_and_again(miniature, tmp_path):
    photo = RNG.integers(0, 256, (80, 112, 3), dtype=np.uint8)
    mask = np.zeros_like(photo)
    mask[20:50] = 200
    request = Request(
        prompt="cat " * 30, model=str(miniature("flux-fill")), image=save(photo, tmp_path / "photo.png"),
        mask=save(mask, tmp_path / "mask.png"), steps=2, seed=3, n=2, dtype="float32", format="png",
    )  # fmt: skip
    resolution = resolve(request)
    recipe = resolution.recipe
    assert (recipe.width, recipe.height, recipe.task) == (112, 80, "inpainting"), "in its own size"
    assert [note.split(" reads")[0] for note in resolution.notes] == ["CLIP", "T5"]
    both = run_recipe(recipe, lambda _: None)
    assert [frames.shape for frames in both] == [(1, 80, 112, 3)] * 2
    for index, frames in enumerate(both):
        (alone,) = run_recipe(recipe.single(index), lambda _: None)
        assert np.array_equal(alone, frames)
    with pytest.raises(UserError, match="multiple of 16"):
        resolve(dataclasses.replace(request, size="100x80"))


def test_a_reference_gives_its_look_and_not_its_size(miniature, tmp_path):
    kept = home() / "models" / REDUX.replace("/", "--")
    shutil.copytree(miniature("flux-redux"), kept)
    tall = save(RNG.integers(0, 256, (300, 100, 3), dtype=np.uint8), tmp_path / "tall.png")
    request = Request(
        model=str(miniature("flux-dev")), reference=(f"{tall}:0.5",), steps=1, seed=3, dtype="float32", format="png"
    )
    recipe = resolve(request).recipe
    assert (recipe.width, recipe.height) == (64, 64)
    assert [(c.role, c.path) for c in recipe.companions] == [("redux", REDUX)]
    (frames,) = run_recipe(recipe, lambda _: None)
    assert frames.shape == (1, 64, 64, 3)


def test_a_control_lora_has_its_authors_scale_unless_told_otherwise(miniature, tmp_path, monkeypatch):
    monkeypatch.setattr("praxino.weights.widths.check", lambda *_: None)  # the file is of another miniature's widths
    photo = save(PICTURE[0], tmp_path / "photo.png")
    request = Request(
        prompt="a cat", model=str(miniature("flux-dev")), control=(f"canny={photo}",), lora=(str(CONTROL_LORA),),
        format="png",
    )  # fmt: skip
    recipe = resolve(request).recipe
    assert (recipe.loras[0].scale, recipe.guidance, recipe.companions) == (0.85, 30.0, ())
    pulled = home() / "models" / "black-forest-labs--FLUX.1-Canny-dev-lora"
    pulled.mkdir(parents=True)
    shutil.copy(CONTROL_LORA, pulled)
    by_name = resolve(dataclasses.replace(request, lora=("black-forest-labs/FLUX.1-Canny-dev-lora",))).recipe
    assert (by_name.loras[0].scale, by_name.guidance, by_name.companions) == (0.85, 30.0, ())
    told = resolve(dataclasses.replace(request, lora=(f"{CONTROL_LORA}:0.4",))).recipe
    assert told.loras[0].scale == 0.4
    with pytest.raises(UserError, match="is no LoRA for FLUX"):
        resolve(dataclasses.replace(request, lora=(str(miniature("flux-dev") / "vae" / VAE_WEIGHTS),)))
