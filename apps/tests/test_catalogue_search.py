"""How products are found: words without case and accents, a stable order, opaque marks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillupworks.shop.catalogue_search import fold, read_cursor, sort_key, to_cursor


@pytest.mark.parametrize(
    ("text", "folded"),
    [("Zürich", "zurich"), ("STRASSE", "strasse"), ("Straße", "strasse"), ("ﬁle", "file")],
)
def test_case_and_accents_make_no_difference(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_products_of_one_name_have_an_order() -> None:
    assert sort_key("Same", "A") < sort_key("same", "B")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_a_mark_stands_for_its_key_and_fits_into_an_address(name: str) -> None:
    cursor = to_cursor(sort_key(name, "A-1"))

    assert read_cursor(cursor) == sort_key(name, "A-1")
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=50))
def test_what_is_no_mark_is_refused_in_words(text: str) -> None:
    try:
        read_cursor(text)
    except ValueError as error:
        assert str(error) == "must be `next` of an earlier answer"
