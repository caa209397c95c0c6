from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.engine.tasks import check_steering, task_of
from praxino.errors import UserError
from praxino.families import Sampling, Shape
from praxino.families.flux import FAMILY
from praxino.families.flux.variants import CONTROL_UNION, DEPTH_ANYTHING, PUBLISHED, REDUX
from praxino.recipe import Companion
from praxino.request import Request
from praxino.sampling import schedules

CONTROL_LORA = Path(__file__).parents[2] / "reference" / "flux" / "control_lora.safetensors"


def plan(name="flux-dev", task="text-to-image", size=(1360, 768), **wish) -> Sampling:
    return FAMILY.plan(Request(prompt="a cat", **wish), PUBLISHED[name], Shape(*size, 1, 1.0), task)


@pytest.mark.parametrize("name", ["flux-dev", "flux-krea"])
def test_levels_are_the_authors_for_the_size(name):
    sampling = plan(name)
    assert (sampling.schedule, sampling.sigmas) == ("flux", schedules.flux(50, 4080))
    assert plan(name, size=(1024, 1024), steps=28).sigmas == schedules.flux(28, 4096)


def test_schnell_is_not_shifted():
    assert plan("flux-schnell").sigmas == (1.0, 0.75, 0.5, 0.25)
    assert plan("flux-dev", schedule="uniform", steps=4).sigmas == (1.0, 0.75, 0.5, 0.25)


@pytest.mark.parametrize(
    ("name", "wish", "guidance"),
    [
        ("flux-dev", {}, 2.5),
        ("flux-dev", {"guidance": 3.5}, 3.5),
        ("flux-schnell", {}, 1.0),
        ("flux-canny", {"control": ("canny-map=a.png",)}, 30.0),
        ("flux-depth", {"control": ("depth=a.png",)}, 10.0),
        ("flux-dev", {"control": ("canny=a.png",)}, 2.5),
        ("flux-dev", {"control": ("canny=a.png",), "lora": (str(CONTROL_LORA),)}, 30.0),
        ("flux-dev", {"control": ("depth=a.png",), "lora": (f"{CONTROL_LORA}:0.5",)}, 10.0),
    ],
)
def test_guidance(name, wish, guidance):
    assert plan(name, **wish).guidance_phases[0].scale == guidance


def test_true_guidance_reads_the_negative_prompt():
    sampling = plan(true_guidance=2.0, negative_prompt="a dog")
    assert (sampling.options["true_guidance"], sampling.negative_prompt) == (2.0, "a dog")
    assert plan().options["true_guidance"] == 1.0


@pytest.mark.parametrize(
    ("wish", "count", "first"),
    [
        ({}, 41, 9),  # int((1 - 0.8) * 50) is 9, as in the authors' code
        ({"strength": 0.5}, 25, 25),
        ({"strength": 1.0}, 50, 0),
        ({"strength": 0.02}, 1, 49),
        ({"steps": 4}, 3, 1),
        ({"steps": 1}, 1, 0),
        ({"steps": 4, "strength": 0.75}, 3, 1),
    ],
)
def test_a_picture_skips_the_levels_that_are_above_its_strength(wish, count, first):
    steps = wish.get("steps", 50)
    sampling = plan(task="image-to-image", **wish)
    assert sampling.steps == count
    assert sampling.sigmas == schedules.flux(steps, 4080)[first:]


def test_schnell_keeps_something_of_a_picture():
    assert plan("flux-schnell", "image-to-image").sigmas == (0.75, 0.5, 0.25)


def test_given_levels_are_run_as_they_are():
    sampling = plan(task="image-to-image", sigmas=(0.6, 0.3))
    assert (sampling.schedule, sampling.sigmas) == ("explicit", (0.6, 0.3))


