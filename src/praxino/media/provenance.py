"""The text inside a file that says how it was made: where each format keeps it, and how it is read back.

| Format       | Place                                                                     |
|--------------|---------------------------------------------------------------------------|
| GIF          | application extension `PRAXINO 1.0`                                       |
| PNG, APNG    | iTXt chunk `praxino`                                                      |
| WebP, AVIF   | XMP, element `praxino:recipe`                                             |
| SVG          | element `praxino:recipe` in `metadata`                                    |
| JPEG         | comments that begin with `praxino 1/N:`, as many as it takes              |
| MP4, WebM    | tag `praxino`                                                             |
| frames       | `recipe.json`, and in each PNG                                            |

Knows nothing of what the text says.
"""

from __future__ import annotations

import re
import struct
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from praxino.errors import UserError
from praxino.media import blocks
from praxino.media.files import head_of
from praxino.media.looks import described, is_svg, is_video

KEY = "praxino"
RECIPE_FILE = "recipe.json"
PNG_PREFIX = KEY.encode() + b"\0\0\0\0\0"
"""How the iTXt chunk begins: the keyword, not compressed, no language."""
GIF_IDENTIFIER = b"PRAXINO 1.0"
_JPEG_COMMENT = 0xFE
_JPEG_PIECE = 65_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_IN_XML = re.compile("[%&<>\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_NAMESPACE = "https://praxino.dev/xmp/1.0/"
_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    f'<rdf:Description rdf:about="" xmlns:praxino="{_NAMESPACE}">'
    "<praxino:recipe>{}</praxino:recipe></rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="r"?>'
)
_IN_XMP = re.compile(rb"<praxino:recipe>(.*?)</praxino:recipe>", re.DOTALL)


def encodable(text: str) -> str:
    """JSON text that UTF-8 can hold: lone surrogates, as of a file name that is not UTF-8, as JSON's own escapes."""
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def gif_block(text: str) -> bytes:
    """A GIF application extension that holds `text`."""
    return b"!\xff\x0b" + GIF_IDENTIFIER + blocks.gif_sub_blocks(text.encode())


def xmp_packet(text: str) -> bytes:
    """An XMP packet that holds `text`; characters that XML cannot hold or would read are percent-encoded."""
    return _XMP.format(_NOT_IN_XML.sub(lambda found: urllib.parse.quote(found[0]), text)).encode()


def svg_metadata(text: str) -> str:
    """An SVG's metadata element that holds `text`, escaped as in `xmp_packet`."""
    kept = _NOT_IN_XML.sub(lambda found: urllib.parse.quote(found[0]), text)
    return f'<metadata xmlns:praxino="{_NAMESPACE}"><praxino:recipe>{kept}</praxino:recipe></metadata>'


def jpeg_with(data: bytes, text: str) -> bytes:
    """A JPEG file with `text` in comments after its first segment, APP0."""
    content = text.encode()
    pieces = [content[start : start + _JPEG_PIECE] for start in range(0, len(content), _JPEG_PIECE)] or [b""]
    comments = [b"%s %d/%d:" % (KEY.encode(), i + 1, len(pieces)) + piece for i, piece in enumerate(pieces)]
    segments = [struct.pack(">BBH", 0xFF, _JPEG_COMMENT, len(comment) + 2) + comment for comment in comments]
    after = 4 + struct.unpack_from(">H", data, 4)[0]
    return data[:after] + b"".join(segments) + data[after:]


def read_metadata(path: Path | str) -> str:
    """The text that Praxino put into a file or a folder of frames.

    Raises:
        UserError: there is no such file, it is no media file, or it holds no such text.
    """
    path = Path(path)
    if path.is_dir():
        return _of_folder(path)
    head = head_of(path)
    reader = next((read for fits, read in _READERS if fits(head)), None)
    if reader is None:
        raise UserError(
            f"{path} is no picture or clip; it looks like {described(head)}. Give a file that Praxino has written."
        )
    try:
        text = reader(path)
    except blocks.Truncated as problem:
        raise UserError(f"{path} is damaged or cut short: {problem}. Copy or download it again.") from problem
    if text is None:
        raise _no_recipe(path)
    return text


def _no_recipe(path: Path) -> UserError:
    return UserError(
        f"{path} holds no recipe; only files written by Praxino without --no-metadata can be replayed or shown.\n"
        "(Messengers and picture editors strip it: use the original file.)"
    )


def _of_folder(folder: Path) -> str:
    file = folder / RECIPE_FILE
    if not file.is_file():
        raise UserError(
            f"{folder} is a folder without {RECIPE_FILE}; give a file, or a folder that Praxino wrote with "
            "--format frames."
        )
    try:
        head_of(file)
        return file.read_bytes().decode()
    except UnicodeDecodeError as problem:
        raise UserError(f"{file} is damaged: it is not UTF-8 text.") from problem


def _of_gif(path: Path) -> str | None:
    found = [content for name, content in blocks.gif_extensions(path.read_bytes()) if name == GIF_IDENTIFIER]
    return _text(found[0]) if found else None


def _of_png(path: Path) -> str | None:
    texts = [content for kind, content in blocks.png_chunks(path.read_bytes()) if kind == b"iTXt"]
    found = [content for content in texts if content.startswith(PNG_PREFIX)]
    return _text(found[0][len(PNG_PREFIX) :]) if found else None


def _of_jpeg(path: Path) -> str | None:
    pieces, wanted = [], 1
    for marker, content in blocks.jpeg_segments(path.read_bytes()):
        found = re.match(rb"praxino (\d+)/(\d+):", content) if marker == _JPEG_COMMENT else None
        if found and int(found[1]) == len(pieces) + 1:
            pieces.append(content[found.end() :])
            wanted = int(found[2])
    return _text(b"".join(pieces)) if len(pieces) == wanted else None


def _of_xmp(path: Path) -> str | None:
    from praxino.media.picture import open_picture

    with open_picture(path) as image:
        found = _IN_XMP.search(image.info.get("xmp") or b"")
    return urllib.parse.unquote(_text(found[1])) if found else None


def _of_svg(path: Path) -> str | None:
    found = _IN_XMP.search(path.read_bytes())
    return urllib.parse.unquote(_text(found[1])) if found else None


def _of_video(path: Path) -> str | None:
    from praxino.media.video import read_tags

    tags = read_tags(path)
    return next((value for key, value in tags.items() if key.lower() == KEY), None)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as problem:
        raise blocks.Truncated("its recipe is not UTF-8 text") from problem


_READERS: list[tuple[Callable[[bytes], bool], Callable[[Path], str | None]]] = [
    (lambda head: head.startswith(blocks.GIF_HEADER), _of_gif),
    (lambda head: head.startswith(blocks.PNG_HEADER), _of_png),
    (lambda head: head.startswith(blocks.JPEG_HEADER), _of_jpeg),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", _of_xmp),
    (lambda head: head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"), _of_xmp),
    (is_svg, _of_svg),
    (is_video, _of_video),
]
