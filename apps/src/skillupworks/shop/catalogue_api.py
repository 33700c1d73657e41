"""The HTTP interface of the catalogue."""

from collections.abc import Collection
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Protocol

from fastapi import FastAPI, Path, Request, Response
from fastapi import Query as Parameter
from prometheus_client import CollectorRegistry
from pydantic import AfterValidator, BaseModel

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_app import create_http_app
from skillupworks.runtime.problems import ProblemError, responses
from skillupworks.shop.catalogue_model import CategoriesAnswer, ProductAnswer, ProductsAnswer
from skillupworks.shop.catalogue_search import Query, fold, read_cursor
from skillupworks.shop.catalogue_store import Category, Page, Product
from skillupworks.shop.fields import CONTROL
from skillupworks.shop.reservation_api import add_reservation_routes
from skillupworks.shop.reservations import Reservations

__all__ = ["ProductStore", "create_app"]

MAX_PAGE = 100
# of a search; what is longer is no search
MAX_WORDS = 10

READ_PROBLEMS = responses(HTTPStatus.SERVICE_UNAVAILABLE) | {
    HTTPStatus.NOT_MODIFIED.value: {"description": "What the client has, by its `If-None-Match`"}
}
PRODUCT_PROBLEMS = READ_PROBLEMS | responses(HTTPStatus.NOT_FOUND)


class ProductStore(Protocol):
    """What is needed of the store; every method may raise StoreUnavailableError."""

    def page(self, query: Query) -> Page:
        """Return the products after a key that have all the words, in their order."""

    def product(self, sku: str) -> Product | None:
        """Return a product that is sold, or None."""

    def named(self, skus: Collection[str]) -> dict[str, Product]:
        """Return products by sku, also those that are no longer sold."""

    def categories(self) -> list[Category]:
        """Return all categories in the order of their file."""


def _words(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("must not contain control characters")
    if len(text.split()) > MAX_WORDS:
        raise ValueError(f"must not have more than {MAX_WORDS} words")
    return text


CategorySlug = Annotated[
    str, Parameter(max_length=64, description="A category's `slug`"), AfterValidator(_words)
]
Words = Annotated[
    str,
    Parameter(
        alias="q",
        max_length=100,
        description="Words, each of which must occur in name, summary or tags;"
        " case and accents do not matter",
    ),
    AfterValidator(_words),
]
Limit = Annotated[int, Parameter(ge=1, le=MAX_PAGE)]
# its value is the key that it stands for
Cursor = Annotated[
    str,
    Parameter(max_length=1000, description="`next` of the page before"),
    AfterValidator(lambda cursor: read_cursor(cursor) if cursor else ""),
]
Sku = Annotated[str, Path(examples=["Linux"])]


def create_app(
    products: ProductStore,
    reservations: Reservations,
    readiness: Readiness,
    registry: CollectorRegistry,
    *,
    cache_seconds: int,
) -> FastAPI:
    """Return the application; whoever is on the way may keep what is shown for a while."""
    app = create_http_app(
        title="SkillUpWorks catalogue",
        summary="Says what is sold, and reserves it.",
        description="Amounts named `price` are rupees, `priceMinor` is the same in paise.",
        readiness=readiness,
        registry=registry,
    )

    @app.get(
        "/products",
        summary="Find products",
        response_model=ProductsAnswer,
        responses=READ_PROBLEMS,
    )
    def list_products(
        request: Request,
        category: CategorySlug = "",
        words: Words = "",
        limit: Limit = 20,
        cursor: Cursor = "",
    ) -> Response:
        """Return a page of products by name; none of a category that is not there."""
        query = Query(category, tuple(fold(words).split()), cursor, limit)
        return _cacheable(request, ProductsAnswer.of(products.page(query)), cache_seconds)

    @app.get(
        "/products/{sku}",
        summary="Show a product",
        response_model=ProductAnswer,
        responses=PRODUCT_PROBLEMS,
    )
    def show_product(request: Request, sku: Sku) -> Response:
        """Return a product, by its sku letter by letter."""
        product = products.product(sku)
        if product is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no product {sku!r}")
        return _cacheable(request, ProductAnswer.of(product), cache_seconds)

    @app.get(
        "/categories",
        summary="List the categories",
        response_model=CategoriesAnswer,
        responses=READ_PROBLEMS,
    )
    def list_categories(request: Request) -> Response:
        """Return all categories."""
        return _cacheable(request, CategoriesAnswer.of(products.categories()), cache_seconds)

    add_reservation_routes(app, reservations, products)
    return app


def _cacheable(request: Request, answer: BaseModel, seconds: int) -> Response:
    """Return the answer, or only that it is what the client has."""
    body = answer.model_dump_json(by_alias=True).encode()
    tag = f'"{sha256(body).hexdigest()[:24]}"'
    keep = f"public, max-age={seconds}" if seconds else "no-cache"
    headers = {"ETag": tag, "Cache-Control": keep}
    known = {part.strip().removeprefix("W/") for part in _if_none_match(request).split(",")}
    if known & {tag, "*"}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _if_none_match(request: Request) -> str:
    return ",".join(request.headers.getlist("if-none-match"))
