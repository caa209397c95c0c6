"""Which task a wish amounts to, and what a model cannot be steered by."""

import numpy as np
import pytest
from PIL import Image

from praxino.engine.conditions import place_sources, read_sources, scaled
from praxino.engine.length import Length
from praxino.engine.tasks import check_steering, task_of
from praxino.errors import UserError
from praxino.families import Grid, families
from praxino.recipe import Pieces
from praxino.request import Request

IMAGES = ("text-to-image", "image-to-image", "inpainting", "outpainting")
STILL = Grid(size_multiple=16, min_side=64, max_side=2048, frame_step=1, max_frames=1)


@pytest.fixture
def drawing(make_variant):
    steering = ("control:canny", "reference", "lora")
    return make_variant(name="drawing", tasks=IMAGES, grid=STILL, num_frames=1, fps=1, steering=steering)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("wish", "task"),
    [
        ({}, "text-to-image"),
        ({"image": "a.png"}, "image-to-image"),
        ({"image": "a.png", "mask": "m.png"}, "inpainting"),
        ({"image": "a.png", "expand": "left=16"}, "outpainting"),
    ],
)
def test_the_pictures_decide_the_task(drawing, wish, task):
    assert task_of(Request(prompt="a cat", **wish), drawing) == task


def test_an_editing_model_takes_a_picture_as_what_to_edit(make_variant):
    editing = make_variant(tasks=("text-to-image", "instruction-editing"), grid=STILL)
    assert task_of(Request(prompt="add a hat", image="a.png"), editing) == "instruction-editing"


def test_a_moving_picture_is_meant_where_the_model_makes_clips(make_variant):
    assert task_of(Request(prompt="bouncing", image="a.png"), make_variant()) == "image-to-video"


def test_a_task_that_the_model_lacks_is_refused_with_those_it_has(make_variant, drawing):
    with pytest.raises(UserError, match=r"toy does not do inpainting; it does text-to-video"):
        task_of(Request(prompt="a", image="a.png", mask="m.png"), make_variant())
    with pytest.raises(UserError, match=r"drawing does not do image-to-video; .*Families that can: .*ltx-video"):
        task_of(Request(prompt="a", first="a.png"), drawing)


def test_a_checkpoint_of_the_same_family_that_can_is_named_first():
    with pytest.raises(
        UserError, match=r"Families that can: wan \(wan2.1-i2v-14b-480p\), animatediff \(animatediff-1.5-3\)"
    ):
        task_of(Request(prompt="a", image="a.png"), families()["wan"].variants["wan2.1-t2v-1.3b"])


def test_what_draws_pictures_is_not_told_of_clips(make_variant):
    filling = make_variant(name="filling", tasks=("inpainting", "outpainting"), grid=STILL)
    with pytest.raises(UserError, match=r"filling does not do text-to-image; .*--mask FILE.*Families that can: .*sdxl"):
        task_of(Request(prompt="a"), filling)
    larger = make_variant(name="larger", tasks=("image-to-image",), grid=STILL)
    with pytest.raises(UserError, match=r"does not do text-to-image; .*Give it a picture: --image FILE\."):
        task_of(Request(prompt="a"), larger)
    sketching = make_variant(name="sketching", tasks=("text-to-image",), grid=STILL)
    with pytest.raises(UserError, match=r"does not do image-to-image; it does text-to-image\. Families"):
        task_of(Request(prompt="a", image="a.png"), sketching)


