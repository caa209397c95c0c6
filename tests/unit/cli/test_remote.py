import pytest

from praxino.cli import remote
from praxino.client.server import JobEvent, RemoteFile
from praxino.errors import Cancelled, JobError, UserError


def file(name):
    return RemoteFile(f"job/1/{name}", "", 1, "")


def test_files_are_put_in_the_order_of_their_samples():
    outputs = remote._by_output([file(f"a-dog-{i}.gif") for i in (10, 2, 1, 9)])
    assert list(outputs) == ["a-dog-1.gif", "a-dog-2.gif", "a-dog-9.gif", "a-dog-10.gif"]


def test_a_folder_of_frames_is_one_output():
    outputs = remote._by_output([file("a-dog/0002.png"), file("a-dog/0001.png"), file("a-dog/recipe.json")])
    assert list(outputs) == ["a-dog"]
    assert len(outputs["a-dog"]) == 3


def told(stage="denoise", step=2, num_steps=8, left=3.0):
    return {"stage": stage, "step": step, "num_steps": num_steps, "sample": 0, "num_samples": 1, "seconds_left": left}


def test_a_servers_progress_is_shown_as_our_own():
    event = remote._Steps(None, "job", previews=False).step(told())
    assert (event.stage, event.step, event.num_steps, event.preview) == ("denoise", 2, 8, None)
    assert event.seconds_left == pytest.approx(3.0)


def test_the_last_step_has_taken_what_it_took(monkeypatch):
    now = iter([0.0, 10.0, 12.5])
    monkeypatch.setattr(remote.time, "monotonic", lambda: next(now))
    steps = remote._Steps(None, "job", previews=False)
    event = steps.step(told(step=8, left=0.0))
    assert (event.seconds, event.seconds_left) == (2.5, 0)


@pytest.mark.parametrize(
    ("kind", "data", "error"),
    [
        ("cancelled", {}, Cancelled),
        ("failed", {"reason": "user", "message": "no"}, UserError),
        ("failed", {"reason": "crash", "message": "no"}, JobError),
    ],
)
def test_endings_are_errors(kind, data, error):
    assert type(remote._ending("job", JobEvent(9, kind, data))) is error


@pytest.mark.parametrize("option", [["--device", "cpu"], ["--checkpoint", "x"], ["--no-metadata"]])
def test_what_is_about_this_machine_is_refused(praxino, option):
    said = praxino("a dog", "--server", "http://127.0.0.1:1", *option)
    assert (said.code, option[0] in said.err) == (2, True)


@pytest.mark.parametrize("output", ["x.docx", "no/such/folder/x.gif", "x.gif/"])
def test_where_nothing_can_be_written_is_told_before_anything_is_asked(praxino, tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.gif").write_bytes(b"")
    said = praxino("a dog", "--server", "http://127.0.0.1:1", "-o", output)
    assert said.code == 2
    assert "cannot be reached" not in said.err


def test_a_server_that_is_not_there(praxino):
    said = praxino("a dog", "--server", "http://127.0.0.1:1", "--json")
    assert (said.code, "cannot be reached" in said.err) == (1, True)
    assert '"failed"' in said.out
