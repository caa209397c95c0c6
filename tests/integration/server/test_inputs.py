"""Pictures that strangers send: by upload, data URL and web address; and everything that is wrong with them."""

import base64
import http.server
import io
import socket
import struct
import sys
import threading
import time
import zlib
from dataclasses import dataclass, replace

import av
import numpy as np
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from praxino.jobs.files import ResultFolder
from praxino.jobs.job import JobState
from praxino.jobs.store import Store
from praxino.jobs.tables import uploads
from praxino.server import inspection
from praxino.server.app import create_app
from praxino.server.settings import ServerSettings

JOBS, UPLOADS = "/api/v1/jobs", "/api/v1/uploads"


SETTINGS = ServerSettings(max_body_bytes=4 << 20, max_file_bytes=2 << 20, fetch_seconds=1.5)


@pytest.fixture
def settings():
    return SETTINGS


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """One server for all that is refused: it stays as it was."""
    root = tmp_path_factory.mktemp("refusing")
    store = Store(f"sqlite:///{root / 'jobs.sqlite'}")
    folder = ResultFolder(root / "jobs", store.store_id())
    with TestClient(create_app(SETTINGS, store, folder), base_url="http://127.0.0.1") as client:
        yield Served(client, store, folder)
    store.close()


@dataclass
class Served:
    """One server: over HTTP, and behind it."""

    client: TestClient
    store: Store
    folder: ResultFolder


@pytest.fixture
def allowing(settings, served):
    """The server may fetch from this machine."""
    served.client.app.state.services.inputs._settings = replace(settings, allow_private=True)
    return served


class Site(http.server.ThreadingHTTPServer):
    """A web site whose pages are functions."""

    daemon_threads = True

    def __init__(self, pages):
        self.pages = pages
        self.asked = []
        super().__init__(("127.0.0.1", 0), Page)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """Clients here leave in the middle on purpose."""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        self.server.pages[self.path](self)

    def log_message(self, *args):
        pass


def page(content, status=200, headers=None):
    """A page that answers with content."""

    def answer(handler):
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@pytest.fixture
def site():
    pages = {}
    site = Site(pages)
    thread = threading.Thread(target=site.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield site
    site.shutdown()
    site.server_close()
    thread.join()


def send(served, image, **more):
    return served.client.post(JOBS, json={"request": {"prompt": "a rocket", "image": image, **more}})


def upload(served, content, name="x.png", type="image/png"):
    return served.client.post(UPLOADS, files={"file": (name, content, type)})


def data_url(content):
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def refused(answer, *said):
    assert 400 <= answer.status_code < 500, answer.text
    message = answer.json()["error"]["message"]
    assert all(word in message for word in said), message
    return message


@pytest.mark.parametrize(
    ("format", "frames"), [("PNG", 1), ("JPEG", 1), ("GIF", 3), ("WEBP", 3), ("AVIF", 1), ("BMP", 1), ("TIFF", 1)]
)
def test_pictures_are_taken_in(served, picture, format, frames):
    content = picture(format, frames=frames)
    answer = upload(served, content, name="../../etc/passwd")
    assert answer.status_code == 201
    told = answer.json()
    assert (told["width"], told["height"], told["num_frames"]) == (64, 48, frames)
    assert (told["extension"], told["num_bytes"]) == (format.lower(), len(content))
    kept = [path for path in (served.folder.root / "inputs").rglob("*") if path.is_file()]
    assert [path.name for path in kept] == [f"{told['sha256']}.{format.lower()}"]
    assert kept[0].read_bytes() == content


def test_the_same_picture_is_kept_once(served, png):
    assert upload(served, png).json() == upload(served, png, "y.jpg").json()


def video(num_frames=4):
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        track = container.add_stream("libx264", rate=8)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for _ in range(num_frames):
            container.mux(track.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(track.encode(None))
    return stream.getvalue()


def test_a_video_is_taken_in(served):
    told = upload(served, video(), "x.mp4", "video/mp4").json()
    assert (told["extension"], told["num_frames"], told["width"]) == ("video", 4, 64)


def test_a_job_with_pictures_can_be_sent_again(served, png, picture):
    other = picture("JPEG")
    body = {"prompt": "a rocket", "first": data_url(png), "keyframes": [f"{data_url(other)}@5:0.5"]}
    first = served.client.post(JOBS, json={"request": body})
    assert first.status_code == 201, first.text
    told = first.json()["request"]
    assert told["first"].startswith("upload_")
    assert told["keyframes"][0].endswith("@5:0.5")
    again = served.client.post(JOBS, json={"request": told})
    assert again.status_code == 201
    conditions = served.store.recipe(again.json()["id"])["conditions"]
    assert [condition["frame"] for condition in conditions] == [0, 5]
    assert str(served.folder.root) not in str(served.store.recipe(again.json()["id"]))


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "~/secret.png",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "ftp://example.com/x.png",
        "gopher://127.0.0.1:6379/_x",
        "C:\\secret.png",
        "\\\\server\\share\\x.png",
        "x.png",
        "upload_../../x",
        "upload_" + "0" * 32,
        "",
        "\0",
    ],
)
def test_files_of_the_server_cannot_be_named(refusing, name):
    for body in ({"image": name}, {"first": name}, {"keyframes": [f"{name}@0"]}, {"video": name}, {"last": name}):
        answer = refusing.client.post(JOBS, json={"request": {"prompt": "", **body}})
        if name:
            assert "passwd" not in refused(answer).replace(name, "")
    assert (
        refusing.client.post(JOBS, json={"request": {"prompt": "a", "control": [f"canny={name}"]}}).status_code == 422
    )


