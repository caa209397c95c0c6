"""Captions for clips that have none, asked of a chat model over its protocol."""

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from PIL import Image

from praxino import media
from praxino.cli import main
from praxino.errors import UserError
from praxino.recipe import Encoding
from praxino.training.tuning.captioning import write_missing
from praxino.training.tuning.clips import find


@pytest.fixture
def folder(tmp_path):
    frames = np.zeros((9, 40, 600, 3), np.uint8)
    frames[..., 0] = 255
    frames[-1] = (0, 0, 255)
    encoding = Encoding("webp", 0, "best", 100, "none", grid=False, sheet=False)
    for name in ("clip", "known"):
        media.save([frames], tmp_path / f"{name}.webp", encoding, 8.0, None)
    Image.fromarray(frames[0]).save(tmp_path / "still.png")
    (tmp_path / "known.txt").write_text("mine")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "frames").mkdir()
    for number in (2, 10):
        Image.fromarray(frames[0]).save(tmp_path / "frames" / f"{number}.png")
    return tmp_path


@pytest.fixture
def chat(monkeypatch):
    """A chat model that answers with its number; what it was asked."""
    asked = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps({"choices": [{"message": {"content": f'"a thing,\n number {len(asked)}"'}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("PRAXINO_REWRITER", f"http://127.0.0.1:{server.server_port}/v1")
        monkeypatch.setenv("PRAXINO_REWRITER_MODEL", "sees")
        yield asked
        server.shutdown()
        thread.join()


def test_clips_without_a_caption_get_one_beside_them(folder, chat, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["praxino", "train", "caption", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    told = capsys.readouterr().err
    assert "wrote 3 captions" in told and "broken.png: not captioned" in told
    assert (folder / "known.txt").read_text() == "mine"
    captions = {clip.name: clip.caption for clip in find(folder).clips}
    assert captions == {
        "known.webp": "mine", "clip.webp": "a thing, number 1", "frames": "a thing, number 2",
        "still.png": "a thing, number 3",
    }  # fmt: skip
    assert not list(folder.glob("*.part"))

    told, wish = (message["content"] for message in chat[0]["messages"])
    assert "of which 4 frames are given in order" in told and "video generation" in told
    shown = [_picture(part["image_url"]["url"]) for part in wish]
    assert [picture.size for picture in shown] == [(512, 34)] * 4
    colours = [np.asarray(picture).reshape(-1, 3).mean(0).argmax() for picture in shown]
    assert colours == [0, 0, 0, 2], "from the first frame to the last"
    assert len(chat[2]["messages"][1]["content"]) == 1 and "image generation" in chat[2]["messages"][0]["content"]


def _picture(url):
    head, _, data = url.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_what_is_written_stays_when_the_model_stops_answering(folder):
    said = iter(["one"])

    def ask(told, wish):
        try:
            return next(said)
        except StopIteration:
            raise UserError("the rewriter is gone") from None

    with pytest.raises(UserError, match="gone"):
        write_missing(folder, ask, lambda line: None)
    assert (folder / "clip.txt").read_text() == "one\n" and not (folder / "still.txt").exists()


def test_captions_in_a_list_are_left_to_it(folder):
    (folder / "metadata.jsonl").write_text("")
    with pytest.raises(UserError, match=r"captions in metadata\.jsonl"):
        write_missing(folder, lambda told, wish: "", lambda line: None)
