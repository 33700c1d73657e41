"""The simulated gateway: the card says what happens, and a payment is charged once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import pytest

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.database import Cursor, Database, IntegrityError
from skillupworks.shop import simulated_gateway
from skillupworks.shop.gateway import (
    CANCELLED,
    Captured,
    Card,
    Declined,
    GatewayTimeoutError,
    Outcome,
    Pending,
)
from skillupworks.shop.simulated_gateway import SimulatedGateway

from .payment_stubs import CAPTURED, DECLINED, PENDING, TIMEOUT
from .waiting import wait_until

AMOUNT = 258_115
TIMEOUT_SECONDS = 5.0
# real time until the webhook is called; for the database, `now` counts
WEBHOOK_SECONDS = 0.01


class Charges:
    """A Database with the one table of the gateway, which answers its two statements."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, str, float]] = {}
        self.now = 0.0
        self.problem: Exception | None = None
        self._found: tuple[str] | None = None

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        if self.problem:
            raise self.problem
        yield cast("Cursor", self)

    def execute(self, statement: str, values: Sequence[object]) -> None:
        if statement == simulated_gateway.INSERT:
            self._insert(*cast("tuple[str, int, str]", values))
            return
        assert statement == simulated_gateway.SELECT
        seconds, payment_id = cast("tuple[float, str]", values)
        row = self.rows.get(payment_id)
        self._found = None
        if row is not None:
            _, state, created_at = row
            due = state == "pending" and created_at <= self.now - seconds
            self._found = ("captured" if due else state,)

    def fetchone(self) -> tuple[str] | None:
        return self._found

    def amounts(self) -> list[int]:
        """Return the amounts that are or may still be captured."""
        return [
            amount for amount, state, _ in self.rows.values() if state in {"captured", "pending"}
        ]

    def _insert(self, payment_id: str, amount: int, state: str) -> None:
        if payment_id in self.rows:
            raise IntegrityError(1062, "Duplicate entry")
        self.rows[payment_id] = (amount, state, self.now)


@pytest.fixture
def charges() -> Charges:
    """Return the table of charges, without any."""
    return Charges()


@pytest.fixture
def slept() -> list[float]:
    """Return for how long the gateway has let somebody wait."""
    return []


@pytest.fixture
def told() -> list[tuple[str, Outcome]]:
    """Return what the webhook was called with."""
    return []


@pytest.fixture
def gateway(
    charges: Charges, slept: list[float], told: list[tuple[str, Outcome]]
) -> SimulatedGateway:
    """Return a gateway that nobody has asked for anything."""
    return SimulatedGateway(
        cast("Database", charges),
        lambda payment_id, outcome: told.append((payment_id, outcome)),
        timeout_seconds=TIMEOUT_SECONDS,
        webhook_seconds=WEBHOOK_SECONDS,
        sleep=slept.append,
    )


def charge(gateway: SimulatedGateway, number: str, amount: int = AMOUNT) -> Outcome | None:
    """Charge payment 1; None when the gateway does not answer."""
    try:
        return gateway.charge("pay_1", amount, Card(number))
    except GatewayTimeoutError:
        return None


@pytest.mark.parametrize(
    ("number", "outcome", "amounts"),
    [
        (CAPTURED, Captured(), [AMOUNT]),
        # every other card pays as well
        ("5555555555554444", Captured(), [AMOUNT]),
        (DECLINED, Declined("card_declined"), []),
        (PENDING, Pending(), [AMOUNT]),
        # charged, and its answer lost
        (TIMEOUT, None, [AMOUNT]),
    ],
)
def test_the_cards_number_says_what_happens(
    gateway: SimulatedGateway,
    charges: Charges,
    number: str,
    outcome: Outcome | None,
    amounts: list[int],
) -> None:
    assert charge(gateway, number) == outcome
    assert charges.amounts() == amounts