@pytest.mark.parametrize("field", ["model", "spatial_base", "ip_adapter", "lora", "controlnet", "embedding"])
@pytest.mark.parametrize("name", ["/etc/passwd", "../models", "~/x", "src", "pocket/../pocket", "no-such-thing", "a/b"])
def test_weights_are_named_by_their_installed_names(refusing, field, name):
    value = [name] if field in ("lora", "controlnet", "embedding") else name
    message = refused(refusing.client.post(JOBS, json={"request": {"prompt": "a", field: value}}), "not on this server")
    assert str(refusing.folder.root) not in message


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST.",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00::1]",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "①②⑦.⓪.⓪.①",
    ],
)
def test_private_addresses_are_not_fetched_from(refusing, host):
    refused(send(refusing, f"http://{host}:1/x.png"), "image")


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///x.png",
        "http://[",
        "http://[::1",
        "http://a b/",
        "https://user:secret@example.com/x.png",
        "http://x@127.0.0.1/",
        "http://example.com:99999/",
        "http://exa\nmple.com/",
        "http://example.com/" + "a" * 5000,
        "http://" + "a" * 300 + ".com/",
        "http://no-such-host.invalid/x.png",
    ],
)
def test_addresses_that_are_none(refusing, url):
    assert "secret" not in refused(send(refusing, url)).replace(url[:100], "")


def test_a_picture_is_fetched(allowing, site, png):
    site.pages["/x.png?a=1&b=%20"] = page(png)
    assert send(allowing, f"{site.url}/x.png?a=1&b=%20").status_code == 201
    ((_, headers),) = site.asked
    assert headers["Host"] == site.url.removeprefix("http://")
    assert "Authorization" not in headers


def test_redirects_are_followed_a_few_times(allowing, site, png):
    site.pages["/x.png"] = page(png)
    for number in range(7):
        site.pages[f"/{number}"] = page(b"", 302, {"Location": "/x.png" if number == 0 else f"/{number - 1}"})
    assert send(allowing, f"{site.url}/4").status_code == 201
    refused(send(allowing, f"{site.url}/6"), "redirected more than 5 times")


