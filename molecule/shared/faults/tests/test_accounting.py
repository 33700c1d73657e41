"""The account finds what is lost, doubled or unexpected; one that finds nothing proves nothing."""

from collections import Counter
from pathlib import Path

import pytest

from faults.accounting import account, longest_gap, recovery_seconds
from faults.ledger import Claims, Ledger, read_claims
from faults.records import Effects, Recorded, Records


def claims_of(*numbers: int) -> Claims:
    """Return what customers with these orders were told; order 1 was planned at second 1."""
    return Claims(
        planned={f"key-{number}": float(number) for number in numbers},
        accepted={f"key-{number}": f"ORD-{number}" for number in numbers},
        accepted_at={f"key-{number}": number + 0.5 for number in numbers},
    )


def recorded(number: int, **changes: object) -> dict[str, list[Recorded]]:
    """Return the record of an order as it should be, with these fields changed."""
    fields: dict[str, object] = {
        "order_id": f"ORD-{number}",
        "processed_at": number + 1.0,
        "rows": 1,
        "in_outbox": False,
        "lines_paid": 2,
        "lines_processed": 2,
        "state": "paid",
        "total": 199900,
        "charged": 199900,
    }
    return {f"key-{number}": [Recorded(**(fields | changes))]}  # type: ignore[arg-type]


def effects_of(*numbers: int) -> Effects:
    """Return one effect of each kind for these orders."""
    once = [f"ORD-{number}" for number in numbers]
    return Effects(Counter(once), Counter(once))


def test_an_order_that_is_processed_once_is_right() -> None:
    """Nothing is wrong, and the numbers are there."""
    result = account(claims_of(1), Records(recorded(1), effects_of(1)), repeats_allowed=False)
    assert result.wrong == {}
    assert (result.attempted, result.accepted, result.processed) == (1, 1, 1)
    assert (result.waiting, result.parked, result.recovered) == (0, 0, 0)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (Records({}, effects_of()), "no payment is recorded"),
        (Records(recorded(1, processed_at=None), effects_of()), "neither processed"),
        (Records(recorded(1, lines_processed=1), effects_of(1)), "without all its lines"),
        (Records(recorded(1), Effects(Counter(), Counter(["ORD-1"]))), "without its e-mail"),
        (Records(recorded(1), Effects(Counter(["ORD-1"]), Counter())), "word to the warehouse"),
    ],
)
def test_an_accepted_order_that_is_not_there_is_lost(records: Records, said: str) -> None:
    """Wherever it was lost on its way."""
    result = account(claims_of(1), records, repeats_allowed=False)
    assert len(result.lost) == 1
    assert said in result.lost[0]


def test_an_order_that_is_paid_is_lost_as_well_when_its_customer_had_no_answer() -> None:
    """The money was taken; that nobody was told does not make it right."""
    claims = Claims(planned={"key-1": 1.0}, unanswered=["key-1"])
    records = Records(recorded(1, processed_at=None), effects_of())
    result = account(claims, records, repeats_allowed=False)
    assert len(result.lost) == 1
    assert result.refused == ["key-1: no answer"]
    assert result.recovered == 1


@pytest.mark.parametrize(
    "records",
    [
        Records(recorded(1, processed_at=None, in_outbox=True), effects_of()),
        Records(recorded(1, processed_at=None), effects_of(), parked=Counter(["ORD-1"])),
    ],
)
def test_an_order_that_waits_or_is_parked_is_not_lost(records: Records) -> None:
    """It is still there."""
    result = account(claims_of(1), records, repeats_allowed=False)
    assert result.wrong == {}
    assert result.waiting + result.parked == 1


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (Records({"key-1": recorded(1)["key-1"] * 2}, effects_of(1)), "paid 2 times"),
        (Records(recorded(1, rows=2), effects_of(1)), "recorded 2 times"),
        (Records(recorded(1, lines_processed=4), effects_of(1)), "more lines than were paid"),
        (Records(recorded(1), effects_of(1), parked=Counter(["ORD-1"])), "parked as well"),
        (Records(recorded(1), effects_of(1, 1)), "e-mail 2 times"),
    ],
)
def test_what_is_there_twice_is_doubled(records: Records, said: str) -> None:
    """Wherever it is there twice."""
    result = account(claims_of(1), records, repeats_allowed=False)
    assert said in result.doubled[0]
    assert result.wrong.keys() == {"doubled"}


