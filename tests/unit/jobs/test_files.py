import hashlib
import json

import pytest

from praxino.errors import UserError
from praxino.jobs.files import ResultFolder
from praxino.jobs.job import Lease, ResultFile


def lease(token, job_id="j"):
    return Lease(job_id, "w", token, 30.0)


@pytest.fixture
def folder(tmp_path):
    return ResultFolder(tmp_path / "shared", "the store")


def test_a_result_is_whole_and_described(folder):
    def save(place):
        (place / "deep" / "er").mkdir(parents=True)
        (place / "deep" / "er" / "b.png").write_bytes(b"bbb")
        (place / "a.gif").write_bytes(b"a")

    files = folder.write(lease(3), save)
    assert files == [
        ResultFile("j/3/a.gif", hashlib.sha256(b"a").hexdigest(), 1),
        ResultFile("j/3/deep/er/b.png", hashlib.sha256(b"bbb").hexdigest(), 3),
    ]
    assert [folder.path(file).read_bytes() for file in files] == [b"a", b"bbb"]
    assert (folder.results(), folder.written()) == ([("j", 3)], [])


def test_nothing_is_left_of_what_could_not_be_written(folder):
    def save(place):
        (place / "a.gif").write_bytes(b"a")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        folder.write(lease(1), save)
    assert (folder.results(), folder.written()) == ([], [])


def test_writing_again_replaces(folder):
    for content in (b"first", b"again"):
        files = folder.write(lease(1), lambda place, content=content: (place / "a").write_bytes(content))
    assert folder.path(files[0]).read_bytes() == b"again"


def test_a_state_is_handed_on_and_not_shared(folder):
    first = folder.prepare_state(lease(1), fresh=False)
    (first / "state.json").write_text("1")
    (first / ".state.json.part").write_text("half")
    second = folder.prepare_state(lease(2), fresh=False)
    assert [path.name for path in second.iterdir()] == ["state.json"]
    replacement = second / "new"
    replacement.write_text("2")
    replacement.replace(second / "state.json")
    assert (first / "state.json").read_text() == "1"
    empty = folder.prepare_state(lease(3), fresh=True)
    assert list(empty.iterdir()) == []
    fourth = folder.prepare_state(lease(4), fresh=False)
    assert (fourth / "state.json").read_text() == "2", "the newest there is"
    folder.remove_states("j")
    assert folder.states() == []


def test_a_state_is_copied_where_files_cannot_have_two_names(folder, monkeypatch):
    (folder.prepare_state(lease(1), fresh=False) / "state.json").write_text("1")
    monkeypatch.setattr("os.link", lambda *names: (_ for _ in ()).throw(PermissionError(1, "no links here")))
    assert (folder.prepare_state(lease(2), fresh=False) / "state.json").read_text() == "1"


def test_removing_leaves_other_attempts_alone(folder):
    for token in (1, 2):
        folder.write(lease(token), lambda place: (place / "a").write_bytes(b""))
    folder.remove_result("j", 1)
    assert folder.results() == [("j", 2)]
    folder.remove_result("j", 2)
    assert not (folder.root / "results" / "j").exists()


def test_a_folder_belongs_to_one_store(folder, tmp_path):
    assert json.loads((folder.root / "store.json").read_text()) == {"store": "the store"}
    assert ResultFolder(folder.root, "the store").is_ours()
    with pytest.raises(UserError, match="belongs to another database"):
        ResultFolder(folder.root, "another")
    with pytest.raises(UserError, match="is empty, but the database knows of results; is it mounted"):
        ResultFolder(tmp_path / "other", "the store", has_results=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written: Not a directory"):
        ResultFolder(tmp_path / "file", "the store")
