"""The loop that SiliconFlow's users have, with plain `requests`, on a real server."""

import base64
import time

import pytest
import requests

from praxino import media


def submit(url, **body):
    return requests.post(f"{url}/v1/video/submit", json=body, headers={"Authorization": "Bearer none"}, timeout=60)


def status(url, request_id):
    answer = requests.post(f"{url}/v1/video/status", json={"requestId": request_id}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def poll(url, request_id):
    for _ in range(200):
        told = status(url, request_id)
        if told["status"] in ("Succeed", "Failed"):
            return told
        assert told["status"] in ("InQueue", "InProgress") and told["results"]["videos"] == []
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def test_submit_poll_and_download(served_url, tmp_path, recipe_in):
    answer = submit(
        served_url, model="pocket", prompt="a rocket flying", seed=7, negative_prompt="", guidance_scale=5,
        batch_size=1,
    )  # fmt: skip
    assert answer.status_code == 200 and set(answer.json()) == {"requestId"}
    told = poll(served_url, answer.json()["requestId"])
    assert (told["status"], told["reason"], told["position"]) == ("Succeed", "", 0)
    assert told["results"]["seed"] == 7 and told["results"]["timings"]["inference"] > 0
    found = requests.get(told["results"]["videos"][0]["url"], timeout=60)
    assert found.headers["content-type"] == "video/mp4"
    (tmp_path / "clip.mp4").write_bytes(found.content)
    frames, fps = media.read_clip(tmp_path / "clip.mp4")
    assert frames.shape == (9, 64, 64, 3) and fps == 10
    assert recipe_in(found.content).seed == 7


def test_a_picture_is_set_in_motion(served_url, picture, recipe_in):
    url = "data:image/png;base64," + base64.b64encode(picture).decode()
    made = submit(served_url, model="pocket", prompt="bouncing", image=url, image_size="64x64").json()
    told = poll(served_url, made["requestId"])
    video = requests.get(told["results"]["videos"][0]["url"], timeout=60).content
    assert recipe_in(video).task == "image-to-video"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"model": "Wan-AI/Wan2.2-T2V-A14B", "prompt": "a frog"}, "Model does not exist"),
        ({"model": "pocket"}, "the field prompt is missing"),
        ({"prompt": "a frog", "image_size": "1280x720"}, "it draws 64x64"),
        ({"prompt": "a frog", "seed": "many"}, "seed must be"),
        ({"prompt": "a frog", "image": "/etc/passwd"}, "Files of the server cannot be named"),
    ],
)
def test_refusals(served_url, body, message):
    answer = submit(served_url, **body)
    assert answer.status_code == 400
    assert answer.json()["code"] == 20012 and answer.json()["data"] is None
    assert message in answer.json()["message"]


def test_an_unknown_request(served_url):
    answer = requests.post(f"{served_url}/v1/video/status", json={"requestId": "nobody"}, timeout=60)
    assert answer.status_code == 404
    assert answer.json() == {"code": 404, "message": "There is no job 'nobody'.", "data": None}


def test_an_idempotency_key_makes_one_job(served_url):
    sent = {"json": {"prompt": "a frog"}, "headers": {"Idempotency-Key": "frog-1"}, "timeout": 10}
    ids = {requests.post(f"{served_url}/v1/video/submit", **sent).json()["requestId"] for _ in range(2)}
    assert len(ids) == 1


def test_a_failed_job(local):
    made = local.http.post("/video/submit", json={"prompt": "a frog"}).json()
    local.fail(message="no luck")
    told = local.http.post("/video/status", json=made).json()
    assert (told["status"], told["reason"], told["results"]["videos"]) == ("Failed", "no luck", [])


def test_its_place_in_the_queue(local):
    made = [local.http.post("/video/submit", json={"prompt": "a frog"}).json() for _ in range(3)]
    told = [local.http.post("/video/status", json=one).json() for one in made]
    assert [(one["status"], one["position"]) for one in told] == [("InQueue", 0), ("InQueue", 1), ("InQueue", 2)]
    local.store.cancel(made[0]["requestId"])
    assert local.http.post("/video/status", json=made[0]).json()["reason"] == "The job was cancelled."