def test_every_redirect_is_checked(served, site, png, monkeypatch):
    """A public site that sends on to a private address: names are resolved here to play it."""
    real = socket.getaddrinfo
    port = site.server_address[1]
    answers = {"public.example": ["93.184.215.14"], "inside.example": ["127.0.0.1"]}

    def resolve(host, port, *args, **more):
        return [entry for address in answers.get(host, [host]) for entry in real(address, port, *args, **more)]

    connected = []

    def connect(address, *args, **more):
        connected.append(address[0])
        return real_connect(("127.0.0.1", port))

    real_connect = socket.create_connection
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    site.pages["/ok"] = page(png)
    site.pages["/away"] = page(b"", 302, {"Location": "http://inside.example/ok"})
    site.pages["/metadata"] = page(b"", 307, {"Location": "http://169.254.169.254/latest"})
    site.pages["/file"] = page(b"", 301, {"Location": "file:///etc/passwd"})
    assert send(served, "http://public.example/ok").status_code == 201
    assert connected == ["93.184.215.14"]
    refused(send(served, "http://public.example/away"), "'inside.example', a private or local address")
    refused(send(served, "http://public.example/metadata"), "169.254.169.254")
    refused(send(served, "http://public.example/file"), "must be a http:// or https:// URL")
    assert set(connected) == {"93.184.215.14"}


def test_a_name_that_changes_its_mind(served, site, png, monkeypatch):
    """DNS rebinding: public when it is asked first, private afterwards. It is asked once, and that answer is used."""
    real, asked, connected = socket.getaddrinfo, [], []

    def resolve(host, port, *args, **more):
        asked.append(host)
        return real("93.184.215.14" if len(asked) == 1 else "127.0.0.1", port, *args, **more)

    def connect(address, *args, **more):
        connected.append(address[0])
        raise OSError("no route")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    refused(send(served, "http://rebind.example/x.png"), "cannot be had")
    assert (asked, connected) == (["rebind.example"], ["93.184.215.14"])


def test_one_private_address_among_public_ones_is_enough(served, monkeypatch):
    real = socket.getaddrinfo

    def resolve(host, port, *args, **more):
        return [*real("93.184.215.14", port, *args, **more), *real("10.0.0.1", port, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    refused(send(served, "http://both.example/x.png"), "private")


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"\0" * 65536)


def dripping(handler):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"\0")
        time.sleep(0.2)


def slow_headers(handler):
    while True:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: " if not handler.server.asked[1:] else b"x")
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (page(b"\0" * 10, headers={"Content-Length": str(2 << 30)}), "larger than the 2 MiB"),
        (endless, "larger than the 2 MiB"),
        (dripping, "within 1.5 seconds"),
        (slow_headers, "within 1.5 seconds"),
        (page(b"nothing", 404), "status 404"),
        (page(b"", 204), "status 204"),
        (page(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "compressed"),
        (page(b""), "empty"),
        (page(b"<html>", headers={"Content-Type": "image/png"}), "not a picture"),
        (lambda handler: handler.wfile.write(b"garbage\r\n\r\n"), "cannot be had"),
        (lambda handler: None, "cannot be had"),
    ],
)
def test_sites_that_misbehave(allowing, site, answer, said):
    site.pages["/x"] = answer
    began = time.monotonic()
    refused(send(allowing, f"{site.url}/x"), said)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "url",
    ["data:", "data:image/png;base64", "data:image/png;base64,%%%", "data:image/png;base64,a", "data:,hello", "data:,"],
)
def test_data_urls_that_are_none(refusing, url):
    refused(send(refusing, url))


