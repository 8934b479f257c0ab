"""White space made plain: as by splitting and joining, whatever the length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.text.extract import spaces
from vsearch_core.text.extract.spaces import one_line


@given(st.text("a b\n\t\x1c\x85\xa0\u2003\u3000\u200b"))
def test_long_texts_are_like_short_ones(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spaces, "_LARGE", 0)
        assert one_line(text) == " ".join(text.split())
