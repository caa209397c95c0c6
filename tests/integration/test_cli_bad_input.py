"""Every refusal: exit code 2, one to three lines, before torch is imported, and nothing written."""

import json
import os
import struct
import subprocess
import sys
import zlib

import pytest
from PIL import Image

CASES = {
    "size off the grid": (["--size", "100x64"], "100"),
    "size of zero": (["--size", "0x64"], "0"),
    "size below zero": (["--size", "-64x64"], "-64x64"),
    "size beyond reason": (["--size", "1000000x1000000"], "1000000"),
    "size that is none": (["--size", "huge"], "huge"),
    "frames off the grid": (["--frames", "10"], "9"),
    "frames beyond reason": (["--frames", "9999999"], "--frames"),
    "no frames": (["--frames", "0"], "--frames"),
    "no time": (["--seconds", "0"], "--seconds"),
    "steps of zero": (["--steps", "0"], "--steps"),
    "steps below zero": (["--steps", "-4"], "--steps"),
    "guidance that is no number": (["--guidance", "nan"], "--guidance"),
    "seed that is no number": (["--seed", "abc"], "--seed"),
    "seed below zero": (["--seed", "-1"], "--seed"),
    "no samples": (["-n", "0"], "-n"),
    "model that is not": (["-m", "ltx-vidoe-0.9.5"], "ltx-video-0.9.5"),
    "model that is not here": (["-m", "ltx-video-0.9.5"], "-m FOLDER"),
    "model in a folder without one": (["-m", "empty-folder"], "empty-folder"),
    "extension that is not": (["-o", "x.xyz"], ".xyz"),
    "no extension": (["-o", "x"], "extension"),
    "format against extension": (["-o", "x.gif", "--format", "mp4"], "mp4"),
    "folder that is not": (["-o", "nowhere/x.gif"], "nowhere"),
    "folder that is a file": (["-o", "picture.png/x.gif"], "picture.png"),
    "output that is a folder": (["-o", "empty-folder"], "empty-folder"),
    "name with a NUL": (["-o", "a\0b.gif"], "NUL"),
    "picture that is not": (["--image", "nowhere.png"], "nowhere.png"),
    "picture that is a folder": (["--image", "empty-folder"], "empty-folder"),
    "picture that is text": (["--image", "text.png"], "text.png"),
    "picture that is empty": (["--image", "empty.png"], "empty.png"),
    "picture that is a bomb": (["--image", "bomb.png"], "bomb.png"),
    "clip that is cut off": (["--video", "cut.gif"], "cut.gif"),
    "clip that is text": (["--video", "text.png"], "text.png"),
    "keyframe beyond the end": (["--keyframe", "picture.png@999"], "999"),
    "keyframe without a frame": (["--keyframe", "picture.png"], "@"),
    "last frame that is not": (["--last", "nowhere.png"], "nowhere.png"),
    "prompt without end": (["--", "x" * 300_000], "300,000"),
    "lora that is none": (["--lora", "text.png"], "text.png"),
    "lora that is not": (["--lora", "nowhere.safetensors"], "nowhere.safetensors"),
    "lora of any scale": (["--lora", "text.png:99"], "99"),
    "frames and seconds": (["--frames", "9", "--seconds", "1"], "exclude"),
    "image and first": (["--image", "picture.png", "--first", "picture.png"], "exclude"),
    "grid and sheet": (["--grid", "--sheet", "-n", "4"], "exclude"),
    "grid of one": (["--grid"], "-n 4"),
    "lossy quality beyond 100": (["--lossy-quality", "101", "-o", "x.webp"], "--lossy-quality"),
    "quality that is a number": (["--quality", "90", "-o", "x.webp"], "exact, near, fast"),
    "codec of a GIF": (["--codec", "av1"], "--codec"),
    "device that is not": (["--device", "gpu"], "there is no device 'gpu'"),
    "replay of what is not": (["replay", "nowhere.gif"], "nowhere.gif"),
    "replay of what has no recipe": (["replay", "picture.png"], "picture.png"),
    "replay of text": (["replay", "text.png"], "text.png"),
    "replay of a newer recipe": (["replay", "newer.png"], "version 99"),
    "replay of a damaged recipe": (["replay", "damaged.png"], "damaged.png"),
    "replay over itself": (["replay", "picture.png", "-o", "picture.png"], "picture.png"),
    "show of what has no recipe": (["show", "picture.png"], "picture.png"),
    "show of a newer recipe": (["show", "newer.png"], "version 99"),
}
OWN_COMMANDS = ("replay", "show")

PROGRAM = """
import contextlib, io, json, os, sys
from praxino.cli import outcome
told = {}
for name, args in json.load(sys.stdin).items():
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = outcome.run(args)
    told[name] = [code, out.getvalue(), err.getvalue(), sorted(os.listdir())]
    heavy = {"torch", "diffusers", "transformers"} & set(sys.modules)
    assert not heavy, (name, heavy)
json.dump(told, sys.stdout)
"""


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_inputs(folder):
    (folder / "empty-folder").mkdir()
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not a picture", encoding="utf-8")
    Image.new("RGB", (64, 64), "red").save(folder / "picture.png")
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    picture = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + picture)
    frames = [Image.effect_noise((64, 64), 10 * i + 10).convert("P") for i in range(9)]
    frames[0].save(folder / "clip.gif", save_all=True, append_images=frames[1:])
    (folder / "cut.gif").write_bytes((folder / "clip.gif").read_bytes()[:2000])
    (folder / "clip.gif").unlink()


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """What each case said, and the files that were there after it."""
    from praxino.recipe import Encoding

    folder, model = tmp_path_factory.mktemp("inputs"), tmp_path_factory.mktemp("models") / "tiny"
    environment = {**os.environ, "PRAXINO_HOME": str(model.parent), "PRAXINO_DEVICE": "cpu"}
    run = {"cwd": folder, "env": environment, "check": True, "text": True, "capture_output": True}
    subprocess.run([sys.executable, "-m", "praxino", "models", "miniature", "ltx-video", str(model)], **run)
    write_inputs(folder)
    write_recipes(folder, Encoding("png", 0, "good", 90, "none", False, False))
    before = sorted(os.listdir(folder))
    lines = {}
    for name, (args, _) in CASES.items():
        own = args[0] in OWN_COMMANDS
        prompt = [] if own or "--" in args else ["a dog"]
        chosen = [] if own or "-m" in args else ["-m", str(model)]
        lines[name] = [*([] if own else ["generate"]), *prompt, *chosen, *args]
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=json.dumps(lines), **run)
    return before, json.loads(done.stdout)


def write_recipes(folder, encoding):
    import numpy as np

    from praxino.media import save

    frames = [np.zeros((1, 8, 8, 3), np.uint8)]
    save(frames, folder / "newer.png", encoding, 8.0, json.dumps({"version": 99}))
    save(frames, folder / "damaged.png", encoding, 8.0, '{"version": 1')


@pytest.mark.parametrize("name", CASES)
def test_refused(refusals, name):
    before, told = refusals
    code, out, err, files = told[name]
    assert (code, out) == (2, ""), err
    assert err.startswith("praxino: ")
    assert CASES[name][1] in err
    assert len(err.splitlines()) <= 3
    assert max(map(len, err.splitlines())) < 500
    assert files == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    args = [sys.executable, "-m", "praxino", "a dog", "-m", "pocket", "-o", str(tmp_path / "locked" / "x.gif")]
    done = subprocess.run(args, capture_output=True, text=True)
    assert (done.returncode, "may not be written" in done.stderr) == (2, True)
