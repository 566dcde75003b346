"""Long work gives way, and loses nothing by it."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.export.status import encode, status
from skewmon.runtime.gil_yield import yielding_gil
from tests.export import samples


def test_everything_comes_in_order_with_a_pause_now_and_then(monkeypatch) -> None:
    """Seven items in turns of three are interrupted twice."""
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert list(yielding_gil(iter(range(7)), 3)) == list(range(7))
    assert len(pauses) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.integers(0, 5))
def test_json_in_pieces_is_the_same_json(document, depth) -> None:
    """However deep a document is taken apart, the text is that of one piece."""
    text = encode(document, depth)
    assert text == encode(document, 0)
    assert json.loads(text) == document
    assert text.decode().isprintable(), "a terminal that shows it obeys nothing in it"


def test_what_json_cannot_say_is_refused() -> None:
    """A NaN is a defect here, not a surprise for a client."""
    document = status(samples.jumped())
    document["clusters"][0]["skew"]["seconds"] = float("nan")
    with pytest.raises(ValueError, match="Out of range float"):
        encode(document)
