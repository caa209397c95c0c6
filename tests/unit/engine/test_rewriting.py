"""Prompts said in other words, by a chat model on this machine that notes what it was asked."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from praxino.engine.checkpoint import resolve_or_resume
from praxino.engine.machine import Machine
from praxino.engine.resolve import resolve
from praxino.errors import UserError
from praxino.request import Request

SAID = "A brown dog runs across a wet beach at dusk."


@pytest.fixture
def chat(monkeypatch):
    """A chat model; `asked` holds what it was sent, and `answer` (status, body) what it says."""

    class Chat(BaseHTTPRequestHandler):
        asked: list = []  # noqa: RUF012
        answer: tuple = (200, {"choices": [{"message": {"content": SAID}}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            Chat.asked.append((self.path, self.headers.get("Authorization"), body))
            status, said = Chat.answer
            content = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("PRAXINO_REWRITER", f"http://127.0.0.1:{server.server_port}/v1/")
        monkeypatch.setenv("PRAXINO_REWRITER_MODEL", "writer")
        yield Chat
        server.shutdown()
        thread.join()


def resolved(toy, **wish):
    return resolve(Request(**{"prompt": "dog, beach", **wish}), find=lambda name: toy.entry, machine=Machine("cpu"))


def saying(text):
    return 200, {"choices": [{"message": {"content": text}}]}


def test_the_recipe_keeps_the_users_words_and_the_new_ones(toy, chat, monkeypatch):
    monkeypatch.setenv("PRAXINO_REWRITER_KEY", "secret")
    resolution = resolved(toy, rewrite="normal")
    assert (resolution.recipe.prompt, resolution.recipe.caption) == ("dog, beach", SAID)
    assert resolution.notes[0] == f"rewritten: {SAID}"
    ((path, key, body),) = chat.asked
    assert (path, key, body["model"], body["temperature"]) == ("/v1/chat/completions", "Bearer secret", "writer", 0)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == "dog, beach"


def test_the_two_ways_are_told_apart(toy, chat, tmp_path):
    from PIL import Image

    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    resolved(toy, rewrite="normal")
    resolved(toy, rewrite="master")
    resolved(toy, rewrite="master", camera=("zoom-in",))
    resolved(toy, rewrite="normal", image=str(tmp_path / "a.png"))
    normal, master, moved, picture = (body["messages"][0]["content"] for _, _, body in chat.asked)
    assert "Add nothing" in normal and "composition" not in normal and "video generation" in normal
    assert "composition" in master and "movement of the camera" in master
    assert "movement of the camera" not in moved
    assert "first frame" in picture and "first frame" not in normal


def test_a_style_and_the_camera_come_on_top(toy, chat):
    chat.answer = saying("a fox in snow")
    recipe = resolved(toy, rewrite="normal", style="watercolour", camera=("static",)).recipe
    assert recipe.caption.startswith("watercolour painting of a fox in snow")
    assert recipe.caption.endswith("The camera is static.")


@pytest.mark.parametrize(
    ("said", "kept"),
    [(f'"{SAID}"', SAID), (f"<think>\nhm\n</think>\n\n{SAID}\n", SAID), ("two\n\nparts ", "two parts")],
)
def test_what_is_no_caption_is_taken_away(toy, chat, said, kept):
    chat.answer = saying(said)
    assert resolved(toy, rewrite="normal").recipe.caption == kept


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((500, "it broke"), "answers 500: it broke"),
        ((401, {"error": {"message": "no key"}}), "answers 401: .*no key"),
        ((200, "<html>"), "does not answer in JSON"),
        ((200, {}), "does not answer as a chat model"),
        ((200, {"choices": []}), "does not answer as a chat model"),
        (saying(None), "0 characters"),
        (saying("<think>only</think>"), "0 characters"),
        (saying("x" * 30_000), "30,000 characters"),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence(toy, chat, answer, message):
    chat.answer = answer
    with pytest.raises(UserError, match=message) as refused:
        resolved(toy, rewrite="normal")
    assert "\n" not in str(refused.value)
    assert toy.loads == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://[", "ftp://x/"])
def test_a_rewriter_that_is_not_there(toy, monkeypatch, url):
    monkeypatch.setenv("PRAXINO_REWRITER", url)
    monkeypatch.setenv("PRAXINO_REWRITER_MODEL", "writer")
    with pytest.raises(UserError, match="cannot be asked"):
        resolved(toy, rewrite="normal")


def test_nobody_is_asked_unasked(toy, chat):
    resolved(toy)
    with pytest.raises(UserError, match="pocket reads only the words it knows"):
        resolve(Request("a rocket", rewrite="normal"))
    with pytest.raises(UserError, match="needs a prompt"):
        resolved(toy, rewrite="master", prompt=" ")
    assert chat.asked == []


def test_without_settings(toy, monkeypatch):
    monkeypatch.delenv("PRAXINO_REWRITER", raising=False)
    with pytest.raises(UserError, match="set PRAXINO_REWRITER"):
        resolved(toy, rewrite="normal")


def test_a_run_goes_on_with_the_words_it_began_with(toy, chat, tmp_path):
    request = Request("dog, beach", rewrite="normal")
    first = resolve_or_resume(request, tmp_path / "state", resolved(toy, rewrite="normal"))
    chat.answer = saying("quite another caption")
    again = resolve_or_resume(request, tmp_path / "state", resolved(toy, rewrite="normal"))
    assert again.recipe == first.recipe
