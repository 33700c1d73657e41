"""The courses of the shop and their pictures fit together."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

FILES = Path(__file__).parents[2] / "files"
CATALOGUE = FILES / "catalogue"
PICTURES = sorted((CATALOGUE / "pictures").iterdir())
LIMIT = 3_000  # bytes of a picture
SVG = "{http://www.w3.org/2000/svg}"

PRODUCTS: list[dict[str, Any]] = json.loads((CATALOGUE / "products.json").read_text())
CATEGORIES: list[dict[str, str]] = json.loads((CATALOGUE / "categories.json").read_text())
FIELDS = {
    "sku": str,
    "name": str,
    "category": str,
    "summary": str,
    "description": str,
    "price_minor": int,
    "currency": str,
    "weight_grams": int,
    "stock": int,
    "level": str,
    "hours": int,
    "picture": str,
    "tags": list,
}

of_each_product = pytest.mark.parametrize(
    "product", PRODUCTS, ids=[product["sku"] for product in PRODUCTS]
)
of_each_picture = pytest.mark.parametrize("picture", PICTURES, ids=[file.name for file in PICTURES])


def test_no_sku_is_there_twice_not_even_in_other_letters() -> None:
    skus = Counter(product["sku"].lower() for product in PRODUCTS)

    assert [sku for sku, times in skus.items() if times > 1] == []


def test_every_category_has_at_least_three_courses_and_no_other_is_used() -> None:
    courses = Counter(product["category"] for product in PRODUCTS)

    assert courses.keys() == {category["slug"] for category in CATEGORIES}
    assert min(courses.values()) >= 3


def test_no_category_is_there_twice() -> None:
    assert len({category["slug"] for category in CATEGORIES}) == len(CATEGORIES)
    assert len({category["title"] for category in CATEGORIES}) == len(CATEGORIES)


@of_each_product
def test_a_course_has_every_field_and_no_other(product: dict[str, Any]) -> None:
    assert {name: type(value) for name, value in product.items()} == FIELDS


@of_each_product
def test_a_sku_can_stand_in_a_path(product: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", product["sku"])


@of_each_product
def test_price_weight_and_hours_are_positive_and_stock_is_within_bounds(
    product: dict[str, Any],
) -> None:
    assert product["currency"] == "INR"
    assert 0 < product["price_minor"] <= 10_000_000
    assert 200 <= product["weight_grams"] <= 2500
    assert 5 <= product["stock"] <= 500
    assert product["hours"] > 0
    assert product["level"] in {"beginner", "intermediate", "advanced"}


@of_each_product
def test_texts_have_the_length_that_a_page_has_room_for(product: dict[str, Any]) -> None:
    assert len(product["summary"]) <= 120
    assert len(product["description"].split("\n\n")) in {2, 3}
    assert 3 <= len(set(product["tags"])) == len(product["tags"]) <= 6


def test_every_course_has_a_picture_of_its_own_and_none_is_left_over() -> None:
    assert {product["sku"]: product["picture"] for product in PRODUCTS} == {
        file.stem: file.name for file in PICTURES
    }


@of_each_picture
def test_a_picture_is_a_small_drawing_with_a_title(picture: Path) -> None:
    drawing = ET.fromstring(picture.read_bytes())  # noqa: S314 - our own file

    assert drawing.tag == f"{SVG}svg"
    assert drawing.get("viewBox") == "0 0 640 400"
    assert drawing.findtext(f"{SVG}title")
    assert picture.stat().st_size < LIMIT


@of_each_picture
def test_a_picture_runs_nothing_styles_nothing_inline_and_loads_nothing(picture: Path) -> None:
    content = picture.read_text()
    assert not re.search(r"<!|<\?|url\(\s*[^#\s]", content)

    for element in ET.fromstring(content).iter():  # noqa: S314 - our own file
        assert element.tag.removeprefix(SVG) not in {"script", "style", "foreignObject", "image"}
        for attribute, value in element.attrib.items():
            name = attribute.rpartition("}")[2].lower()
            assert name != "style"
            assert not name.startswith("on")
            assert name not in {"href", "src"} or value.startswith("#")
