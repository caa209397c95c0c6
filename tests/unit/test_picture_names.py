import pytest

from praxino.errors import UserError
from praxino.picture_names import with_pictures
from praxino.request import Request


def test_every_name_is_changed_and_nothing_else():
    request = Request(
        "a",
        image="logo.png",
        mask="m.png",
        control=("canny=edge.png:0.8", "depth-map=C:\\d.png"),
        reference=("r.png", "s.png:0.5", "https://x.example:8080/r.png"),
        steps=3,
    )
    asked = []

    def change(name, said):
        asked.append((said, name))
        return f"<{name}>"

    changed = with_pictures(request, change)
    assert (changed.image, changed.mask, changed.steps) == ("<logo.png>", "<m.png>", 3)
    assert changed.control == ("canny=<edge.png>:0.8", "depth-map=<C:\\d.png>")
    assert changed.reference == ("<r.png>", "<s.png>:0.5", "<https://x.example:8080/r.png>")
    assert ("control[1]", "C:\\d.png") in asked


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("sun.png@16", "sun.png", "@16"),
        ("sun.png@16:0.8", "sun.png", "@16:0.8"),
        ("a@b.png@0", "a@b.png", "@0"),
        ("sun.png@1.5s", "sun.png", "@1.5s"),
        ("sun.png@2s:0.8", "sun.png", "@2s:0.8"),
        ("data:image/png;base64,AA==@3:1", "data:image/png;base64,AA==", "@3:1"),
        ("https://x.example/@me/y.png@4", "https://x.example/@me/y.png", "@4"),
    ],
)
def test_keyframes(text, name, rest):
    changed = with_pictures(Request("a", keyframes=(text,)), lambda given, said: f"[{given}]")
    assert changed.keyframes == (f"[{name}]{rest}",)


@pytest.mark.parametrize(
    "text", ["sun.png", "@16", "sun.png@", "sun.png@x", "sun.png@-1", "sun.png@1:x", "sun.png@s", "sun.png@²"]
)
def test_what_is_no_keyframe(text):
    with pytest.raises(UserError, match="FILE@FRAME"):
        with_pictures(Request("a", keyframes=(text,)), lambda name, said: name)


@pytest.mark.parametrize("text", ["x.png", "=x.png", "a b=x.png", "../x=y"])
def test_what_is_no_control(text):
    with pytest.raises(UserError, match="KIND=FILE"):
        with_pictures(Request("a", control=(text,)), lambda name, said: name)


def test_a_motion_that_ships_is_no_file():
    changed = with_pictures(Request("a", motion_template="walk"), lambda text, said: f"{said}!")
    assert changed.motion_template == "walk"
    changed = with_pictures(Request("a", motion_template="p.json"), lambda text, said: f"{said}!")
    assert changed.motion_template == "motion_template!"
