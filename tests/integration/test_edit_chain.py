"""Pictures edited turn after turn: real files of a miniature, and what the history makes of them."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from praxino.api import generate
from praxino.cli import outcome
from praxino.engine.output import read_recipe
from praxino.families import Grid, families
from praxino.history import Journal, digest
from praxino.history import drawn as entries_of
from praxino.settings import home
from praxino.weights import catalog

SMALL = ("--steps", "1", "--size", "32x32")


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["ltx-video"].miniature(folder)
    return folder


@pytest.fixture
def praxino(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        return (outcome.run(list(args)), *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def dog(miniature):
    """A clip of the miniature, saved as a GIF."""
    clip = generate("a dog", model=str(miniature), steps=1, size="32x32", seed=1)
    return clip.save(miniature.with_suffix(".gif"))


@pytest.fixture
def drawn(praxino, dog, tmp_path):
    """The clip as a.gif, in the history; and a command that edits with few steps."""
    path = Path(shutil.copy(dog, tmp_path / "a.gif"))
    Journal().add(entries_of(read_recipe(path), [path]))

    def edit(*args, code=0):
        ended, out, err = praxino("edit", *args, *SMALL)
        assert ended == code, err
        return out + err

    return edit


def test_a_chain_with_a_branch(drawn, praxino, miniature, tmp_path):
    said = drawn("last", "make it watercolour", "-o", "b.webp")
    assert "a.gif is a clip: its first frame is taken" in said
    drawn("2", "add a hat", "-o", "c.mp4")
    drawn("c.mp4", "at night", "-o", "d.gif")
    drawn("1", "in the snow", "-o", "e.gif")
    entries = Journal().entries()
    assert [(entry.id, entry.parent) for entry in entries] == [(1, None), (2, 1), (3, 2), (4, 3), (5, 1)]
    assert [entry.sha256 for entry in entries] == [digest(tmp_path / entry.path) for entry in entries]
    for child, parent in (("b.webp", "a.gif"), ("c.mp4", "b.webp"), ("d.gif", "c.mp4"), ("e.gif", "a.gif")):
        recipe = read_recipe(tmp_path / child)
        assert recipe.parent == read_recipe(tmp_path / parent).identity()
        assert recipe.model == str(miniature)
        assert recipe.task == "image-to-video"
    tree = [line.partition("  20")[0].rstrip() for line in praxino("history")[1].splitlines()]
    assert tree == [
        "1  a dog",
        "├─ 2  make it watercolour",
        "│  └─ 3  add a hat",
        "│     └─ 4  at night",
        "└─ 5  in the snow",
    ]


def test_an_edited_file_is_replayed_to_the_byte_and_is_a_sister(drawn, praxino, tmp_path):
    drawn("last", "make it watercolour", "-o", "b.gif")
    assert praxino("replay", "b.gif")[2].endswith("every byte is as in b.gif\n")
    assert [(entry.id, entry.parent) for entry in Journal().entries()] == [(1, None), (2, 1), (3, 1)]


def test_samples_are_noted_each_with_its_own_pixels(praxino, miniature, tmp_path):
    praxino("a dog", "-m", str(miniature), *SMALL, "-n", "2", "-o", "x.gif")
    for entry, name in zip(Journal().entries(), ("x-1.gif", "x-2.gif"), strict=True):
        assert entry.path == str(tmp_path / name)
        assert entry.identity == read_recipe(tmp_path / name).identity()


def test_a_photo_from_elsewhere_begins_a_chain(drawn, tmp_path):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "photo.bmp")
    drawn("photo.bmp", "bouncing", "-o", "b.gif", "-m", Journal().last().model)
    photo, edited = Journal().entries()[1:]
    assert (photo.path, photo.prompt, edited.parent) == (str(tmp_path / "photo.bmp"), "", photo.id)
    assert read_recipe(tmp_path / "b.gif").parent == digest(tmp_path / "photo.bmp") == photo.identity
    drawn("photo.bmp", "spinning", "-o", "c.gif", "-m", edited.model)
    assert Journal().last().parent == photo.id


def test_a_moved_file_is_still_known(drawn, tmp_path):
    shutil.move(tmp_path / "a.gif", tmp_path / "moved.gif")
    assert "a.gif, which is 1 in the history, is gone" in drawn("last", "x", code=2)
    drawn("moved.gif", "bouncing", "-o", "b.gif")
    assert Journal().last().parent == 1


def test_a_file_that_was_written_over_is_not_taken_for_the_old_one(drawn):
    drawn("last", "bouncing", "-o", "a.gif")
    assert "a.gif is no longer 1" in drawn("1", "x", code=2)
    drawn("last", "spinning", "-o", "b.gif")
    assert Journal().last().parent == 2


def test_a_folder_of_frames(drawn, tmp_path):
    drawn("1", "bouncing", "-o", "frames/")
    assert "frames: its first frame is taken" in drawn("frames", "spinning", "-o", "b.gif")
    assert Journal().last().parent == 2


def test_any_frame_of_a_clip_can_be_the_picture(drawn, tmp_path):
    with Image.open(tmp_path / "a.gif") as clip:
        clip.seek(8)
        clip.convert("RGB").save(tmp_path / "eighth.png")
    model = Journal().last().model
    wish = ["bouncing", "-m", model, *SMALL, "--seed", "3", "-q"]
    for picture, name in (("a.gif#frame=8", "x.gif"), ("eighth.png", "y.gif")):
        assert outcome.run([*wish, "--image", picture, "-o", name]) == 0
    x, y = (read_recipe(tmp_path / name).conditions[0].media for name in ("x.gif", "y.gif"))
    assert x.sha256 == y.sha256
    assert outcome.run([*wish, "--image", "a.gif#frame=9", "-o", "z.gif"]) == 2


def test_without_a_history(drawn, praxino, miniature, monkeypatch, tmp_path):
    drawn("a.gif", "bouncing", "-o", "b.gif", "--no-history")
    monkeypatch.setenv("PRAXINO_HISTORY", "off")
    drawn("b.gif", "spinning", "-o", "c.gif")
    assert len(Journal().entries()) == 1
    assert read_recipe(tmp_path / "c.gif").parent == read_recipe(tmp_path / "b.gif").identity()
    assert read_recipe(tmp_path / "c.gif").model == str(miniature)
    monkeypatch.setenv("PRAXINO_HISTORY", "perhaps")
    assert "PRAXINO_HISTORY is 'perhaps'" in drawn("b.gif", "spinning", code=2)


def test_a_damaged_history_stops_nothing(drawn, praxino, miniature, tmp_path):
    home().joinpath("history.sqlite").write_bytes(b"damaged" * 1000)
    said = drawn("a.gif", "bouncing", "-o", "b.gif")
    assert "history.sqlite cannot be used" in said
    assert read_recipe(tmp_path / "b.gif").parent == read_recipe(tmp_path / "a.gif").identity()
    code, out, _ = praxino("a dog", "-m", str(miniature), *SMALL, "--json", "-o", "c.gif")
    warning, written = (json.loads(line) for line in out.splitlines()[-2:])
    assert (code, warning["event"], written["history"]) == (0, "warning", [])
    assert "cannot be used" in drawn("last", "x", code=2)


def test_events_tell_the_ids(praxino, miniature):
    out = praxino("a dog", "-m", str(miniature), *SMALL, "--json", "-o", "x.gif")[1]
    assert json.loads(out.splitlines()[-1])["history"] == [1]


def test_going_on_with_an_edit_after_a_stop(drawn, praxino, tmp_path):
    drawn("last", "bouncing", "-o", "b.mp4")
    wish = ["2", "spinning", "-o", "c.gif", "--checkpoint", "state"]
    drawn(*wish)
    (tmp_path / "state").mkdir(exist_ok=True)
    drawn(*wish)
    assert [entry.parent for entry in Journal().entries()] == [None, 1, 2, 2]


class Changes:
    """A family that only plans: enough to see what a model is given."""

    name = "changes"

    def __init__(self, *tasks, steering=(), max_frames=1):
        template = families()["ltx-video"].variants["ltx-video-0.9.5"]
        grid = Grid(32, 32, 1024, 8, max_frames)
        fields = {**template.__dict__, "name": "changer", "tasks": tasks, "steering": steering, "grid": grid}
        self.variant = type(template)(**fields)
        self.variants = {"changer": self.variant}


@pytest.fixture
def only_model(monkeypatch, tmp_path):
    def put(*tasks, **fields):
        family = Changes(*tasks, **fields)
        entry = catalog.Entry("changer", family, family.variant, tmp_path)
        monkeypatch.setattr(catalog, "find", lambda name: entry)

    return put


def test_a_model_that_cannot_edit_says_which_can(drawn, only_model, monkeypatch):
    only_model("text-to-image")
    said = drawn("last", "x", code=2)
    assert "changer cannot change a picture; it does text-to-image. Name one that can with -m." in said
    assert "Here: pocket (image-to-video)" in said
    assert len(said.splitlines()) <= 3


@pytest.mark.parametrize(
    ("tasks", "steering", "field"),
    [
        (("video-to-video", "image-to-image"), (), {"video": "a.gif"}),
        (("video-to-video", "image-to-video"), ("extend",), {"image": "a.gif#frame=0"}),
        (("image-to-image",), (), {"image": "a.gif#frame=0"}),
    ],
)
def test_what_a_clip_becomes_depends_on_the_model(drawn, only_model, monkeypatch, tmp_path, tasks, steering, field):
    from praxino.cli import edit

    only_model(*tasks, steering=steering)
    seen = []
    monkeypatch.setattr(edit, "draw_request", lambda request, *rest: seen.append(request))
    drawn("a.gif", "x")
    given = {name: getattr(seen[0], name) for name in ("image", "video") if getattr(seen[0], name)}
    assert given == field


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["last", "x"], "the history is empty"),
        (["7", "x"], "there is no 7 in the history"),
        (["no.png", "x"], "there is no file no.png"),
        (["notes.txt", "x"], "is not a picture"),
        (["empty", "x"], "without a picture 0001.png"),
        (["last"], "say what to change"),
        (["last", "x", "--image", "y.png"], "no such option --image"),
    ],
)
def test_what_cannot_be_edited(praxino, tmp_path, args, message):
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "empty").mkdir()
    code, out, err = praxino("edit", *args)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["show", "7"], "there is no 7"),
        (["forget"], "say which"),
        (["forget", "1", "--all"], "say which"),
        (["forget", "7"], "there is no 7"),
        (["list", "--limit", "-2"], "--limit is -2"),
        (["--limit", "x"], "must be a whole number"),
        (["shwo"], "did you mean show?"),
    ],
)
def test_wrong_questions_to_the_history(praxino, args, message):
    code, _, err = praxino("history", *args)
    assert code == 2
    assert message in err


def test_the_history_is_shown_and_forgotten(drawn, praxino):
    drawn("last", "bouncing", "-o", "b.gif")
    assert ["made", "from", "1", "a", "dog"] in [
        line.split() for line in praxino("history", "show", "2")[1].splitlines()
    ]
    shown = praxino("history", "show", "1")[1]
    assert "made of it" in shown
    assert json.loads(praxino("history", "show", "2", "--json")[1])["parent"] == 1
    assert [entry["id"] for entry in json.loads(praxino("history", "--json", "--limit", "1")[1])] == [1, 2]
    assert praxino("history", "--match", "zebra")[1:] == ("", "nothing has 'zebra' in it\n")
    assert praxino("history", "forget", "1")[2] == "forgot 1 entry\n"
    assert "└" not in praxino("history")[1]
    assert praxino("history", "forget", "--all")[2] == "forgot 1 entry\n"
    assert praxino("history")[1:] == ("", "nothing here yet\n")
