"""The command with a real family: a miniature's networks, real files."""

import json
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image

from praxino.cli import outcome
from praxino.families import families


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["ltx-video"].miniature(folder)
    return folder


@pytest.fixture
def praxino(miniature, tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder with the miniature as its model."""
    monkeypatch.chdir(tmp_path)

    def call(*args, model=True):
        code = outcome.run([*args, *(["-m", str(miniature), "--steps", "2"] if model else [])])
        said = capsys.readouterr()
        assert code == 0, said.err
        return said

    return call


def test_draw_show_replay(praxino, tmp_path):
    said = praxino("a dog bouncing", "--seed", "7")
    drawn = tmp_path / "a-dog-bouncing.gif"
    assert said.out == "a-dog-bouncing.gif\n"
    assert "wrote a-dog-bouncing.gif in " in said.err
    with Image.open(drawn) as gif:
        assert (gif.format, gif.is_animated) == ("GIF", True)
    assert ["seed", "7"] in [row.split() for row in praxino("show", str(drawn), model=False).out.splitlines()]
    again = praxino("replay", str(drawn), model=False)
    assert again.err.endswith(f"every byte is as in {drawn}\n")
    assert (tmp_path / "a-dog-bouncing-replay.gif").read_bytes() == drawn.read_bytes()


def test_replay_in_another_format(praxino, tmp_path):
    praxino("a dog", "--seed", "7", "-o", "a.gif")
    praxino("a dog", "--seed", "7", "-o", "straight.webp")
    said = praxino("replay", "a.gif", "-o", "b.webp", model=False)
    assert "every byte" not in said.err
    assert (tmp_path / "b.webp").read_bytes() == (tmp_path / "straight.webp").read_bytes()


def test_several_samples_take_names_that_are_free(praxino, tmp_path):
    assert praxino("a dog", "-n", "2", "-q").out.split() == ["a-dog-1.gif", "a-dog-2.gif"]
    assert praxino("a dog", "-n", "2", "-q").out.split() == ["a-dog-2-1.gif", "a-dog-2-2.gif"]


def test_a_picture_is_told_not_dumped(praxino):
    Image.new("RGB", (64, 48), "red").save("logo.png")
    praxino("bouncing", "--image", "logo.png", "--size", "64x64", "-o", "x.webp", "-q")
    shown = praxino("show", "x.webp", model=False).out
    assert "64x48 from logo.png at frame 0" in shown
    assert "base64" not in shown


def test_frames_go_into_a_folder(praxino, tmp_path):
    praxino("a dog", "-o", "frames/", "-q")
    assert len(list((tmp_path / "frames").glob("*.png"))) == 9
    assert "every byte" in praxino("replay", "frames", model=False).err


def test_without_metadata_there_is_nothing_to_show(praxino, tmp_path, capsys):
    praxino("a dog", "-o", "x.gif", "-q", "--no-metadata")
    assert outcome.run(["show", str(tmp_path / "x.gif")]) == 2
    assert "holds no recipe" in capsys.readouterr().err


def test_events_tell_the_whole_run(praxino):
    events = [json.loads(line) for line in praxino("a dog", "--json").out.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["resolved", "written"]
    stages = [event["stage"] for event in events if event["event"] == "step"]
    assert stages == sorted(stages, key=["load", "encode", "denoise", "decode"].index)
    assert stages.count("denoise") == 2


def test_models_show_a_folder(praxino, miniature):
    told = json.loads(praxino("models", "show", str(miniature), "--json", model=False).out)
    assert told["family"] == "ltx-video"
    assert told["path"] == str(miniature)
    assert told["size_bytes"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C of another process is POSIX here")
def test_ctrl_c_stops_a_real_run(miniature, tmp_path):
    command = ["a dog", "-m", str(miniature), "--steps", "1000", "--json", "-o", str(tmp_path / "x.gif")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-m", "praxino", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with child:
        for line in child.stdout:
            if json.loads(line).get("stage") == "denoise":
                child.send_signal(signal.SIGINT)
                break
        last = [json.loads(line) for line in child.stdout][-1]
        assert child.wait(timeout=60) == 130
        assert child.stderr.read() == "praxino: cancelled; nothing was written\n"
    assert (last["event"], last["error"]) == ("failed", "Cancelled")
    assert list(tmp_path.iterdir()) == []
