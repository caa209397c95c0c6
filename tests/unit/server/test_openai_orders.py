import pytest

from praxino.errors import UserError
from praxino.request import Request
from praxino.server.inputs import Upload
from praxino.server.openai import image_order, video_order
from praxino.server.openai.errors import Refusal
from praxino.server.openai.image_order import Cut
from praxino.weights import catalog


@pytest.fixture(scope="module")
def clips():
    """The bundled model's variant: it draws clips only."""
    return catalog.identify(catalog.bundled_folder() / "pocket").variant


@pytest.fixture(scope="module")
def pictures():
    """A variant that draws pictures."""
    return catalog.published()["flux-dev"]


def read(body, variant, *pictures, mask=""):
    return image_order.read_order({"prompt": "a cat", **body}, "m", variant, pictures, mask)


def test_a_model_of_pictures_draws_them_in_the_format_wanted(pictures):
    order = read({"n": 2, "size": "512x512", "output_format": "jpeg", "output_compression": 0}, pictures)
    assert order.request == Request("a cat", "m", n=2, size="512x512", format="jpeg", lossy_quality=1)
    assert order.cut.frame == "file" and not order.stream and not order.as_links


def test_a_model_of_clips_gives_a_frame_of_its_clip(clips):
    order = read({"size": "auto", "output_format": "webp", "output_compression": 70}, clips)
    assert (order.request, order.cut) == (Request("a cat", "m", format="png"), Cut("first", "webp", 70))
    order = read({}, clips, "upload_1")
    assert (order.request.image, order.cut) == ("upload_1", Cut("last", "png", 90))


def test_a_gif_is_the_clip_itself(clips):
    order = read({"output_format": "gif", "frame_count": 9, "frame_duration_ms": 50}, clips)
    assert (order.request, order.cut.frame) == (Request("a cat", "m", format="gif", frames=9, fps=20.0), "file")


def test_further_pictures_are_references(pictures):
    order = read({}, pictures, "upload_1", "upload_2", mask="upload_3")
    assert order.request == Request(
        "a cat", "m", format="png", image="upload_1", reference=("upload_2",), mask="upload_3"
    )


def test_what_has_no_counterpart_is_left_alone(pictures):
    ignored = {"quality": "hd", "user": "u", "moderation": "low", "style": "vivid", "input_fidelity": "high"}
    assert read({**ignored, "background": "auto"}, pictures).request == Request("a cat", "m", format="png")


def test_fields_of_a_request_can_be_added(pictures):
    more = {"seed": "7", "guidance": 2.5, "steps": "4", "sigmas": None, "negative_prompt": "", "loras": [
        {"path": "ink", "scale": 0.5}, {"path": "clay"}]}  # fmt: skip
    assert read(more, pictures).request == Request(
        "a cat", "m", format="png", seed=7, guidance=2.5, steps=4, lora=("ink:0.5", "clay")
    )


def test_a_transparent_background(clips):
    order = read({"background": "transparent", "output_format": "webp"}, clips)
    assert order.request == Request("a cat", "m", format="png", transparent=True)
    assert (order.background, read({}, clips).background) == ("transparent", "opaque")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": "green"}, "background"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": "two"}, "n"),
        ({"n": True}, "n"),
        ({"output_format": "bmp"}, "output_format"),
        ({"output_compression": 50}, "output_compression"),
        ({"output_format": "webp", "output_compression": 101}, "output_compression"),
        ({"stream": "maybe"}, "stream"),
        ({"stream": True, "output_format": "gif"}, "stream"),
        ({"partial_images": 4}, "partial_images"),
        ({"frame_count": 4}, "frame_count"),
        ({"response_format": "text"}, "response_format"),
        ({"size": 64}, "size"),
        ({"loras": "ink"}, "loras"),
        ({"steps": "many"}, "steps"),
        ({"format": "mp4"}, "format"),
        ({"elephants": 1}, "elephants"),
    ],
)
def test_wrong_fields_are_named(body, param, clips):
    with pytest.raises(Refusal) as caught:
        read(body, clips)
    assert caught.value.param == param


def test_bounds_are_those_of_a_request(pictures):
    with pytest.raises(UserError, match="--steps is 0"):
        read({"steps": 0}, pictures)


@pytest.mark.parametrize(("model", "links"), [("dall-e-3", True), ("gpt-image-2", False), ("", False)])
def test_answers_are_links_where_clients_expect_them(model, links, pictures):
    assert read({"model": model}, pictures).as_links is links
    assert read({"model": model, "response_format": "b64_json"}, pictures).as_links is False


CLIP = Upload("upload_1", "", "0" * 64, "video", 10, 64, 64, 9, 0.0)
PICTURE = Upload("upload_2", "", "1" * 64, "png", 10, 64, 64, 1, 0.0)


def video(**body):
    return video_order.read_order({"prompt": "a cat", **body}, "m", {"upload_1": CLIP, "upload_2": PICTURE})


def test_a_video_is_an_mp4_of_the_size_and_length_wanted():
    assert video() == Request("a cat", "m", format="mp4")
    assert video(size="auto", seconds="") == video()
    assert video(size="64x64", seconds="0.9", seed="3") == Request(
        "a cat", "m", size="64x64", seconds=0.9, seed=3, format="mp4"
    )


@pytest.mark.parametrize(
    ("reference", "field", "value"),
    [
        ("upload_1", "video", "upload_1"),
        ("upload_2", "image", "upload_2"),
        ({"file_id": "upload_9"}, "image", "upload_9"),
        ({"image_url": "https://example.org/a.png"}, "image", "https://example.org/a.png"),
    ],
)
def test_a_reference_is_a_picture_or_a_clip(reference, field, value):
    assert getattr(video(input_reference=reference), field) == value


@pytest.mark.parametrize(
    ("body", "param"), [({"seconds": "long"}, "seconds"), ({"input_reference": [1]}, "input_reference")]
)
def test_wrong_video_fields_are_named(body, param):
    with pytest.raises(Refusal) as caught:
        video(**body)
    assert caught.value.param == param


def test_a_remix_begins_from_the_old_clip_where_the_model_changes_clips(clips, pictures):
    old = Request("a cat", "pocket", image="upload_2", format="mp4", fps=5.0).to_json()
    remix = video_order.remixed(old, {"prompt": "a dog"}, clips, 11, "upload_1")
    assert remix == Request("a dog", "pocket", video="upload_1", strength=0.5, seed=11, format="mp4", fps=5.0)
    remix = video_order.remixed(old, {"prompt": "a dog", "seed": 4}, pictures, 11, "upload_1")
    assert remix == Request("a dog", "pocket", image="upload_2", seed=4, format="mp4", fps=5.0)
