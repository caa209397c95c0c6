import hashlib

import pytest
from huggingface_hub.utils.sha import git_hash

from praxino.weights.hashes import matches, sha256


@pytest.mark.parametrize("data", [b"", b"a", b"x" * (2**24 + 1)])
def test_both_hashes_of_the_hub(tmp_path, data):
    file = tmp_path / "file"
    file.write_bytes(data)
    counted = []
    assert sha256(file, counted.append) == hashlib.sha256(data).hexdigest()
    assert sum(counted) == len(data)
    for right in (hashlib.sha256(data).hexdigest(), git_hash(data)):
        assert matches(file, right)
        assert not matches(file, right[:-1] + ("0" if right[-1] != "0" else "1"))