@pytest.mark.parametrize("wish", [{"mask": "m.png"}, {"expand": "left=16"}])
def test_a_mask_without_a_picture_is_refused(drawing, wish):
    with pytest.raises(UserError, match="add --image FILE"):
        task_of(Request(prompt="a", **wish), drawing)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"control": ("canny",)}, "write KIND=FILE"),
        ({"control": ("depth=a.png",)}, "cannot be steered by control depth. It knows canny."),
        ({"reference": ("a.png",), "reference_use": "style"}, "cannot be steered by reference style"),
        ({"reference_use": "style"}, "add one"),
        ({"control": ("canny=a.png",), "controlnet": ("x", "y")}, "2 times and --control 1 times"),
        ({"spatial_base": "x"}, "cannot be steered by spatial-base"),
        (
            {"upscale": "2x"},
            "--upscale: drawing has no second stage; draw it larger at once, with --size. "
            "Families that can: stable-diffusion (sd-x4-upscaler).",
        ),
        ({"extend": "forward"}, "--extend needs the clip"),
        ({"extend": "forward", "video": "a.mp4"}, "cannot be steered by extend. Families that can: "),
        ({"join": True, "video": "a.mp4"}, "add --extend"),
        ({"join": True, "video": "a.mp4", "extend": "backward"}, "cannot be steered by last-frame"),
        ({"last": "a.png"}, "--last: drawing cannot be steered by last-frame. Families that can: "),
        ({"keyframes": ("a.png@3",)}, "--keyframe: drawing cannot be steered by keyframes. Families that can: "),
        ({"stg": 1.0}, "cannot be steered by stg. Families that can: "),
        ({"cfg_star": True}, "cannot be steered by cfg-zero-star. Families that can: "),
        ({"guider": "cfg-zero-star"}, "--guider cfg-zero-star: drawing cannot be steered by cfg-zero-star"),
        ({"guider": "apg"}, "--guider apg: drawing cannot be steered by apg"),
        ({"motion": "dynamic"}, "--motion: drawing cannot be steered by motion."),
        ({"motion_strength": 0.0}, "--motion-strength: drawing cannot be steered by motion-strength"),
        ({"motion_template": "a.mp4"}, "--motion-template: drawing cannot follow motions. Families that can: "),
        ({"sound": True}, "--sound: drawing cannot be steered by sound"),
        ({"camera": ("pan-left",)}, "drawing draws pictures"),
        ({"strength": 0.3}, "--strength is about a picture or clip: add --image FILE"),
    ],
)
def test_steering_that_the_model_lacks_is_refused(drawing, wish, message):
    with pytest.raises(UserError) as caught:
        check_steering(Request(prompt="a", **wish), drawing)
    assert message in str(caught.value)


def test_steering_that_the_model_knows_passes(drawing):
    check_steering(Request(prompt="a", control=("canny-map=a.png:0.5",), reference=("b.png",)), drawing)


@pytest.mark.parametrize("wish", [{"guider": "cfg"}, {"cfg_star": False}, {"stg": 0.0}, {"sound": False}])
def test_what_is_off_is_no_steering(drawing, wish):
    check_steering(Request(prompt="a", **wish), drawing)


def test_a_picture_grows_by_margins_that_are_drawn_anew(drawing, photo):
    request = Request(prompt="", image=photo, expand="left=16, bottom=32")
    image, mask = read_sources(request, "outpainting", drawing)
    assert image.size == mask.size == (96 + 16, 64 + 32)
    assert (image.role, mask.role) == ("image", "mask")
    assert mask.frames[0, :64, 16:].max() == 0
    assert mask.frames[0, 64:].min() == mask.frames[0, :, :16].min() == 255
    original = np.asarray(Image.open(photo))
    assert np.array_equal(image.frames[0, :64, 16:], original)
    assert np.array_equal(image.frames[0, :64, 0], original[:, 0])


@pytest.mark.parametrize("text", ["", "left", "left=-3", "middle=3", "left=9000", "left=3;right=3"])
def test_margins_must_be_written_as_such(drawing, photo, text):
    with pytest.raises(UserError, match="write SIDE=PIXELS"):
        read_sources(Request(prompt="", image=photo, expand=text or "x"), "outpainting", drawing)


def test_a_mask_of_another_size_is_refused(drawing, photo, tmp_path):
    Image.new("L", (96, 65)).save(tmp_path / "mask.png")
    with pytest.raises(UserError, match=r"96x65 pixels and --image .* 96x64; they must be alike"):
        read_sources(
            Request(prompt="", image=photo, mask=str(tmp_path / "mask.png")), "inpainting", drawing
        )  # fmt: skip


def test_every_given_picture_becomes_a_condition_with_its_role(drawing, photo):
    request = Request(
        prompt="", image=photo, strength=0.4, reference=(f"{photo}:0.5",),
        control=(f"canny={photo}", f"canny-map={photo}:1.5"),
    )  # fmt: skip
    conditions = place_sources(read_sources(request, "image-to-image", drawing), Length(1, Pieces()), 1)
    assert [(c.role, c.strength) for c in conditions] == [
        ("image", 0.4), ("annotate:canny", 1.0), ("control:canny", 1.5), ("reference", 0.5)
    ]  # fmt: skip
    assert all(condition.media.data for condition in conditions)


def test_numbers_after_a_name_are_bounded():
    assert scaled("C:/x.png:0.25", 1, "--reference", 0, 2) == ("C:/x.png", 0.25)
    assert scaled("C:/x.png", 1, "--reference", 0, 2) == ("C:/x.png", 1)
    with pytest.raises(UserError, match="allowed is 0 to 2"):
        scaled("x.png:3", 1, "--reference x.png:3", 0, 2)
