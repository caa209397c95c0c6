"""OpenAI's own client makes videos on a real server."""

import asyncio
import io
import json

import numpy as np
import openai
import pytest
import requests
from PIL import Image

from praxino import media
from praxino.media.sheet import GAP_PX


@pytest.fixture
def read_video(tmp_path):
    """Decodes the bytes of a video: (F, H, W, 3) and frames per second."""

    def read(data):
        (tmp_path / "clip.mp4").write_bytes(data)
        return media.read_clip(tmp_path / "clip.mp4")

    return read


def test_create_poll_and_download(client, read_video, recipe_in):
    video = client.videos.create_and_poll(model="pocket", prompt="a rocket flying", extra_body={"seed": 5})
    assert (video.object, video.status, video.progress, video.error) == ("video", "completed", 100, None)
    assert (video.model, video.prompt, video.size, video.seconds) == ("pocket", "a rocket flying", "64x64", "0.9")
    assert video.created_at <= video.completed_at and video.expires_at is None

    answer = client.videos.download_content(video.id)
    assert answer.response.headers["content-type"] == "video/mp4"
    frames, fps = read_video(answer.content)
    assert frames.shape == (9, 64, 64, 3) and fps == 10
    recipe = recipe_in(answer.content)
    assert (recipe.seed, recipe.prompt) == (5, "a rocket flying")

    still = client.videos.download_content(video.id, variant="thumbnail").content
    thumbnail = Image.open(io.BytesIO(still))
    assert thumbnail.format == "WEBP" and thumbnail.size == (64, 64)
    assert np.abs(np.asarray(thumbnail.convert("RGB")).astype(int) - frames[0]).mean() < 8
    assert recipe_in(still) == recipe

    sheet = Image.open(io.BytesIO(client.videos.download_content(video.id, variant="spritesheet").content))
    assert sheet.format == "JPEG" and sheet.size == (3 * 64 + 2 * GAP_PX, 3 * 64 + 2 * GAP_PX)
    cells = np.asarray(sheet).astype(int)
    for index, frame in enumerate(frames):
        top, left = index // 3 * (64 + GAP_PX), index % 3 * (64 + GAP_PX)
        assert np.abs(cells[top : top + 64, left : left + 64] - frame).mean() < 8


def test_parts_of_a_video(client, served_url):
    video = client.videos.create_and_poll(model="pocket", prompt="a frog")
    url = f"{served_url}/v1/videos/{video.id}/content"
    whole = requests.get(url, timeout=60)
    part = requests.get(url, headers={"Range": "bytes=10-19"}, timeout=60)
    assert (part.status_code, part.content) == (206, whole.content[10:20])


def test_while_it_waits_it_says_how_often_to_ask(client):
    video = client.videos.create(model="pocket", prompt="a frog", size="64x64", seconds="0.9")
    assert video.status in ("queued", "in_progress") and video.id.startswith("video_")
    raw = client.videos.with_raw_response.retrieve(video.id)
    if raw.parse().status in ("queued", "in_progress"):
        assert raw.headers["openai-poll-after-ms"] == "250"
    assert client.videos.poll(video.id).status == "completed"


def test_a_picture_is_set_in_motion(client, picture, read_video, recipe_in):
    video = client.videos.create_and_poll(
        model="pocket", prompt="bouncing", input_reference=("disk.png", picture, "image/png")
    )
    data = client.videos.download_content(video.id).content
    assert recipe_in(data).task == "image-to-video"
    first = read_video(data)[0][0].astype(int)
    assert first[32, 32, 0] > first[32, 32, 1] + 60, "it begins with the red disk"


def test_json_and_a_reference_by_data_url(served_url, picture, client):
    import base64

    url = "data:image/png;base64," + base64.b64encode(picture).decode()
    body = {"model": "pocket", "prompt": "bouncing", "input_reference": {"image_url": url}, "seed": 9}
    made = requests.post(f"{served_url}/v1/videos", json=body, timeout=60)
    assert made.status_code == 200 and made.json()["object"] == "video"
    assert client.videos.poll(made.json()["id"]).status == "completed"


def test_a_remix_is_a_new_video_from_the_old_one(client, recipe_in):
    old = client.videos.create_and_poll(model="pocket", prompt="a red heart", extra_body={"seed": 5})
    remix = client.videos.remix(old.id, prompt="a blue rocket")
    assert remix.remixed_from_video_id == old.id and remix.id != old.id and remix.prompt == "a blue rocket"
    assert client.videos.poll(remix.id).status == "completed"
    recipe = recipe_in(client.videos.download_content(remix.id).content)
    assert (recipe.task, recipe.seed, recipe.prompt) == ("video-to-video", 5, "a blue rocket")


def test_a_list_in_parts_and_both_orders(client):
    made = [client.videos.create(model="pocket", prompt=f"a frog {number}").id for number in range(3)]
    newest = [video.id for _, video in zip(range(3), client.videos.list(limit=2), strict=False)]
    assert newest == made[::-1]
    page = client.videos.list(limit=2)
    assert page.has_more and (page.data[0].id, page.last_id) == (made[2], made[1])
    assert [video.id for video in client.videos.list(after=made[0], order="asc")] == made[1:]
    for video_id in made:
        assert client.videos.delete(video_id).deleted


def test_deleted_while_it_waits_or_runs(client):
    made = [client.videos.create(model="tiny-flux", prompt="a", extra_body={"steps": 1000}) for _ in range(2)]
    for video in made:
        answer = client.videos.delete(video.id)
        assert (answer.id, answer.object, answer.deleted) == (video.id, "video.deleted", True)
        with pytest.raises(openai.NotFoundError, match="There is no video"):
            client.videos.retrieve(video.id)
        with pytest.raises(openai.NotFoundError):
            client.videos.download_content(video.id)


def test_no_content_before_the_end(client):
    video = client.videos.create(model="tiny-flux", prompt="a", extra_body={"steps": 1000})
    with pytest.raises(openai.ConflictError, match="it has no result"):
        client.videos.download_content(video.id)
    client.videos.delete(video.id)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"size": "1280x720"}, "pocket does not draw 1280x720; it draws 64x64"),
        (
            {"extra_body": {"frames": 8}},
            "frames is 8; pocket draws 1, 3, 5 and so on up to 9; the nearest",
        ),
        ({"extra_body": {"loras": [{"path": "ink", "scale": 0.5}]}}, "lora is 'ink', which is not on this server"),
        ({"extra_body": {"image": "/etc/passwd"}}, "Files of the server cannot be named"),
    ],
)
def test_refusals(client, wish, message):
    with pytest.raises(openai.BadRequestError, match=message):
        client.videos.create(**{"model": "pocket", "prompt": "a frog", **wish})


def test_the_asynchronous_client(served_url):
    async def make():
        async with openai.AsyncOpenAI(base_url=f"{served_url}/v1", api_key="none") as client:
            made = (client.videos.create_and_poll(model="pocket", prompt="a frog") for _ in range(2))
            return await asyncio.gather(*made)

    one, other = asyncio.run(make())
    assert one.id != other.id and one.status == other.status == "completed"


def test_errors_of_paths_that_are_not_there(served_url):
    answer = requests.get(f"{served_url}/v1/elephants", timeout=60)
    assert answer.status_code == 404
    assert json.loads(answer.text) == {
        "error": {"message": "Not Found.", "type": "invalid_request_error", "param": None, "code": "not_found"}
    }
