import hashlib
import hmac
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from praxino.server import links
from praxino.server.links import Links

PATH = "/api/v1/files/01/1/a rocket (é).gif"


def parts(url):
    split = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(split.query).items()}
    return unquote(split.path), query["expires"], query["signature"]


def test_a_link_allows_its_path_for_a_while(monkeypatch):
    now = 1_800_000_000.0
    monkeypatch.setattr(links.time, "time", lambda: now)
    made = Links(b"s" * 32, 60)
    url, expires = made.make(PATH)
    assert url.isascii()
    path, until, signature = parts(url)
    assert (path, expires) == (PATH, now + 60)
    assert made.allows(path, until, signature)
    monkeypatch.setattr(links.time, "time", lambda: now + 61)
    assert not made.allows(path, until, signature)


def test_a_signature_is_an_hmac_of_path_and_time():
    url, expires = Links(b"s" * 32, 60).make(PATH)
    key = hmac.new(b"s" * 32, b"links", hashlib.sha256).digest()
    expected = hmac.new(key, f"{int(expires)}\n{PATH}".encode(), hashlib.sha256).hexdigest()
    assert parts(url)[2] == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda path, until, signature: (path + "x", until, signature),
        lambda path, until, signature: (path, str(int(until) + 1), signature),
        lambda path, until, signature: (path, until, signature[:-1] + "g"),
        lambda path, until, signature: (path, until, ""),
        lambda path, until, signature: (path, until, "é"),
        lambda path, until, signature: (path, "", signature),
        lambda path, until, signature: (path, "soon", signature),
        lambda path, until, signature: (path, "-1", signature),
        lambda path, until, signature: (path, "9" * 5000, signature),
        lambda path, until, signature: (path, "²", signature),
    ],
)
def test_changed_links_allow_nothing(change):
    made = Links(b"s" * 32, 60)
    assert not made.allows(*change(*parts(made.make(PATH)[0])))


def test_another_secret_allows_nothing():
    assert not Links(b"t" * 32, 60).allows(*parts(Links(b"s" * 32, 60).make(PATH)[0]))