REFUSED = [
    ({"size": (1000, 768)}, "width 1000 is not a multiple of 16; .* 992 and 1008"),
    ({"size": (1360, 8)}, "height 8 is not"),
    ({"scheduler": "ddim"}, "ddim; FLUX.1 is sampled with euler, dpm"),
    ({"schedule": "sd3"}, "sd3; FLUX.1 is sampled with uniform or linear-quadratic"),
    ({"stg": 1.0}, "--stg changes nothing"),
    ({"cfg_star": True}, "--cfg-star changes nothing"),
    ({"rescale": 0.7}, "--rescale changes nothing"),
    ({"negative_prompt": "a dog"}, "--true-guidance 2"),
    ({"name": "flux-schnell", "guidance": 3.0}, "takes none"),
    ({"strength": 0.5}, "--strength changes nothing"),
    ({"name": "flux-fill", "task": "inpainting", "strength": 0.5}, "--strength changes nothing"),
    ({"name": "flux-kontext", "task": "instruction-editing", "strength": 0.5}, "--strength changes nothing"),
    ({"name": "flux-kontext", "task": "inpainting", "strength": 0.5}, "--strength changes nothing"),
    ({"task": "image-to-image", "strength": 0.0}, "no step would be run"),
    ({"task": "image-to-image", "strength": 0.9, "steps": 4}, "starts from noise alone.*\n.*0.75 or less"),
    ({"task": "image-to-image", "strength": 0.9, "sigmas": (0.5,)}, "exclude each other"),
    ({"name": "flux-canny"}, "follows one map here, got 0: give --control canny=FILE once"),
    ({"name": "flux-depth", "control": ("canny=a.png",)}, "does not follow canny maps; it follows depth"),
    ({"name": "flux-canny", "control": ("canny=a.png", "canny=b.png")}, "got 2"),
    ({"name": "flux-canny", "control": ("canny=a.png:0.5",)}, "follows a map wholly"),
    ({"name": "flux-canny", "control": ("canny=a.png",), "controlnet": ("x",)}, "--controlnet changes nothing"),
    ({"control": ("pose=a.png",)}, "no pose maps;.*pose-map=FILE"),
    ({"lora": (str(CONTROL_LORA),)}, "follows one map here, got 0: give .*canny=FILE or --control depth=FILE"),
    ({"name": "flux-redux"}, "add --reference FILE"),
    ({"lora_blocks": "a.*"}, "add --lora"),
]


@pytest.mark.parametrize(("wish", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_is_refused_with_the_fix(wish, words):
    with pytest.raises(UserError, match=f"(?s){words}"):
        plan(**wish)


def test_fill_without_a_mask_is_refused_before_anything_is_planned():
    with pytest.raises(UserError, match="it does inpainting, outpainting"):
        task_of(Request(prompt="a cat"), PUBLISHED["flux-fill"])
    with pytest.raises(UserError, match=r"it does inpainting, outpainting.*--mask FILE"):
        task_of(Request(prompt="a cat", image="a.png"), PUBLISHED["flux-fill"])


def test_kontext_draws_from_words_alone():
    assert task_of(Request(prompt="a cat"), PUBLISHED["flux-kontext"]) == "text-to-image"
    assert plan("flux-kontext", size=(1024, 1024)).steps == 30
    assert task_of(Request(prompt="a cat", image="a.png"), PUBLISHED["flux-kontext"]) == "instruction-editing"


@pytest.mark.parametrize(
    ("name", "wish", "companions"),
    [
        ("flux-dev", {}, []),
        ("flux-dev", {"reference": ("a.png", "b.png:0.5")}, [("redux", REDUX)]),
        ("flux-schnell", {"reference": ("a.png",), "ip_adapter": "mine"}, [("redux", "mine")]),
        ("flux-redux", {"reference": ("a.png",)}, [("base", "flux-dev"), ("redux", REDUX)]),
        ("flux-dev", {"control": ("canny=a.png",)}, [("controlnet:canny", CONTROL_UNION)]),
        (
            "flux-dev",
            {"control": ("depth=a.png", "pose-map=b.png"), "controlnet": ("one", "two")},
            [("controlnet:depth", "one"), ("controlnet:pose", "two"), ("annotator:depth", DEPTH_ANYTHING)],
        ),
        ("flux-depth", {"control": ("depth-map=a.png",)}, []),
        ("flux-depth", {"control": ("depth=a.png",)}, [("annotator:depth", DEPTH_ANYTHING)]),
        ("flux-canny", {"control": ("canny=a.png",)}, []),
        ("flux-dev", {"control": ("canny=a.png",), "lora": (str(CONTROL_LORA),)}, []),
    ],
)
def test_companions(name, wish, companions):
    request = Request(prompt="a cat", **wish)
    check_steering(request, PUBLISHED[name])
    assert list(plan(name, **wish).companions) == [Companion(*companion) for companion in companions]


def test_a_control_lora_is_laid_with_its_authors_scale(tmp_path):
    assert FAMILY.check_lora(CONTROL_LORA) == 0.85
    plain = {
        f"transformer.{layer}.lora_{role}.weight": np.zeros(shape, np.float32)
        for layer, width in (("x_embedder", 64), ("proj_out", 48))
        for role, shape in (("A", (2, width)), ("B", (64, 2)))
    }
    save_file(plain, tmp_path / "plain.safetensors")
    assert FAMILY.check_lora(tmp_path / "plain.safetensors") is None