def test_data_urls_are_bounded(served):
    refused(send(served, data_url(b"\0" * ((2 << 20) + 1))), "larger than the 2 MiB")


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_bomb(width, height):
    """A small PNG of very many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 10_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def text_bomb():
    """A PNG with a compressed text that unpacks to 200 MB."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    text = b"x\0\0" + zlib.compress(b"\0" * 200_000_000, 9)
    pixels = zlib.compress(b"\0\0\0\0")
    parts = [chunk(b"IHDR", header), chunk(b"zTXt", text), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def gif_bomb(width, height, frames):
    """A small GIF whose frames are large."""
    one = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + one * frames + b"\x3b"


def zip_bomb():
    return b"PK\x03\x04" + zlib.compress(b"\0" * 1_000_000)


@pytest.mark.parametrize(
    "content",
    [
        png_bomb(60_000, 60_000),
        png_bomb(10_000, 9_999),
        text_bomb(),
        gif_bomb(65_535, 65_535, 1),
        gif_bomb(4000, 4000, 900),
        gif_bomb(8, 8, 50_000),
        zip_bomb(),
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\xff\xff\xff\xffWEBPVP8X",
        b"\0\0\0\x18ftypmp42" + b"\0" * 100,
        b"\0\0\0\x1cftypavif" + b"\xff" * 200,
        b"\x1a\x45\xdf\xa3" + b"\xff" * 100,
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"#!/bin/sh\nrm -rf /",
        b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ],
    ids=lambda content: repr(content[:12]) + str(len(content)),
)
def test_pictures_made_to_hurt(refusing, content):
    message = refused(upload(refusing, content), "the upload")
    assert str(refusing.folder.root) not in message
    assert list((refusing.folder.root / "inputs").rglob("*.*")) == []


def test_pictures_that_are_cut_short(served, picture):
    for format, frames in (("PNG", 1), ("JPEG", 1), ("GIF", 3), ("WEBP", 3)):
        content = picture(format, (256, 256), frames)
        refused(upload(served, content[: len(content) * 2 // 3]), "the upload")
    whole = video(24)
    refused(upload(served, whole[: len(whole) // 2], "x.mp4"), "the upload")


def test_a_reader_that_dies_harms_nobody(served, png, monkeypatch):
    """As a decoder would whose bug somebody found: the process that looks is killed in the middle."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(inspection, "program", lambda: [sys.executable, "-c", code])
    refused(upload(served, png), "cannot be read")
    monkeypatch.undo()
    assert upload(served, png).status_code == 201


def test_a_reader_that_hangs_is_ended(served, settings, png, monkeypatch):
    served.client.app.state.services.inputs._settings = replace(settings, inspect_seconds=0.25)
    code = "import time; time.sleep(300)"
    monkeypatch.setattr(inspection, "program", lambda: [sys.executable, "-c", code])
    began = time.monotonic()
    refused(upload(served, png), "takes too long")
    assert time.monotonic() - began < 150


@pytest.mark.parametrize(
    ("send_it", "status"),
    [
        (lambda client: client.post(UPLOADS, content=b"x", headers={"Content-Type": "image/png"}), 415),
        (lambda client: client.post(UPLOADS, json={}), 415),
        (lambda client: client.post(UPLOADS, content=b"x", headers={"Content-Type": "multipart/form-data"}), 400),
        (
            lambda client: client.post(
                UPLOADS, content=b"x", headers={"Content-Type": "multipart/form-data; boundary=a"}
            ),
            400,
        ),
        (lambda client: client.post(UPLOADS, files={"picture": ("x.png", b"x")}), 422),
        (lambda client: client.post(UPLOADS, files={"file": (None, "text")}), 422),
        (lambda client: client.post(UPLOADS, files=[("file", (f"{i}", b"x")) for i in range(50)]), 400),
        (lambda client: client.post(UPLOADS, files={"file": ("x.png", b"")}), 422),
        (lambda client: client.post(UPLOADS, files={"file": ("x.png", b"\0" * (3 << 20))}), 422),
        (lambda client: client.post(UPLOADS, files={"file": ("x.png", b"\0" * (5 << 20))}), 413),
    ],
)
def test_forms_that_will_not_do(refusing, send_it, status):
    answer = send_it(refusing.client)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}


def test_a_body_that_is_announced_too_large_is_not_read(served):
    read = []

    def body():
        for _ in range(2048):
            read.append(1)
            yield b"\0" * (1 << 20)

    headers = {"Content-Type": "application/json", "Content-Length": str(2 << 30)}
    answer = served.client.post(JOBS, content=body(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert len(read) <= 1


def test_uploads_that_nobody_uses_go(served, png, picture):
    kept, old = upload(served, png).json()["id"], upload(served, picture("GIF")).json()["id"]
    inputs = served.client.app.state.services.inputs
    assert inputs.sweep() == 0
    with served.store.database.writing() as connection:
        past = time.time() - 31 * 86_400
        connection.execute(update(uploads).where(uploads.c.id == old).values(used_at=past))
    assert inputs.sweep() == 1
    assert len([path for path in (served.folder.root / "inputs").rglob("*.*") if path.is_file()]) == 1
    assert send(served, old).status_code == 422
    assert send(served, kept).status_code == 201


def test_nothing_that_was_refused_is_queued(served):
    send(served, "/etc/passwd")
    assert sum(served.store.counts().values()) == served.store.counts()[JobState.QUEUED] == 0
