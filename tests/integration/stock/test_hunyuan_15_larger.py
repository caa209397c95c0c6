"""HunyuanVideo 1.5's second stage, by numbers of Tencent's own pipeline (tests/reference/hunyuan_video_15)."""

from __future__ import annotations

import dataclasses
import json
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from praxino.engine.geometry import resolve_upscale
from praxino.engine.resolve import resolve
from praxino.errors import ModelError, UserError
from praxino.families import Shape
from praxino.families.hunyuan_video_15 import FAMILY, enlarge, larger, upsamplers
from praxino.families.hunyuan_video_15.miniature import write_larger
from praxino.families.hunyuan_video_15.variants import PUBLISHED
from praxino.plain import from_plain, to_plain
from praxino.recipe import Companion, Condition, Encoding, Media, Recipe
from praxino.request import Request
from praxino.weights import catalog
from praxino.weights.importing import take_in

REFERENCE = Path(__file__).parents[2] / "reference" / "hunyuan_video_15"
TOLERANCE = 2e-5
STEPS, SEED, FRAMES = 2, 5, 5
LIKE = {"text-to-video": "hunyuan-video-1.5-480p", "image-to-video": "hunyuan-video-1.5-480p-i2v"}
PICTURE = np.random.default_rng(4).integers(0, 256, (1, 60, 110, 3), dtype=np.uint8)
SMALL, LARGE = (64, 64), (96, 96)


@cache
def noted() -> dict:
    return json.loads((REFERENCE / "networks.json").read_text())


