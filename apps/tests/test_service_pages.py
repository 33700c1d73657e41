"""The pages of the documentation name every setting of their service, and its default."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from skillupworks.runtime.settings import Settings
from skillupworks.shop.cart import CartSettings
from skillupworks.shop.catalogue import CatalogueFilesSettings, CatalogueSettings
from skillupworks.shop.order_processor import OrderProcessorSettings
from skillupworks.shop.payment import PaymentSettings
from skillupworks.shop.shipping import ShippingSettings
from skillupworks.shop.user import UserSettings

DOCS = Path(__file__).resolve().parents[2] / "docs"
SERVICES: list[tuple[str, type[Settings]]] = [
    ("cart", CartSettings),
    ("catalogue", CatalogueSettings),
    ("catalogue", CatalogueFilesSettings),
    ("order-processor", OrderProcessorSettings),
    ("payment", PaymentSettings),
    ("shipping", ShippingSettings),
    ("user", UserSettings),
]
CASES = [
    (page, name.upper(), field.default)
    for page, settings in SERVICES
    for name, field in settings.model_fields.items()
]


def row_of(page: str, setting: str) -> str:
    """Return the row of the page's tables that has a setting in its first cell."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(rf"\|[^|]*`{setting}`", line)]
    assert rows, f"docs/{page}.md has no row for {setting}"
    return rows[0]


def shown(default: Any) -> str:
    """Return a default as the pages write it."""
    match default:
        case bool():
            return str(default).lower()
        case tuple():
            return ",".join(f"{number:g}" for number in default)
        case int() | float():
            return f"{default:.9g}"
    return str(default)


@pytest.mark.parametrize(("page", "setting", "default"), CASES)
def test_a_setting_and_its_default_are_on_the_service_s_page(
    page: str, setting: str, default: object
) -> None:
    row = row_of(page, setting)

    if default is PydanticUndefined:
        assert "required" in row
    elif default not in (None, "", ()):
        assert shown(default) in row


@pytest.mark.parametrize("page", sorted({page for page, _settings in SERVICES}))
def test_a_page_names_no_setting_that_the_service_lacks(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|([^|]*`[A-Z][A-Z_]+`[^|]*)\|", text, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Z][A-Z]*_[A-Z_]+)`", row)}

    assert named <= {setting for where, setting, _default in CASES if where == page}
