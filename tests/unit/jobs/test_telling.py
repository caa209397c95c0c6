from pathlib import Path

import pytest

from praxino.jobs.telling import local_sources, shared_sources, without_paths


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("[Errno 2] No such file or directory: '/srv/our data/models/a.safetensors'", "'a.safetensors'"),
        ("/home/ada/models/x is damaged or incomplete: it ends early", "x is damaged or incomplete"),
        ("cannot read the LoRA /srv/x/lora.safetensors: bad header", "the LoRA lora.safetensors: bad header"),
        ("look into (/var/log/a.log), or /etc/b.", "look into (a.log), or b."),
        (r"C:\Users\ada\model.gguf is gone", "model.gguf is gone"),
        ("see https://example.org/a/b and s3://bucket/x/y", "https://example.org/a/b and s3://bucket/x/y"),
        ("text and/or pictures at 16/9, owner/name@main", "and/or pictures at 16/9, owner/name@main"),
        ("ZeroDivisionError: 1 / 0", "1 / 0"),
    ],
)
def test_messages_keep_names_and_lose_folders(message, told):
    assert told in without_paths(message)
    for folder in ("/srv", "/home", "/var", "/etc", "Users"):
        assert folder not in without_paths(message)


def test_sources_follow_the_shared_folder():
    clip = {"source": "/mnt/a/inputs/ab/c.mp4#frames=0-8", "sha256": "0", "data": ""}
    picture = {"source": "sun.png", "sha256": "1", "data": "data:image/png;base64,AA=="}
    recipe = {"conditions": [{"media": clip, "frame": 0}, {"media": picture}], "extends": [{"media": clip}], "seed": 1}
    shared = shared_sources(recipe, Path("/mnt/a"))
    assert "/mnt" not in str(shared)
    assert shared["conditions"][1]["media"] == picture
    moved = local_sources(shared, Path("/media/b"))
    assert moved["extends"][0]["media"]["source"] == "/media/b/inputs/ab/c.mp4#frames=0-8"
    assert moved["conditions"][1]["media"] == picture
    assert local_sources(shared, Path("/mnt/a")) == recipe
