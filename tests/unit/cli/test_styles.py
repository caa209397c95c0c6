import json

from praxino.settings import home


def test_the_list_has_all_with_their_origin(praxino):
    home().mkdir(parents=True, exist_ok=True)
    (home() / "styles.toml").write_text('[chalk]\nabout = "on a board"\nprompt = "{prompt} in chalk"\n')
    said = praxino("styles", "list")
    rows = {line.split()[0]: line for line in said.out.splitlines()}
    assert "built in" in rows["studio-ghibli"]
    assert str(home() / "styles.toml") in rows["chalk"]
    assert rows["chalk"].endswith("on a board")
    told = json.loads(praxino("styles", "list", "--json").out)
    assert [style["name"] for style in told] == [name for name in rows if name != "NAME"]


def test_one_is_shown_with_its_flags(praxino):
    said = praxino("styles", "show", "flat-icon")
    assert "(--brand-colour)  #3366ff" in said.out
    assert "transparent (--transparent)    true" in said.out
    assert json.loads(praxino("styles", "show", "flat-icon", "--json").out)["fields"]["transparent"] is True


def test_one_that_is_not_there(praxino):
    said = praxino("styles", "show", "stickr")
    assert (said.code, said.out) == (2, "")
    assert "did you mean sticker?" in said.err
