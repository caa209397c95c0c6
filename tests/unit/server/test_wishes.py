import pytest

from praxino.errors import UserError
from praxino.picture_names import PARTED, WHOLE
from praxino.request import Request, options
from praxino.server import wishes
from praxino.server.wishes import COMPANIONS, HARMLESS, Wish, check_fields


def test_every_field_of_a_request_was_looked_at():
    """A field that is new names files, weights, or neither: it is refused until somebody has said so here."""
    known = {*HARMLESS, *WHOLE, *PARTED, *COMPANIONS}
    assert set(options()) - known == set()
    assert known - set(options()) == set()


def test_fields_that_can_name_files_are_not_called_harmless():
    named = {name for name, option in options().items() if "FILE" in option.metavar or "FOLDER" in option.metavar}
    assert named & HARMLESS <= {"model", "style"}
    with pytest.raises(UserError, match="style is one of a file"):
        check_fields(Request("a", style="/etc/secret.toml#x"))


def test_a_field_that_nobody_has_looked_at_is_refused(monkeypatch):
    monkeypatch.setattr(wishes, "HARMLESS", HARMLESS - {"steps"})
    check_fields(Request("a"))
    with pytest.raises(UserError, match="steps cannot be sent"):
        check_fields(Request("a", steps=3))


def test_messages_do_not_tell_where_things_lie():
    wish = Wish(Request(), Request(), (("/data/inputs/ab/abc.png", "image"),))
    assert wish.reword("--image /data/inputs/ab/abc.png is odd") == "image is odd"
    assert wish.reword("/data/inputs/ab/abc.png is damaged") == "image is damaged"
