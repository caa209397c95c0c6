import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from praxino.jobs.job import Submission, body_digest, new_id


def test_ids_are_uuids_of_version_7_that_sort_by_time():
    before = time.time_ns() // 1_000_000
    ids = []
    for _ in range(50):
        ids.append(new_id())
        time.sleep(0.001)
    after = time.time_ns() // 1_000_000
    assert ids == sorted(ids) and len(set(ids)) == 50
    for text in ids:
        value = uuid.UUID(text)
        assert (value.version, value.variant) == (7, uuid.RFC_4122)
        assert before <= value.int >> 80 <= after


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_a_digest_does_not_depend_on_the_order_of_names(body):
    assert body_digest(body) == body_digest(dict(reversed(body.items())))


def test_digests_differ():
    assert len({body_digest(body) for body in ({}, {"a": 1}, {"a": "1"}, {"a": [1]}, {"b": 1})}) == 5
    assert Submission({"a": 1}, {}, "m").digest() == body_digest({"a": 1})
    assert Submission({"a": 1}, {}, "m", body_sha256="f00").digest() == "f00"
