import pytest

from praxino.media.looks import described, is_video


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\xef\xbb\xbf<?xml?><svg xmlns=''>", "an SVG drawing"),
        ("schöne Grüße".encode(), "text"),
        (b"\x00\x01\x02\x03" * 40, "binary data"),
        (b"\xff\xfe\x00" * 40, "binary data"),
        (b"\0\0\0 ftypheic\0\0\0\0", "a HEIC picture"),
        (b"\0\0\0 ftypisom\0\0\0\0", "an MP4"),
        (b"RIFF\0\0\0\0WAVE", "WAV sound"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
    ],
)
def test_words(head, words):
    assert described(head).startswith(words)


def test_a_character_cut_at_the_end_of_the_head_is_still_text():
    assert described("日".encode() * 400) == "text"


@pytest.mark.parametrize(
    ("head", "video"),
    [
        (b"\0\0\0 ftypisom", True),
        (b"\0\0\0 ftypavis", False),
        (b"\0\0\0 ftypavif", False),
        (b"\x1a\x45\xdf\xa3", True),
        (b"RIFF\0\0\0\0AVI ", True),
        (b"RIFF\0\0\0\0WEBP", False),
        (b"GIF89a", False),
        (b"#EXTM3U\nhttp://example.org/a.ts", False),
    ],
)
def test_videos(head, video):
    assert is_video(head) is video
