import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.families import families
from praxino.settings import home


def test_list(praxino):
    lines = praxino("models", "list").out.splitlines()
    assert lines[0].split() == ["NAME", "FAMILY", "HERE", "DOWNLOAD", "TASKS"]
    told = {line.split()[0]: line.split()[1:6] for line in lines if line}
    assert told["ltx-video-0.9.5"] == ["ltx-video", "no", "about", "25", "GB"]
    assert told["pocket"][1] == "bundled" and "about" not in told["pocket"]


def test_list_as_json(praxino):
    (found,) = [m for m in json.loads(praxino("models", "list", "--json").out) if m["name"] == "ltx-video-0.9.5"]
    assert (found["family"], found["variant"], found["installed"]) == ("ltx-video", "ltx-video-0.9.5", False)
    assert "image-to-video" in found["tasks"]
    assert found["download_bytes"] == pytest.approx(25.4e9, rel=0.01)


def test_show_what_is_not_here(praxino):
    said = praxino("models", "show", "ltx-video-0.9.5")
    assert "not on this machine" in said.out
    assert "download         about 25 GB\n" in said.out and "reads            256 tokens of a prompt\n" in said.out
    told = json.loads(praxino("models", "show", "ltx-video-0.9.5", "--json").out)
    assert (told["path"], told["size_bytes"], told["vocabulary"]) == (None, None, None)
    assert told["steps"] == families()["ltx-video"].variants["ltx-video-0.9.5"].steps


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["show", "ltx-vido-0.9.5"], "ltx-video-0.9.5"),
        (["miniature", "ltx-vid", "x"], "there is no family or model 'ltx-vid'; did you mean ltx-video?"),
        (["miniature", "zzz", "x"], "there is no family or model 'zzz'; there are "),
    ],
)
def test_what_there_is_not(praxino, args, message):
    said = praxino("models", *args)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_a_miniature_overwrites_nothing(praxino, tmp_path):
    (tmp_path / "mine").write_text("x", encoding="utf-8")
    said = praxino("models", "miniature", "ltx-video", str(tmp_path))
    assert (said.code, "is there already" in said.err) == (2, True)


@pytest.fixture
def lora(tmp_path):
    factors = {"x.lora_A.weight": np.zeros((4, 8), np.float32), "x.lora_B.weight": np.zeros((8, 4), np.float32)}
    save_file(factors, tmp_path / "sketch.safetensors")
    return str(tmp_path / "sketch.safetensors")


def test_a_lora_is_imported_listed_verified_and_removed(praxino, lora):
    kept = home() / "models" / "sketch.safetensors"
    said = praxino("models", "import", lora, "--name", "sketch")
    assert (said.code, said.out) == (0, f"{kept}\n")
    assert said.err.splitlines() == [
        "imported sketch: a LoRA, diffusers names, rank 4",
        'lay it over a model: praxino "..." -m MODEL --lora sketch',
    ]
    *_, heading, row = praxino("models", "list").out.splitlines()
    assert heading.split() == ["BESIDE", "MODELS", "KIND", "WHAT"]
    assert row.split() == ["sketch", "lora", "diffusers", "names,", "rank", "4"]
    (listed,) = [told for told in json.loads(praxino("models", "list", "--json").out) if told["name"] == "sketch"]
    assert (listed["kind"], listed["here"]) == ("lora", "imported")
    assert praxino("models", "verify", "sketch").err.startswith("sketch is as it must be: 1 file, ")
    assert praxino("models", "remove", "sketch", "--dry-run").err.startswith("would free ")
    assert kept.exists()
    said = praxino("models", "remove", "sketch")
    assert (said.code, said.out) == (0, f"{kept}\n")
    assert not kept.exists()
    assert praxino("models", "remove", "sketch").code == 2


def test_an_import_for_programs(praxino, lora):
    events = [
        json.loads(line) for line in praxino("models", "import", lora, "--name", "sketch", "--json").out.splitlines()
    ]
    assert [event["event"] for event in events][-1] == "imported"
    assert (events[-1]["kind"], events[-1]["name"]) == ("lora", "sketch")
    said = praxino("models", "import", lora, "--name", "sketch", "--json")
    assert (said.code, json.loads(said.out)["event"]) == (2, "failed")
    assert praxino("models", "import", lora, "--name", "other", "-q").err == ""


def test_a_damaged_import_is_told(praxino, lora):
    praxino("models", "import", lora, "--name", "sketch", "-q")
    (home() / "models" / "sketch.safetensors").write_bytes(b"x")
    said = praxino("models", "verify", "sketch")
    assert (said.code, said.out) == (1, "")
    assert "sketch is not as it was: sketch.safetensors is damaged." in said.err
    told = json.loads(praxino("models", "verify", "sketch", "--json").out.splitlines()[-2])
    assert (told["event"], told["well"], told["damaged"]) == ("verified", False, ["sketch.safetensors"])


def test_the_licence_and_how_to_get_it(praxino):
    lines = dict(line.split(maxsplit=1) for line in praxino("models", "show", "ltx-video-0.9.5").out.splitlines())
    variant = families()["ltx-video"].variants["ltx-video-0.9.5"]
    assert lines["licence"] == variant.licence
    assert lines["source"] == f"{variant.source}, revision main"
    assert lines["here"] == "not on this machine; fetch it: praxino models pull ltx-video-0.9.5"


def test_a_miniature_of_a_model_does_its_tasks(praxino, tmp_path):
    praxino("models", "miniature", "cogvideox-5b-i2v", str(tmp_path / "m"))
    told = praxino("models", "show", str(tmp_path / "m"), "--json")
    assert json.loads(told.out)["tasks"] == ["image-to-video"]
