"""Files as the other programs write them, with Pillow, as they do."""

import json
import struct
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from praxino.errors import UserError
from praxino.foreign import read
from praxino.foreign.texts import MAX_TEXT_BYTES, texts_of

PARAMETERS = "a café, 猫\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512"
LATIN = PARAMETERS.replace(", 猫", "")
WORKFLOW = {
    "1": {"class_type": "KSampler", "inputs": {"seed": 5, "positive": ["2", 0], "sampler_name": "euler"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a 猫"}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
}
USER_COMMENT, EXIF = 0x9286, 0x8769


def picture():
    return Image.new("RGB", (8, 8), "red")


def exif(comment=None, tags=None):
    made = Image.Exif()
    if comment is not None:
        made.get_ifd(EXIF)[USER_COMMENT] = comment
    for tag, text in (tags or {}).items():
        made[tag] = text
    return made


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(path, kind, content):
    picture().save(path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk(kind, content) + data[33:])
    return path


@pytest.mark.parametrize("text", [PARAMETERS, LATIN])
def test_png_text_both_latin_and_not(tmp_path, text):
    info = PngInfo()
    info.add_text("parameters", text)
    picture().save(tmp_path / "a.png", pnginfo=info)
    settings = read(tmp_path / "a.png")
    assert settings.program == "AUTOMATIC1111"
    assert settings.fields["prompt"] == text.partition("\n")[0]


@pytest.mark.parametrize("compressed", [False, True])
def test_png_international_text(tmp_path, compressed):
    info = PngInfo()
    info.add_itxt("parameters", PARAMETERS, zip=compressed)
    picture().save(tmp_path / "a.png", pnginfo=info)
    assert texts_of(tmp_path / "a.png")["parameters"] == PARAMETERS


def test_png_compressed_text(tmp_path):
    info = PngInfo()
    info.add_text("parameters", LATIN, zip=True)
    picture().save(tmp_path / "a.png", pnginfo=info)
    assert texts_of(tmp_path / "a.png")["parameters"] == LATIN


def test_comfyui_in_png_and_animated_png(tmp_path):
    info = PngInfo()
    info.add_text("prompt", json.dumps(WORKFLOW))
    picture().save(tmp_path / "a.png", pnginfo=info)
    moving = PngInfo()
    moving.add(b"comf", b"prompt\0" + json.dumps(WORKFLOW).encode("latin-1"), after_idat=True)
    other = Image.new("RGB", (8, 8), "blue")
    picture().save(tmp_path / "b.png", pnginfo=moving, save_all=True, append_images=[other])
    for name in ("a.png", "b.png"):
        settings = read(tmp_path / name)
        assert (settings.program, settings.fields["prompt"], settings.fields["seed"]) == ("ComfyUI", "a 猫", 5)


@pytest.mark.parametrize("extension", ["jpg", "webp", "avif"])
@pytest.mark.parametrize("coding", ["utf-16-be", "utf-16-le", "ascii"])
def test_exif_user_comment(tmp_path, extension, coding):
    text = PARAMETERS if coding != "ascii" else LATIN.replace("é", "e")
    prefix = b"ASCII\0\0\0" if coding == "ascii" else b"UNICODE\0"
    path = tmp_path / f"a.{extension}"
    picture().save(path, exif=exif(prefix + text.encode(coding)).tobytes())
    assert read(path).fields["prompt"] == text.partition("\n")[0]


@pytest.mark.parametrize("extension", ["jpg", "webp"])
def test_comfyui_in_exif(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    picture().save(path, exif=exif(tags={0x0110: f"prompt:{json.dumps(WORKFLOW)}", 0x010F: "workflow:{}"}))
    assert read(path).fields["seed"] == 5


def test_gif_comment(tmp_path):
    picture().save(tmp_path / "a.gif", comment=LATIN.replace("é", "e").encode())
    assert read(tmp_path / "a.gif").fields["seed"] == 5


@pytest.mark.parametrize("name", ["prompt", "comment"])
def test_video_tags(tmp_path, name):
    import av

    path = tmp_path / "a.mp4"
    text = json.dumps(WORKFLOW) if name == "prompt" else json.dumps({"prompt": WORKFLOW, "workflow": {}})
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata[name] = text
        stream = container.add_stream("libx264", rate=8)
        stream.width = stream.height = 16
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    assert read(path).fields["seed"] == 5


def test_text_files(tmp_path):
    (tmp_path / "a.txt").write_text(PARAMETERS, encoding="utf-8")
    (tmp_path / "a.json").write_text("\ufeff" + json.dumps(WORKFLOW), encoding="utf-8")
    assert read(tmp_path / "a.txt").program == "AUTOMATIC1111"
    assert read(tmp_path / "a.json").program == "ComfyUI"


def test_two_programs_in_one_file(tmp_path):
    info = PngInfo()
    info.add_text("prompt", json.dumps(WORKFLOW))
    info.add_itxt("parameters", PARAMETERS)
    picture().save(tmp_path / "a.png", pnginfo=info)
    assert read(tmp_path / "a.png").program == "AUTOMATIC1111"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "not JSON"),
        ("a.json", b'{"a":' * 100_000, "nested too deeply|not JSON"),
        ("a.json", b'{"a": ' + b"9" * 10_000 + b"}", "not JSON"),
        ("a.txt", b"hello there", "holds no settings .*looks like text"),
        ("a.txt", "caf\xe9\xe9".encode("latin-1"), "binary|UTF-8|no settings|not a picture"),
        ("a.pdf", b"%PDF-1.5 ....", "not a picture; it looks like a PDF"),
        ("a.png", b"", "is empty"),
        ("a.png", b"\x89PNG\r\n\x1a\n....", "damaged or cut short"),
        ("a.jpg", b"\xff\xd8\xff\xe0....", "damaged or cut short"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"(?s){message}"):
        read(tmp_path / name)


def test_a_picture_without_settings(tmp_path):
    picture().save(tmp_path / "a.png")
    with pytest.raises(UserError, match="holds no settings of AUTOMATIC1111 or ComfyUI"):
        read(tmp_path / "a.png")
    picture().save(tmp_path / "a.jpg", exif=exif(b"ASCII\0\0\0Taken on holiday"))
    with pytest.raises(UserError, match="holds no settings"):
        read(tmp_path / "a.jpg")


def test_a_text_that_blows_up_is_refused(tmp_path):
    bomb = zlib.compress(b" " * (MAX_TEXT_BYTES + 10))
    path = with_chunk(tmp_path / "a.png", b"zTXt", b"parameters\0\0" + bomb)
    with pytest.raises(UserError, match="more than 16 MiB"):
        read(path)
    path = with_chunk(tmp_path / "b.png", b"iTXt", b"parameters\0\1\0\0\0" + bomb)
    with pytest.raises(UserError, match="more than 16 MiB"):
        read(path)


def test_damaged_compression(tmp_path):
    path = with_chunk(tmp_path / "a.png", b"zTXt", b"parameters\0\0nonsense")
    with pytest.raises(UserError, match="damaged or cut short"):
        read(path)


def test_damaged_exif_is_no_warning(tmp_path):
    path = tmp_path / "a.jpg"
    picture().save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xffnonsense")
    with pytest.raises(UserError):
        read(path)