def test_the_card_without_an_answer_takes_its_time_once(
    gateway: SimulatedGateway, slept: list[float]
) -> None:
    assert charge(gateway, TIMEOUT) is None
    assert slept == [TIMEOUT_SECONDS]

    assert gateway.find("pay_1") == Captured()
    assert charge(gateway, TIMEOUT) == Captured()
    assert slept == [TIMEOUT_SECONDS]


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(CAPTURED, Captured()), (DECLINED, Declined()), (TIMEOUT, Captured())],
)
def test_a_payment_that_is_charged_again_is_one_charge(
    gateway: SimulatedGateway, charges: Charges, number: str, outcome: Outcome
) -> None:
    charge(gateway, number)
    before = dict(charges.rows)

    # neither another card nor another amount makes it another charge
    for again in (number, CAPTURED, DECLINED, PENDING):
        assert charge(gateway, again, AMOUNT + 1) == outcome

    assert charges.rows == before


def test_payments_with_other_ids_are_charges_of_their_own(
    gateway: SimulatedGateway, charges: Charges
) -> None:
    for payment_id in ("pay_1", "pay_2"):
        assert gateway.charge(payment_id, AMOUNT, Card(CAPTURED)) == Captured()

    assert charges.amounts() == [AMOUNT, AMOUNT]


def test_a_pending_charge_is_captured_when_its_time_has_come_and_the_webhook_is_told_once(
    gateway: SimulatedGateway, charges: Charges, told: list[tuple[str, Outcome]]
) -> None:
    assert charge(gateway, PENDING) == Pending()
    assert charge(gateway, PENDING) == Pending()
    assert gateway.find("pay_1") == Pending()

    wait_until(lambda: bool(told))
    charges.now = WEBHOOK_SECONDS

    assert gateway.find("pay_1") == Captured()
    assert told == [("pay_1", Captured())]


def test_only_a_pending_charge_calls_the_webhook(
    gateway: SimulatedGateway, told: list[tuple[str, Outcome]]
) -> None:
    for number in (CAPTURED, DECLINED, TIMEOUT):
        charge(gateway, number)
    gateway.cancel("pay_2")
    gateway.charge("pay_3", AMOUNT, Card(PENDING))

    wait_until(lambda: bool(told))

    assert [payment_id for payment_id, _ in told] == ["pay_3"]


def test_nothing_is_found_of_a_payment_that_has_not_arrived(
    gateway: SimulatedGateway, charges: Charges
) -> None:
    assert gateway.find("pay_1") is None
    assert charges.rows == {}


@pytest.mark.parametrize("number", [CAPTURED, DECLINED, TIMEOUT, PENDING])
def test_a_charge_that_comes_after_its_cancellation_is_not_taken(
    gateway: SimulatedGateway,
    charges: Charges,
    slept: list[float],
    number: str,
) -> None:
    for _ in range(2):
        assert gateway.cancel("pay_1") == Declined(CANCELLED)

    assert charge(gateway, number) == Declined(CANCELLED)
    assert gateway.find("pay_1") == Declined(CANCELLED)
    assert charges.amounts() == []
    assert slept == []


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(CAPTURED, Captured()), (DECLINED, Declined()), (TIMEOUT, Captured()), (PENDING, Pending())],
)
def test_a_cancellation_that_comes_after_the_charge_tells_what_became_of_it(
    gateway: SimulatedGateway, charges: Charges, number: str, outcome: Outcome
) -> None:
    charge(gateway, number)
    before = dict(charges.rows)

    assert gateway.cancel("pay_1") == outcome
    assert charges.rows == before


def test_without_its_database_the_gateway_does_not_answer(
    gateway: SimulatedGateway, charges: Charges
) -> None:
    charges.problem = StoreUnavailableError("MySQL: away")

    with pytest.raises(GatewayTimeoutError, match="MySQL: away"):
        gateway.charge("pay_1", AMOUNT, Card(CAPTURED))
    with pytest.raises(GatewayTimeoutError, match="MySQL: away"):
        gateway.find("pay_1")
    with pytest.raises(GatewayTimeoutError, match="MySQL: away"):
        gateway.cancel("pay_1")


def test_an_amount_that_the_database_refuses_is_no_duplicate(
    gateway: SimulatedGateway, charges: Charges
) -> None:
    charges.problem = IntegrityError(1048, "Column 'amount_minor' cannot be null")

    with pytest.raises(IntegrityError):
        gateway.charge("pay_1", AMOUNT, Card(CAPTURED))