def test_two_customers_with_the_same_order_are_doubled() -> None:
    """One of them paid for nothing."""
    claims = claims_of(1, 2)
    claims.accepted["key-2"] = "ORD-1"
    records = Records(recorded(1) | {"key-2": recorded(1)["key-1"]}, effects_of(1))
    result = account(claims, records, repeats_allowed=False)
    assert result.doubled == ["ORD-1: answered to 2 orders"]


def test_repeated_effects_are_named_but_not_wrong_where_a_fault_may_cause_them() -> None:
    """A process that dies between an effect and its commit does it again."""
    records = Records(recorded(1), effects_of(1, 1))
    result = account(claims_of(1), records, repeats_allowed=True)
    assert result.wrong == {}
    assert result.repeated == ["ORD-1: e-mail 2 times", "ORD-1: warehouse 2 times"]


def test_what_nobody_ordered_is_unexpected() -> None:
    """Rows, and effects without an order."""
    records = Records(recorded(1), effects_of(1, 7), unexpected=["ORD-9"])
    result = account(claims_of(1), records, repeats_allowed=False)
    assert result.unexpected == ["ORD-9", "ORD-7: an effect"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"charged": 0}, "0 paise are charged, and it costs 199900"),
        ({"charged": 399800}, "399800 paise are charged, and it costs 199900"),
        ({"state": "rejected"}, "199900 paise are charged, and it is rejected"),
        ({"state": "accepted"}, "199900 paise are charged, and it is accepted"),
    ],
)
def test_what_is_charged_otherwise_than_paid_is_mischarged(
    changes: dict[str, object], said: str
) -> None:
    """Too much, too little, or for no order."""
    result = account(Claims(), Records(recorded(1, **changes), effects_of(1)), repeats_allowed=True)
    assert [said in line for line in result.mischarged] == [True]
    assert "mischarged" in result.wrong


def test_a_charge_that_payment_does_not_know_is_mischarged() -> None:
    """Somebody paid for nothing."""
    records = Records({}, effects_of(), stray_charges=["pay_1"])
    result = account(Claims(), records, repeats_allowed=False)
    assert result.wrong == {"mischarged": ["pay_1: charged, and there is no payment"]}


def test_an_order_that_is_rejected_is_no_order() -> None:
    """It is neither lost nor doubled; whoever was told that it is paid misses it."""
    rejected = recorded(1, state="rejected", charged=0, processed_at=None)
    records = Records({"key-1": rejected["key-1"] * 2}, effects_of())
    assert account(Claims(), records, repeats_allowed=False).wrong == {}
    assert account(claims_of(1), records, repeats_allowed=False).wrong.keys() == {"lost"}


@pytest.mark.parametrize(
    ("gone", "bought"), [({"Linux": 2}, {"Linux": 1}), ({}, {"Linux": 1}), ({"Git": 1}, {})]
)
def test_stock_that_is_not_what_was_bought_is_missold(
    gone: dict[str, int], bought: dict[str, int]
) -> None:
    """Sold too often, not at all, or gone without a buyer."""
    records = Records(recorded(1), effects_of(1), gone=gone, bought=bought)
    result = account(claims_of(1), records, repeats_allowed=False)
    assert result.wrong.keys() == {"missold"}
    right = Records(recorded(1), effects_of(1), gone=bought, bought=bought)
    assert account(claims_of(1), right, repeats_allowed=False).wrong == {}


def test_times_tell_the_longest_gap_and_the_recovery() -> None:
    """Recovery ends with the last order that was planned before the fault was over."""
    claims = claims_of(1, 2, 3)
    orders = recorded(1) | recorded(2, processed_at=9.0) | recorded(3, processed_at=4.0)
    records = Records(orders, effects_of(1, 2, 3))
    result = account(claims, records, repeats_allowed=False)
    assert (result.processing_gap, result.accepting_gap, result.slowest) == (5.0, 1.0, 7.0)
    assert recovery_seconds(claims, records, healed=2.5) == 6.5
    assert recovery_seconds(claims, records, healed=1.5) == 0.5
    assert longest_gap([]) == 0.0


def test_the_ledger_keeps_what_was_noted(tmp_path: Path) -> None:
    """It is read from the file, as it would be after a crash of the test itself."""
    with Ledger(tmp_path / "ledger") as ledger:
        for key in ("a", "b", "c"):
            ledger.note("planned", key, due=1.0)
        ledger.note("put off", "a", reason="503", attempt=1)
        ledger.note("accepted", "a", order_id="ORD-1")
        ledger.note("refused", "b", answer="400 no")
        claims = read_claims(ledger.path)
    assert claims.accepted == {"a": "ORD-1"}
    assert claims.refused == ["b: 400 no"]
    assert claims.unanswered == ["c"]
    assert claims.put_off == Counter({"503": 1})
