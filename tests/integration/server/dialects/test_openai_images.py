"""OpenAI's own client draws pictures on a real server."""

import base64
import io

import numpy as np
import openai
import pytest
import requests
from PIL import Image

from praxino import media


def test_a_picture_of_a_prompt(client, pixels, recipe_in):
    answer = client.images.generate(model="pocket", prompt="a red heart on a blue background", extra_body={"seed": 3})
    data = base64.b64decode(answer.data[0].b64_json)
    recipe = recipe_in(data)
    assert (recipe.prompt, recipe.seed, recipe.task) == ("a red heart on a blue background", 3, "text-to-video")
    assert (answer.size, answer.output_format, answer.background) == ("64x64", "png", "opaque")
    assert answer.data[0].revised_prompt == recipe.caption and answer.data[0].url is None
    assert answer.usage.total_tokens == 0
    drawn = pixels(data)
    assert drawn.shape == (64, 64, 3)
    assert drawn[:6, :, 2].mean() > drawn[:6, :, 0].mean() + 50, "the ground is blue"


def test_formats_samples_and_links(client):
    answer = client.images.generate(
        model="pocket", prompt="a frog", n=2, output_format="webp", output_compression=80, response_format="url",
        extra_body={"seed": 3, "steps": 8},
    )  # fmt: skip
    found = [requests.get(picture.url, timeout=60) for picture in answer.data]
    assert [answer.headers["content-type"] for answer in found] == ["image/webp"] * 2
    pictures = [np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")) for answer in found]
    assert pictures[0].shape == (64, 64, 3) and not np.array_equal(*pictures)
    broken = answer.data[0].url.replace("signature=", "signature=0")
    assert requests.get(broken, timeout=60).status_code == 403


def test_a_transparent_background(client):
    answer = client.images.generate(
        model="pocket", prompt="a red heart on a blue background", background="transparent", output_format="webp",
        extra_body={"seed": 3},
    )  # fmt: skip
    picture = Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json)))
    alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    assert (answer.background, picture.format) == ("transparent", "WEBP")
    assert alpha[0, 0] == 0 and alpha[32, 32] == 255


def test_a_stream_shows_what_is_coming(client, pixels):
    stream = client.images.generate(
        model="tiny-flux", prompt="a frog", stream=True, partial_images=2, output_format="jpeg",
        extra_body={"seed": 3, "steps": 200},
    )  # fmt: skip
    events = list(stream)
    *partial, completed = events
    assert 1 <= len(partial) <= 2
    assert [event.type for event in partial] == ["image_generation.partial_image"] * len(partial)
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    assert completed.type == "image_generation.completed" and completed.usage.total_tokens == 0
    for event in events:
        assert (event.size, event.output_format, event.quality) == ("64x64", "jpeg", "auto")
        assert pixels(event.b64_json).shape == (64, 64, 3)
    again = client.images.generate(
        model="tiny-flux", prompt="a frog", output_format="jpeg", extra_body={"seed": 3, "steps": 200}
    )
    assert again.data[0].b64_json == completed.b64_json, "streaming changes nothing about the picture"


def test_a_stream_without_partial_images_has_one_event(client):
    events = list(client.images.generate(model="pocket", prompt="a frog", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]


def test_an_edit_where_the_mask_is_transparent(client, picture, png, recipe_in):
    clear = np.full((64, 64, 4), 255)
    clear[:20, :, 3] = 0
    answer = client.images.edit(
        model="tiny-flux", image=("a.png", picture), mask=("m.png", png(clear)), prompt="a hat",
        extra_body={"strength": 0.7},
    )  # fmt: skip
    recipe = recipe_in(base64.b64decode(answer.data[0].b64_json))
    assert recipe.task == "inpainting"
    found = {condition.role: media.load(condition.media)[0] for condition in recipe.conditions}
    assert np.array_equal(found["image"], np.asarray(Image.open(io.BytesIO(picture))))
    assert found["mask"][:20].min() == 255 and found["mask"][20:].max() == 0


def test_an_edit_by_a_model_of_clips_is_how_its_clip_ends(client, picture, pixels, recipe_in, tmp_path):
    wish = {"model": "pocket", "image": [picture], "prompt": "flying up", "extra_body": {"seed": 3}}
    still = base64.b64decode(client.images.edit(**wish).data[0].b64_json)
    clip = base64.b64decode(client.images.edit(**wish, output_format="gif").data[0].b64_json)
    assert recipe_in(still).task == recipe_in(clip).task == "image-to-video"
    assert recipe_in(still).identity() == recipe_in(clip).identity()
    (tmp_path / "clip.gif").write_bytes(clip)
    frames, _ = media.read_clip(tmp_path / "clip.gif")
    distances = [np.abs(frame.astype(int) - pixels(still)).mean() for frame in frames]
    assert len(frames) == 9 and np.argmin(distances) == 8


def test_an_edit_is_streamed_under_its_own_names(client, picture):
    events = list(client.images.edit(model="tiny-flux", image=picture, prompt="a hat", stream=True))
    assert [event.type for event in events] == ["image_edit.completed"]


@pytest.mark.parametrize(
    ("wish", "error", "message"),
    [
        ({"size": "1024x1024"}, openai.BadRequestError, "pocket does not draw 1024x1024; it draws 64x64"),
        ({"model": "nobody/nothing"}, openai.NotFoundError, "not on this server; installed are pocket"),
        ({"extra_body": {"elephants": 2}}, openai.BadRequestError, "Unknown parameter: 'elephants'"),
        ({"extra_body": {"image": "a"}}, openai.BadRequestError, "Pictures are changed by /v1/images/edits"),
    ],
)
def test_refusals(client, wish, error, message):
    with pytest.raises(error, match=message) as caught:
        client.images.generate(**{"model": "pocket", "prompt": "a frog", **wish})
    assert caught.value.type == "invalid_request_error" and set(caught.value.body) == {
        "message", "type", "param", "code",
    }  # fmt: skip


def test_refused_masks(client, picture, png):
    opaque = {"model": "tiny-flux", "image": picture, "prompt": "a hat", "mask": picture}
    with pytest.raises(openai.BadRequestError, match="The mask has no transparency"):
        client.images.edit(**opaque)
    with pytest.raises(openai.BadRequestError, match="32x32 pixels and the image 64x64") as caught:
        client.images.edit(**{**opaque, "mask": png(np.zeros((32, 32, 4)))})
    assert caught.value.param == "mask"
    with pytest.raises(openai.BadRequestError, match="not a picture"):
        client.images.edit(model="tiny-flux", image=b"no picture at all", prompt="a hat")


def test_hosted_names_stand_for_the_default_model(client):
    assert client.models.retrieve("gpt-image-2").id == "pocket"
    answer = client.images.generate(model="dall-e-3", prompt="a frog", quality="hd", style="vivid")
    assert answer.data[0].b64_json is None and requests.get(answer.data[0].url, timeout=60).ok


def test_models(client):
    found = {model.id: model.object for model in client.models.list()}
    assert found["pocket"] == found["tiny-flux"] == "model" and "flux-dev" not in found
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nobody/nothing")
    assert caught.value.code == "model_not_found" and caught.value.param == "model"
