"""A wrong file of shipping methods fails the start and names the entry."""

import json
from pathlib import Path
from typing import Any

import pytest

from skillupworks.errors import ConfigurationError
from skillupworks.shop.shipping_methods import ShippingMethod, load_methods

STANDARD = {"code": "standard", "name": "Shipping Cost", "price_minor": 50100}


def write(path: Path, **changes: Any) -> Path:
    file = path / "shipping_methods.json"
    content = {"currency": "INR", "methods": [STANDARD]} | changes
    file.write_text(json.dumps(content))
    return file


def test_methods_are_found_by_their_codes(tmp_path: Path) -> None:
    methods = load_methods(write(tmp_path))

    assert methods == {"standard": ShippingMethod("Shipping Cost", 50100)}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"methods": [STANDARD, STANDARD]}, "methods: standard is there more than once"),
        ({"methods": [STANDARD | {"price_minor": 1999.5}]}, "methods[0].price_minor: "),
        ({"methods": [STANDARD | {"price_minor": 0}]}, "methods[0].price_minor: "),
        ({"methods": [STANDARD | {"price": 1}]}, "methods[0].price: "),
        ({"methods": [STANDARD | {"name": "two\nlines"}]}, "methods[0].name: must not contain"),
        ({"methods": [STANDARD | {"code": ""}]}, "methods[0].code: "),
        ({"currency": "USD"}, "currency: "),
        ({"products": []}, "products: "),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    file = write(tmp_path, **changes)

    with pytest.raises(ConfigurationError) as caught:
        load_methods(file)

    assert caught.value.problems[0].startswith(f"SHIPPING_METHODS_FILE: {file}: {problem}")


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")

    for file in (tmp_path / "missing.json", broken):
        with pytest.raises(ConfigurationError, match=f"^SHIPPING_METHODS_FILE: {file}: "):
            load_methods(file)
