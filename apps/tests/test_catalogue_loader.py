"""What of the catalogue's files is refused, before any of it is in the database."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skillupworks.errors import ConfigurationError
from skillupworks.shop.catalogue_files import load_catalogue
from skillupworks.shop.catalogue_loader import Loaded

FILES = Path(__file__).parents[2] / "files" / "catalogue"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the shop's own files."""
    for name in ("products.json", "categories.json"):
        shutil.copy(FILES / name, tmp_path)
    return tmp_path


def change(folder: Path, name: str, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    entries = json.loads((folder / name).read_text())
    edit(entries)
    (folder / name).write_text(json.dumps(entries))


def test_the_shops_own_files_are_right(folder: Path) -> None:
    files = load_catalogue(folder)

    assert "Linux" in [product.sku for product in files.products]
    assert "systems" in [category.slug for category in files.categories]


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        ("products.json", lambda list_: list_[1].update(price_minor=1.5), "[1].price_minor"),
        ("products.json", lambda list_: list_[0].update(price_minor=0), "[0].price_minor"),
        ("products.json", lambda list_: list_[0].update(currency="USD"), "[0].currency"),
        ("products.json", lambda list_: list_[0].update(stock=-1), "[0].stock"),
        ("products.json", lambda list_: list_[0].update(sku="a/b"), "[0].sku"),
        ("products.json", lambda list_: list_[0].update(sku="a.b"), "[0].sku"),
        ("products.json", lambda list_: list_[0].update(colour="red"), "[0].colour"),
        ("products.json", lambda list_: list_[0].pop("name"), "[0].name"),
        ("products.json", lambda list_: list_[0].update(category="x"), "Linux: there is no cat"),
        ("products.json", lambda list_: list_.append(list_[0]), "products: Linux is there more"),
        ("products.json", lambda list_: list_.clear(), "content: List should have at least 1"),
        ("categories.json", lambda list_: list_.append(list_[0]), "categories: systems is there"),
        ("categories.json", lambda list_: list_[0].update(slug="A b"), "[0].slug"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(
    folder: Path, name: str, edit: Callable[[list[dict[str, Any]]], object], said: str
) -> None:
    change(folder, name, edit)

    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(folder)
    assert all(line.startswith("CATALOGUE_FOLDER: ") for line in caught.value.problems)
    assert any(said in line for line in caught.value.problems)


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "categories.json").unlink()

    with pytest.raises(ConfigurationError, match=r"categories\.json: No such file"):
        load_catalogue(folder)


def test_only_a_change_is_called_one() -> None:
    """The role goes by this word."""
    assert "upgraded" in str(Loaded(3, ()))
    assert "upgraded" not in str(Loaded(0, ()))
    assert "upgraded" not in str(Loaded(0, ("Linux",)))
    assert "Linux" in str(Loaded(0, ("Linux",)))
