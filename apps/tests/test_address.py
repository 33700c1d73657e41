"""Where an order is sent to: read once, kept as it is, and never said aloud."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Delivery
from skillupworks.runtime.problems import ProblemError
from skillupworks.runtime.validation import problems_of
from skillupworks.shop.address import Address, read_address, stored_address, write_address
from skillupworks.shop.order_message import parse_order, write_order
from skillupworks.shop.payment_message import order_message
from skillupworks.shop.payment_model import PaymentRequest

from .conftest import DeliveryMaker
from .payment_shop import BODY, Shop, request
from .payment_stubs import PENDING, TIMEOUT

GIVEN = {
    "name": "Asha Rao",
    "street": "12 Hill Road, “Sea View”",
    "postalCode": "560001",
    "phone": "+91 98200 12345",
}
SHIPPING = {"city": 1277333, "address": GIVEN}
ADDRESS = Address(
    name="Asha Rao",
    street="12 Hill Road, “Sea View”",
    postal_code="560001",
    city="Bengaluru",
    region="Karnataka",
    country="IN",
    phone="+91 98200 12345",
)
# of requests before there were addresses; they are repeated after an update
DIGESTS = {
    "city": "12fb0fa0c9d535a2c63c22497b4c50af6f7d259c9f07f7f5185ff099ecbcdb73",
    "method": "06ddcba67236dde2c9a24b5eed051802d9337849dc7020199e3395780b754268",
    "none": "64847297bbe76ce64550b13810445d44984eff7d31f10a4a5aca4231f11d40e4",
}


@pytest.fixture
def shop(events: list[Any]) -> Shop:
    """Return a shop that nobody has bought at; what is logged is not printed."""
    del events
    return Shop()


def problems(**changes: object) -> list[str]:
    """Return what is wrong with an address with these changes."""
    body = BODY | {"shipping": {"city": 1277333, "address": GIVEN | changes}}
    try:
        PaymentRequest.model_validate_json(json.dumps(body))
    except ValidationError as error:
        return problems_of(error)
    return []


def test_the_address_is_the_customers_in_the_city_that_was_quoted(shop: Shop) -> None:
    payment = shop.pay(shipping=SHIPPING)

    assert payment.address == ADDRESS
    (message,) = shop.store.messages
    assert json.loads(message.body)["shippingAddress"] == GIVEN | {
        "city": "Bengaluru",
        "region": "Karnataka",
        "country": "IN",
    }
    assert parse_order(Delivery(message.body)).address == ADDRESS
    assert message == order_message(payment)


def test_without_an_address_all_is_as_before(shop: Shop) -> None:
    for number, shipping in enumerate(({"city": 1277333}, {"method": "standard"}, None)):
        assert shop.pay(key=str(number), shipping=shipping).address is None

    assert all(b"shippingAddress" not in message.body for message in shop.store.messages)


@pytest.mark.parametrize(
    ("kind", "shipping"),
    [("city", {"city": 1277333}), ("method", {"method": "standard"}), ("none", None)],
)
def test_a_request_without_one_is_known_again_after_the_update(
    shop: Shop, kind: str, shipping: Any
) -> None:
    payment = shop.pay(shipping=shipping)

    assert shop.store.rows[payment.payment_id].attempt.request_hash == DIGESTS[kind]


def test_another_address_is_another_request(shop: Shop) -> None:
    first = shop.pay(shipping=SHIPPING)

    assert shop.pay(shipping=SHIPPING) == first
    for other in (SHIPPING | {"address": GIVEN | {"street": "13 Hill Road"}}, {"city": 1277333}):
        with pytest.raises(ProblemError, match=r"^Idempotency-Key: was used before"):
            shop.pay(shipping=other)


@pytest.mark.parametrize("card", [TIMEOUT, PENDING])
def test_an_order_that_is_settled_later_has_its_address(shop: Shop, card: str) -> None:
    shop.pay(card, shipping=SHIPPING)
    assert shop.store.messages == []

    shop.start()
    shop.gateway.decide()
    shop.settle()

    (message,) = shop.store.messages
    assert parse_order(Delivery(message.body)).address == ADDRESS


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": None}, "shipping.address.name: "),
        ({"name": ""}, "shipping.address.name: "),
        ({"name": " \t "}, "shipping.address.name: "),
        ({"name": "n" * 101}, "shipping.address.name: "),
        ({"name": "Asha\nRao"}, "shipping.address.name: must not contain control characters"),
        ({"street": 12}, "shipping.address.street: "),
        ({"street": "s" * 201}, "shipping.address.street: "),
        ({"street": "12\x00"}, "shipping.address.street: must not contain control characters"),
        ({"street": "12\u2028Hill"}, "shipping.address.street: must not contain control"),
        ({"street": "12\x1b[31m"}, "shipping.address.street: must not contain control"),
        ({"postalCode": "5600-01\r\nX"}, "shipping.address.postalCode: must be letters and digits"),
        ({"postalCode": "١٢٣"}, "shipping.address.postalCode: must be letters and digits"),
        ({"postalCode": "-"}, "shipping.address.postalCode: must be letters and digits"),
        ({"postalCode": "1" * 13}, "shipping.address.postalCode: "),
        ({"phone": ""}, "shipping.address.phone: must be a phone number"),
        ({"phone": "123456"}, "shipping.address.phone: must be a phone number"),
        ({"phone": "1" * 16}, "shipping.address.phone: must be a phone number"),
        ({"phone": "9820012345 ext"}, "shipping.address.phone: must be a phone number"),
        ({"phone": "98200+12345"}, "shipping.address.phone: must be a phone number"),
        ({"phone": "٩٨٢٠٠١٢٣٤٥"}, "shipping.address.phone: must be a phone number"),
        ({"phone": "98200\n12345"}, "shipping.address.phone: must be a phone number"),
        ({"phone": " " * 40 + "9820012345" + "-" * 40}, "shipping.address.phone: "),
    ],
)
def test_a_wrong_field_is_named_without_what_it_said(changes: dict[str, Any], problem: str) -> None:
    found = problems(**changes)

    assert len(found) == 1
    assert found[0].startswith(problem)
    said = str(*changes.values()).strip()
    assert not said or said not in found[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Åsa Ünal-O'Neill 李"},
        {"postalCode": ""},
        {"postalCode": "SW1A 1AA"},
        {"postalCode": "1234-567"},
        {"phone": "022 2642 1234"},
        {"phone": "+41 (44) 668-18.00"},
    ],
)
def test_people_of_anywhere_can_have_parcels(changes: dict[str, Any]) -> None:
    assert problems(**changes) == []


def test_spaces_around_what_was_typed_do_not_count(shop: Shop) -> None:
    spaced = {name: f" {value}\t" for name, value in GIVEN.items()}

    assert shop.pay(shipping=SHIPPING | {"address": spaced}).address == ADDRESS


@pytest.mark.parametrize(
    ("shipping", "problem"),
    [
        ({"method": "standard", "address": GIVEN}, "shipping.address: needs `city`"),
        ({"city": 0, "address": GIVEN}, "shipping.city: "),
        ({"city": 1277333, "address": {}}, "shipping.address.name: Field required"),
        ({"city": 1277333, "address": "12 Hill Road"}, "shipping.address: "),
    ],
)
def test_an_address_is_in_a_city(shipping: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        request(shipping=shipping)

    assert problems_of(caught.value)[0].startswith(problem)


def test_what_is_written_into_a_column_is_read_again() -> None:
    nowhere = ADDRESS._replace(region="", postal_code="")

    for address in (ADDRESS, nowhere, None):
        assert read_address(stored_address(address)) == address
    assert "“Sea View”" in str(stored_address(ADDRESS))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"street": "two\nlines"}, "shippingAddress.street: must not contain control characters"),
        ({"city": ""}, "shippingAddress.city: "),
        ({"phone": None}, "shippingAddress.phone: "),
    ],
)
def test_a_message_with_a_wrong_address_is_parked(
    delivery: DeliveryMaker, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(PermanentError) as caught:
        parse_order(delivery({"shippingAddress": write_address(ADDRESS) | changes}))

    assert str(caught.value).startswith(problem)


def test_a_message_may_have_no_address(delivery: DeliveryMaker) -> None:
    assert parse_order(delivery()).address is None
    assert parse_order(delivery({"shippingAddress": None})) == parse_order(delivery())
    order = parse_order(delivery({"shippingAddress": write_address(ADDRESS)}))
    assert order.address == ADDRESS
    assert parse_order(Delivery(write_order(order))) == order


def test_an_address_is_not_said_by_what_is_logged(shop: Shop, events: list[Any]) -> None:
    payment = shop.pay(shipping=SHIPPING)
    row = shop.store.rows[payment.payment_id]

    said = [repr(each) for each in (payment, row, request(shipping=SHIPPING), ADDRESS)]
    order = parse_order(Delivery(shop.store.messages[0].body))
    said += [repr(order), str(replace(payment)), f"{ADDRESS}", f"{events}"]

    assert not [
        text for text in said for secret in ("Asha", "Hill Road", "98200") if secret in text
    ]