@cache
def arrays() -> dict[str, torch.Tensor]:
    with np.load(REFERENCE / "arrays.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def drawn(name: str, shape: list[int]) -> torch.Tensor:
    """The weight of a name in Tencent's networks, as it was when the numbers were taken."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    is_scale = ("norm" in name and name.endswith(".weight") and len(shape) == 1) or name.endswith("gamma")
    return torch.randn(shape, generator=generator) * 0.2 + float(is_scale)


def weights(network: str, without: str = "-") -> dict[str, torch.Tensor]:
    names = noted()[network]["names"]
    return {name: drawn(name, shape) for name, shape in names.items() if not name.startswith(without)}


@pytest.mark.parametrize("kind", ["720p", "1080p"])
def test_upsamplers_compute_what_tencents_compute(kind):
    network = upsamplers.filled(noted()[f"upsampler_{kind}"]["config"], weights(f"upsampler_{kind}"))
    with torch.no_grad():
        found = network(arrays()["resized"])
        stretched = enlarge.sharpened(network, arrays()["small"], (6, 6))
    torch.testing.assert_close(found, arrays()[f"upsampled_{kind}"], rtol=TOLERANCE, atol=TOLERANCE)
    assert torch.equal(stretched, found)


def started(task: str) -> enlarge.Start:
    """What Tencent's run began with."""
    found = arrays()
    shown = 0.3 * found[f"{task}_upsampled"] + 0.7 * found[f"{task}_lq_noise"]
    condition, seen = torch.zeros(1, 5, 2, 6, 6), torch.zeros(1, 3, 12)
    if task == "i2v":
        condition[:, :4, :1], condition[:, 4, 0], seen = found["image_latent"], 1, found["vision"]
    inputs = {
        "encoder_hidden_states": found["ctx"], "encoder_attention_mask": found["mask"],
        "encoder_hidden_states_2": found["byt5"], "encoder_attention_mask_2": found["byt5_mask"],
        "image_embeds": seen,
    }  # fmt: skip
    return enlarge.Start(found[f"{task}_noise"], shown, condition, inputs)


@pytest.mark.parametrize(("task", "without"), [("t2v", "-"), ("i2v", "time_r_in.")])
def test_every_step_is_tencents(task, without, monkeypatch):
    """Words alone with a mean flow's second time, a picture without; the small clip is shown in the first three."""
    network = enlarge.transformer_of(noted()["transformer"]["config"], weights("transformer", without), torch.float32)
    network.eval()
    assert network.config.use_meanflow == (task == "t2v")
    wanted = arrays()[f"{task}_steps"]
    for latents, expected in zip(enlarge.denoise(network, started(task), 6), wanted, strict=True):
        torch.testing.assert_close(latents, expected, rtol=1e-4, atol=TOLERANCE)
    *_, resumed = enlarge.denoise(network, dataclasses.replace(started(task), latents=wanted[2]), 6, step=3)
    torch.testing.assert_close(resumed, wanted[-1], rtol=1e-4, atol=TOLERANCE)
    monkeypatch.setattr(larger, "SEEN_FROM", 0.0)
    *_, always = enlarge.denoise(network, started(task), 6)
    assert (always - wanted[-1]).abs().max() > 0.01, "showing the small clip to the end is another run"


@pytest.mark.parametrize("side", [640, 960])
def test_each_size_becomes_tencents(side):
    wanted = {tuple(small): tuple(large) for small, large in noted()["larger"][str(side)]}
    assert larger.sizes(side) == wanted


def shape_for(variant, upscale: str, size: tuple[int, int]) -> Shape:
    return Shape(*size, FRAMES, 24.0, resolve_upscale(upscale, size, variant.grid))


def test_what_cannot_be_enlarged_is_told():
    variant = PUBLISHED["hunyuan-video-1.5-480p"]
    plan = FAMILY.plan(Request(prompt="x"), variant, shape_for(variant, "1280x720", (848, 480)), "text-to-video")
    assert plan.steps == 56 and plan.options["larger"] == {"first_steps": 50, "side": 960}
    names = [f"tencent/HunyuanVideo-1.5/{folder}/720p_sr_distilled" for folder in ("transformer", "upsampler")]
    assert [one.path for one in plan.companions] == names
    with pytest.raises(UserError, match="makes 1280x720 of 848x480, not 1696x960; give --upscale 1280x720"):
        FAMILY.plan(Request(prompt="x"), variant, shape_for(variant, "2x", (848, 480)), "text-to-video")
    with pytest.raises(UserError, match=r"not 864x640; the nearest are 864x464, 848x480"):
        FAMILY.plan(Request(prompt="x"), variant, shape_for(variant, "1280x720", (864, 640)), "text-to-video")
    tall = PUBLISHED["hunyuan-video-1.5-720p"]
    plan = FAMILY.plan(Request(prompt="x"), tall, shape_for(tall, "1904x1072", (1280, 720)), "text-to-video")
    assert plan.steps == 58 and plan.companions[0].path.endswith("1080p_sr_distilled")


@pytest.mark.parametrize("name", PUBLISHED)
def test_half_as_long_again_is_made_of_every_size(name):
    variant = PUBLISHED[name]
    for size, made in variant.grid.enlarged().items():
        shape = shape_for(variant, "1.5x", size)
        assert shape.upscale == made
        FAMILY.plan(Request(prompt="x"), variant, shape, variant.tasks[0])
    assert shape_for(variant, "2k", (1280, 720)).upscale == ((1904, 1072) if "720p" in name else (2048, 1152))


def test_what_a_factor_became_is_told():
    wish = Request(prompt="x", model="hunyuan-video-1.5-720p", upscale="2k", size="9:16")
    found = resolve(wish, here=False)
    assert found.recipe.upscale == (1072, 1904)
    assert {"9:16 is drawn as 720x1280", "--upscale 2k draws 1072x1904 of 720x1280"} <= {*found.notes}


def test_a_picture_is_cut_as_tencent_cut_it():
    assert larger.vision_size(1280, 720, 960) == (1280, 720)
    assert larger.vision_size(720, 1280, 960) == (720, 1280)
    covered = enlarge.covering(PICTURE[0], 96, 96)
    assert covered.size == (96, 96)
    whole = np.array(enlarge.covering(PICTURE[0], 110, 60))
    assert np.array_equal(whole, PICTURE[0])


@pytest.fixture(scope="module")
def networks(tmp_path_factory) -> tuple[Companion, ...]:
    folder = tmp_path_factory.mktemp("larger")
    write_larger(folder)
    roles = {larger.TRANSFORMER: "transformer", larger.UPSAMPLER: "upsampler"}
    return tuple(Companion(role, str(folder / name)) for role, name in roles.items())


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    @cache
    def read(task: str):
        folder = tmp_path_factory.mktemp(task)
        FAMILY.miniature(folder, LIKE[task])
        variant = FAMILY.identify(folder)
        assert variant is not None and "upscale" in variant.steering
        return folder, FAMILY.load(folder, variant, "float32", "cpu")

    return read


def recipe_for(parts, companions: tuple[Companion, ...] = (), **wish) -> Recipe:
    task = parts.variant.tasks[0]
    upscale = LARGE if companions else ()
    request = Request(prompt='a sign "moon"', steps=STEPS, **wish)
    sampling = FAMILY.plan(request, parts.variant, Shape(*SMALL, FRAMES, 24.0, upscale), task)
    decided = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    del decided["notes"]
    shown = (Condition(0, 1.0, Media("given", "", "")),) if task == "image-to-video" else ()
    return Recipe(
        family=FAMILY.name, variant=parts.variant.name, model="miniature", revision="", task=task,
        prompt='a sign "moon"', caption='a sign "moon"', width=SMALL[0], height=SMALL[1], num_frames=FRAMES, fps=24.0,
        guidance=sampling.guidance_phases[0].scale, seed=SEED, n=1, dtype="float32", conditions=shown, loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False), upscale=upscale,
        **{**decided, "companions": companions},
    )  # fmt: skip


