"""What OpenAI's client makes of failures, of keys and of states, on an app whose queue the test works on."""

import threading
from types import SimpleNamespace

import openai
import pytest

from praxino.jobs.job import Progress, Reason
from praxino.server.keys import KeyLimits, Keys
from praxino.server.openai.progress import percent_done


@pytest.fixture
def failing(local, wait_until):
    """Fails the next job as soon as there is one, as a worker would: `failing(reason, message)`."""
    threads = []

    def start(reason, message):
        def fail():
            claim = wait_until(local.claim)
            local.store.fail(claim.lease, reason, message)

        threads.append(threading.Thread(target=fail))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


@pytest.fixture
def keyed(local):
    """Makes a client with a key of its own: `keyed(owner, scopes, ...)`."""

    def make(owner="ada", scopes=("read", "write"), **limits):
        _, secret = Keys(local.store.database).create(owner, owner, scopes, KeyLimits(**limits))
        return openai.OpenAI(base_url="http://localhost/v1", api_key=secret, max_retries=0, http_client=local.http)

    return make


def test_a_failed_video_is_told_by_its_object(local):
    video = local.openai.videos.create(prompt="a frog")
    local.fail(Reason.USER, "it cannot be drawn")
    video = local.openai.videos.poll(video.id)
    assert (video.status, video.error.code, video.error.message) == ("failed", "user", "it cannot be drawn")
    assert video.completed_at is None


def test_a_cancelled_video_has_failed(local):
    video = local.openai.videos.create(prompt="a frog")
    local.store.cancel(video.id.removeprefix("video_"))
    assert local.openai.videos.retrieve(video.id).error.code == "cancelled"


def test_progress(local):
    video = local.openai.videos.create(prompt="a frog")
    assert local.openai.videos.retrieve(video.id).progress == 0
    lease = local.claim().lease
    local.store.heartbeat(lease, Progress("denoise", 2, 8))
    video = local.openai.videos.retrieve(video.id)
    assert (video.status, video.progress) == ("in_progress", 25)


@pytest.mark.parametrize(
    ("told", "percent"),
    [
        (None, 0),
        (Progress("load", 1, 1), 0),
        (Progress("denoise", 4, 8, sample=1, num_samples=2), 75),
        (Progress("decode", 1, 1, sample=0, num_samples=2), 50),
        (Progress("decode", 1, 1), 99),
    ],
)
def test_progress_of_a_step(told, percent):
    assert percent_done(SimpleNamespace(state="running", progress=told)) == percent


def test_videos_expire_where_jobs_are_deleted_by_age(local, monkeypatch):
    video = local.openai.videos.create(prompt="a frog")
    monkeypatch.setenv("PRAXINO_KEEP_DAYS", "2")
    assert local.openai.videos.retrieve(video.id).expires_at is None
    ended = local.fail().finished_at
    assert local.openai.videos.retrieve(video.id).expires_at == int(ended + 2 * 86_400)


@pytest.mark.parametrize(
    ("reason", "error"), [(Reason.USER, openai.BadRequestError), (Reason.MODEL, openai.InternalServerError)]
)
def test_a_picture_that_failed_is_an_error(local, failing, reason, error):
    failing(reason, "no luck")
    with pytest.raises(error, match="no luck") as caught:
        local.openai.images.generate(prompt="a frog")
    assert caught.value.code == reason
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_a_streamed_picture_that_failed_is_an_event(local, failing):
    failing(Reason.MODEL, "no luck")
    with pytest.raises(openai.APIError, match="no luck") as caught:
        list(local.openai.images.generate(prompt="a frog", stream=True, partial_images=1))
    assert caught.value.code == "model" and caught.value.type == "server_error"


def test_the_server_closes_while_a_picture_is_waited_for(local, wait_until):
    def close():
        wait_until(local.claim)
        local.app.state.closing.set()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(openai.InternalServerError, match="send the same request again") as caught:
        local.openai.images.generate(prompt="a frog")
    closing.join()
    assert caught.value.status_code == 503 and caught.value.code == "unavailable"


def test_keys_are_wanted_once_there_are_some(local, keyed):
    ada = keyed()
    assert ada.videos.create(prompt="a frog").status == "queued"
    with pytest.raises(openai.AuthenticationError) as caught:
        local.openai.videos.create(prompt="a frog")
    assert caught.value.code == "invalid_api_key" and caught.value.type == "invalid_request_error"
    answer = local.http.post("/video/submit", json={"prompt": "a frog"})
    assert answer.status_code == 401 and set(answer.json()) == {"code", "message", "data"}
    with pytest.raises(openai.PermissionDeniedError, match="needs write"):
        keyed("bob", ("read",)).videos.create(prompt="a frog")


def test_owners_see_their_own_videos(keyed):
    ada, bob = keyed("ada"), keyed("bob")
    video = ada.videos.create(prompt="a frog")
    assert [one.id for one in ada.videos.list()] == [video.id] and not list(bob.videos.list())
    for forbidden in (bob.videos.retrieve, bob.videos.delete, bob.videos.download_content):
        with pytest.raises(openai.NotFoundError, match="There is no video"):
            forbidden(video.id)
    again = {"x-stainless-retry-count": "1"}
    assert bob.videos.create(prompt="a frog", extra_headers=again).id != video.id


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"max_queued": 1}, "rate_limit_exceeded"),
        ({"requests_per_minute": 1}, "rate_limit_exceeded"),
        ({"credits_per_day": 0.4}, "insufficient_quota"),
    ],
)
def test_limits(keyed, limits, code):
    ada = keyed(**limits)
    ada.videos.create(prompt="a frog")
    with pytest.raises(openai.RateLimitError) as caught:
        ada.videos.create(prompt="a frog")
    assert caught.value.code == code and int(caught.value.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("name", ["nobody", "video_nobody", "video_..%2F..", "video_" + "0" * 36])
def test_ids_of_nothing(local, name):
    answer = local.http.get(f"/videos/{name}")
    assert answer.status_code == 404 and answer.json()["error"]["type"] == "invalid_request_error"


def test_jobs_of_other_dialects_are_no_videos(local):
    made = local.http.post("/video/submit", json={"prompt": "a frog"}).json()["requestId"]
    assert not list(local.openai.videos.list())
    assert local.http.get(f"/videos/video_{made}").status_code == 404


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/videos", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ("/videos", {"content": b"x", "headers": {"content-type": "text/plain"}}, 415),
        ("/images/generations", {"content": b"[]", "headers": {"content-type": "application/json"}}, 400),
        ("/images/edits", {"data": {"prompt": "a hat"}, "files": {"other": b""}}, 400),
        ("/video/submit", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
    ],
)
def test_bodies_that_cannot_be_read(local, path, sent, status):
    answer = local.http.post(path, **sent)
    assert answer.status_code == status
    assert "error" in answer.json() or set(answer.json()) == {"code", "message", "data"}


def test_parameters_of_the_address(local):
    for query in ("limit=0", "limit=many", "order=up"):
        answer = local.http.get(f"/videos?{query}")
        assert answer.status_code == 400 and answer.json()["error"]["type"] == "invalid_request_error"


def test_the_schema_has_the_dialects(local):
    paths = local.http.get("http://localhost/openapi.json").json()["paths"]
    assert {"/v1/videos", "/v1/images/edits", "/v1/models", "/v1/video/submit"} <= set(paths)
