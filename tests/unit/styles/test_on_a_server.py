"""What of a style may come from outside."""

import pytest

from praxino.errors import UserError
from praxino.request import Request
from praxino.server.wishes import check_fields


def test_a_style_of_the_server_can_be_asked_for():
    check_fields(Request(prompt="a", style="flat-icon", brand_colour="#fff", transparent=True, matting="ground"))


@pytest.mark.parametrize("style", ["/etc/passwd#x", "styles.toml#x", "#x"])
def test_a_file_cannot_be_named(style):
    with pytest.raises(UserError, match="by their names"):
        check_fields(Request(prompt="a", style=style))