@pytest.mark.parametrize("task", LIKE)
def test_both_stages_are_one_run_that_goes_on_from_any_step(loaded, networks, task):
    _, parts = loaded(task)
    recipe = recipe_for(parts, networks, guidance=1.0)
    assert from_plain(Recipe, to_plain(recipe)) == recipe
    pictures = [PICTURE] if recipe.conditions else []
    FAMILY.equip(parts, recipe)
    states = list(FAMILY.denoise(recipe, parts, pictures, SEED))
    assert [state.step for state in states] == list(range(STEPS + 6 + 1))
    wanted = FAMILY.decode(recipe, parts, states[-1])
    assert wanted.shape == (FRAMES, LARGE[1], LARGE[0], 3)
    for state in (states[1], states[STEPS], states[STEPS + 4]):
        saved = dataclasses.replace(state, tensors={name: tensor.clone() for name, tensor in state.tensors.items()})
        going = list(FAMILY.denoise(recipe, parts, pictures, SEED, saved))
        assert [later.step for later in going] == list(range(state.step, STEPS + 6 + 1))
        assert np.array_equal(FAMILY.decode(recipe, parts, going[-1]), wanted), state.step
    sizes = [FAMILY.preview(recipe, parts, state).shape for state in (states[0], states[STEPS], states[-1])]
    assert sizes == [(4, 4, 3), (4, 4, 3), (6, 6, 3)]


def test_the_first_stage_is_what_is_drawn_without_the_second(loaded, networks):
    _, parts = loaded("text-to-video")
    both, alone = (recipe_for(parts, companions, guidance=1.0) for companions in (networks, ()))
    FAMILY.equip(parts, both)
    small = list(FAMILY.denoise(both, parts, [], SEED))[STEPS]
    FAMILY.equip(parts, alone)
    assert enlarge.NETWORKS not in parts.kept
    *_, last = FAMILY.denoise(alone, parts, [], SEED)
    assert torch.equal(small.tensors["latents"], last.tensors["latents"])
    assert FAMILY.decode(alone, parts, last).shape == (FRAMES, SMALL[1], SMALL[0], 3)


def test_damaged_networks_are_told(loaded, networks, tmp_path):
    _, parts = loaded("text-to-video")
    transformer, upsampler = networks
    wrong = (transformer, dataclasses.replace(upsampler, path=transformer.path))
    with pytest.raises(ModelError, match="damaged or incomplete"):
        FAMILY.equip(parts, recipe_for(parts, wrong))
    assert enlarge.NETWORKS not in parts.kept


def test_in_bfloat16_latents_stay_float32(tmp_path, networks):
    FAMILY.miniature(tmp_path, LIKE["text-to-video"])
    variant = FAMILY.identify(tmp_path)
    assert variant is not None
    parts = FAMILY.load(tmp_path, variant, "bfloat16", "cpu")
    recipe = dataclasses.replace(recipe_for(parts, networks), dtype="bfloat16")
    FAMILY.equip(parts, recipe)
    *_, last = FAMILY.denoise(recipe, parts, [], SEED)
    assert last.tensors["latents"].dtype == torch.float32
    assert FAMILY.decode(recipe, parts, last).shape == (FRAMES, LARGE[1], LARGE[0], 3)


def test_networks_are_found_under_tencents_names(networks):
    plan = larger.REPOSITORY
    for companion, folder in zip(networks, ("transformer", "upsampler"), strict=True):
        name = f"{plan}/{folder}/720p_sr_distilled"
        take_in(Path(companion.path), name.replace("/", "--"))
        assert (catalog.locate(name) / "config.json").is_file()
