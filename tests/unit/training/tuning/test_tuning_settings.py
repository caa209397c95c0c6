"""Settings as TOML: read, refused with what is near, and written so that they read back."""

import tomllib

import pytest

from praxino.errors import UserError
from praxino.training.tuning.settings import Tuning, declarations, read, template


def written(tmp_path, text):
    path = tmp_path / "my-style.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_folders_are_of_the_files_own_folder(tmp_path):
    tuning = read(written(tmp_path, 'data = "clips"\nsteps = 20\nlearning_rate = 1\n'))
    assert tuning.data == str(tmp_path / "clips")
    assert tuning.out == str(tmp_path / "runs" / "my-style")
    assert (tuning.model, tuning.steps, tuning.learning_rate) == ("pocket", 20, 1.0)


def test_a_model_is_a_name_unless_a_folder_of_that_name_is_there(tmp_path):
    path = written(tmp_path, 'data = "clips"\nmodel = "mine"\n')
    assert read(path).model == "mine"
    (tmp_path / "mine").mkdir()
    assert read(path).model == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('data = "c"\nlearning_rat = 1\n', "'learning_rat', which is no setting. Do you mean 'learning_rate'?"),
        ('data = "c"\nsteps = 0\n', "steps is 0; allowed is 1 to"),
        ('data = "c"\nsteps = 1.5\n', "steps must be int"),
        ('data = "c"\nlearning_rate = nan\n', "learning_rate is nan"),
        ('data = "c"\nmethod = "lore"\n', "method must be one of lora, dora, full"),
        ("steps = 5\n", "names no clips"),
        ("steps = \n", "cannot be read as TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, said):
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        read(written(tmp_path, text))


def test_a_file_that_is_not_there_can_be_written(tmp_path):
    with pytest.raises(UserError, match=r"there is no file .*my\.toml; praxino train new .* writes one"):
        read(tmp_path / "my.toml")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "my-style.toml"
    path.write_text('data = "clips"\n', encoding="utf-8-sig")
    assert read(path).data == str(tmp_path / "clips")


def test_a_template_has_every_setting_with_its_help_and_reads_back(tmp_path):
    text = template({"data": "clips", "model": "pocket", "steps": 7, "samples": ('a "b"', "c")})
    for name, declared in declarations().items():
        assert f"{name} = " in text and declared.help in text
    tuning = read(written(tmp_path, text))
    assert (tuning.steps, tuning.samples) == (7, ('a "b"', "c"))
    uncommented = "\n".join(line.removeprefix("# ") for line in text.splitlines() if " = " in line)
    assert Tuning(**{k: tuple(v) if isinstance(v, list) else v for k, v in tomllib.loads(uncommented).items()})
