"""What a file looks like by its first bytes, in words for an error message. Decodes nothing."""

from __future__ import annotations

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1a\x45\xdf\xa3", "a WebM or Matroska video"),
    (b"8BPS", "a Photoshop document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"ID3", "MP3 sound"),
    (b"OggS", "Ogg sound or video"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)
_BRANDS = {
    b"avis": "an AVIF animation",
    b"heic": "a HEIC picture",
    b"heix": "a HEIC picture",
    b"mif1": "a HEIF picture",
    b"avif": "an AVIF picture",
}


def described(data: bytes) -> str:
    """A few words for the beginning of a file, as in "a PDF document"; `data` may be all of it."""
    head = data[:512]
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "an MP4 or QuickTime video")
    if head[:4] == b"RIFF":
        return {b"WEBP": "a WebP picture", b"AVI ": "an AVI video", b"WAVE": "WAV sound"}.get(head[8:12], "a RIFF file")
    for signature, words in _SIGNATURES:
        if head.startswith(signature):
            return words
    return _described_text(head)


def _described_text(head: bytes) -> str:
    try:
        text = head.decode()
    except UnicodeDecodeError as problem:
        if problem.start < len(head) - 4:
            return "binary data of no kind known here"
        text = head[: problem.start].decode()
    if any(ord(character) < 32 and character not in "\t\n\r\f" for character in text):
        return "binary data of no kind known here"
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html")):
        return "a web page"
    if "<svg" in start:
        return "an SVG drawing; export it as PNG"
    return "text"


def is_svg(head: bytes) -> bool:
    """Whether a file begins as an SVG drawing."""
    return b"<svg" in head and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def is_sound(head: bytes) -> bool:
    """Whether a file begins as a sound that is read here: WAV, FLAC, MP3, AAC, or one in a video's container."""
    is_framed = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    is_wave = head[:4] == b"RIFF" and head[8:12] == b"WAVE"
    return is_wave or is_framed or head.startswith((b"fLaC", b"ID3")) or is_video(head)


def is_video(head: bytes) -> bool:
    """Whether a file begins as a video that is read here: MP4, QuickTime, WebM, Matroska, AVI, Ogg, FLV or MPEG."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in _BRANDS
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    starts = (b"\x1a\x45\xdf\xa3", b"OggS", b"FLV\x01", b"\x00\x00\x01\xba")
    return head.startswith(starts) or head[4:8] in (b"moov", b"mdat", b"wide") or head[:1] + head[188:189] == b"GG"
