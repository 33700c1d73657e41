"""A wrong file of shipping methods fails the start and names the entry."""

import json
from pathlib import Path
from typing import Any

import pytest

from skillupworks.errors import ConfigurationError
from skillupworks.shop.products import Item, load_shipping

LINUX = {"sku": "Linux", "name": "Linux Administration", "price_minor": 199900}
STANDARD = {"code": "standard", "name": "Shipping Cost", "price_minor": 50100}


def write(path: Path, **changes: Any) -> Path:
    file = path / "products.json"
    content = {"currency": "INR", "products": [LINUX], "shipping": [STANDARD]} | changes
    file.write_text(json.dumps(content))
    return file


def test_methods_are_found_by_their_codes_and_products_not_looked_at(tmp_path: Path) -> None:
    methods = load_shipping(write(tmp_path))

    assert methods == {"standard": Item("Shipping Cost", 50100)}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"shipping": [STANDARD, STANDARD]}, "shipping: standard is there more than once"),
        ({"shipping": [STANDARD | {"price_minor": 1999.5}]}, "shipping[0].price_minor: "),
        ({"shipping": [STANDARD | {"price_minor": 0}]}, "shipping[0].price_minor: "),
        ({"shipping": [STANDARD | {"price": 1}]}, "shipping[0].price: "),
        ({"shipping": [STANDARD | {"name": "two\nlines"}]}, "shipping[0].name: must not contain"),
        ({"shipping": [STANDARD | {"code": ""}]}, "shipping[0].code: "),
        ({"currency": "USD"}, "currency: "),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    file = write(tmp_path, **changes)

    with pytest.raises(ConfigurationError) as caught:
        load_shipping(file)

    assert caught.value.problems[0].startswith(f"PRODUCTS_FILE: {file}: {problem}")


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")

    for file in (tmp_path / "missing.json", broken):
        with pytest.raises(ConfigurationError, match=f"^PRODUCTS_FILE: {file}: "):
            load_shipping(file)
