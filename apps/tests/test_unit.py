"""A batch is one transaction: each message once, all or nothing, and one bad one is found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import pytest
import structlog

from skillupworks.errors import PermanentError, StoreUnavailableError, TransientError
from skillupworks.messaging.message import Delivery, Outcome, Work
from skillupworks.reliability import unit as unit_module
from skillupworks.reliability.inbox import Claim
from skillupworks.reliability.unit import Transactional, Unit
from skillupworks.runtime import trace
from skillupworks.runtime.database import Cursor, Database, DataError, IntegrityError

from .reliability_stubs import MemoryDatabase, actions_of

PROCESSED, DUPLICATE = Outcome.PROCESSED, Outcome.DUPLICATE
ROW = "INSERT INTO words (word) VALUES (%s)"
LETTER = "INSERT INTO letters (word, letter) VALUES (%s, %s)"
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"

Handler = Callable[[str, Unit], Outcome | None]


class Tables:
    """The inbox and all other tables in memory; `errors` says what inserting a row ends with."""

    def __init__(self) -> None:
        self.inbox: dict[str, str] = {}
        self.statements: list[tuple[str, list[Sequence[object]]]] = []
        self.errors: dict[object, Exception] = {}

    def claim(self, cursor: Cursor, consumer: str, tokens: Mapping[str, str]) -> dict[str, Claim]:
        assert consumer == "speller"
        claims = {}
        for message_id, token in tokens.items():
            owner = self.inbox.get(message_id)
            claims[message_id] = (
                Claim.NEW if owner is None else Claim.OURS if owner == token else Claim.TAKEN
            )
        new = {key: tokens[key] for key, found in claims.items() if found is Claim.NEW}
        actions_of(cursor).at_commit.append(lambda: self.inbox.update(new))
        return claims

    def insert_rows(self, cursor: Cursor, statement: str, rows: Iterable[Sequence[object]]) -> int:
        rows = list(rows)
        for row in rows:
            if error := self.errors.get(row[0]):
                raise error
        actions_of(cursor).at_commit.append(lambda: self.statements.append((statement, rows)))
        return len(rows)

    def rows(self, statement: str) -> list[Sequence[object]]:
        return [row for known, rows in self.statements if known == statement for row in rows]


@pytest.fixture
def database() -> MemoryDatabase:
    """Return a database without rows."""
    return MemoryDatabase()


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch, events: list[Any]) -> Tables:
    """Return tables that stand in for the statements of the inbox and of inserts."""
    del events  # captured, so that nothing is printed
    tables = Tables()
    monkeypatch.setattr(unit_module, "claim", tables.claim)
    monkeypatch.setattr(unit_module, "insert_rows", tables.insert_rows)
    return tables


def spell(word: str, unit: Unit) -> None:
    unit.insert(ROW, (word,))
    unit.insert(LETTER, *((word, letter) for letter in word))


def works(*words: str, **properties: Any) -> list[Work[str]]:
    return [Work(word, Delivery(b"", **{"message_id": f"m-{word}"} | properties)) for word in words]


def speller(
    database: MemoryDatabase, handle: Handler = spell, **options: Any
) -> Transactional[str]:
    return Transactional(cast("Database", database), "speller", handle, **options)


def test_the_rows_of_a_batch_are_one_statement_each_in_order(
    database: MemoryDatabase, tables: Tables
) -> None:
    outcomes = speller(database)(works("ab", "c"))

    assert outcomes == [PROCESSED, PROCESSED]
    assert tables.statements == [
        (ROW, [("ab",), ("c",)]),
        (LETTER, [("ab", "a"), ("ab", "b"), ("c", "c")]),
    ]
    assert database.commits == 1


def test_a_message_that_was_processed_before_is_a_duplicate_without_effect(
    database: MemoryDatabase, tables: Tables, events: list[Any]
) -> None:
    process = speller(database)
    process(works("ab"))

    outcomes = process(works("ab", "c"))

    assert outcomes == [DUPLICATE, PROCESSED]
    assert tables.rows(ROW) == [("ab",), ("c",)]
    assert [("duplicate", "m-ab")] == [(event["outcome"], event["message_id"]) for event in events]


def test_the_second_of_a_message_in_one_batch_is_the_duplicate(
    database: MemoryDatabase, tables: Tables
) -> None:
    assert speller(database)(works("ab", "c", "ab")) == [PROCESSED, PROCESSED, DUPLICATE]
    assert tables.rows(ROW) == [("ab",), ("c",)]


def test_duplicates_are_handed_to_who_wants_to_say_so(
    database: MemoryDatabase, tables: Tables, events: list[Any]
) -> None:
    said: list[tuple[str, str]] = []
    process = speller(database, duplicate=lambda word, unit: said.append((word, unit.message_id)))

    process(works("ab", "ab"))

    assert tables.inbox.keys() == {"m-ab"}
    assert said == [("ab", "m-ab")]
    assert events == []


def test_a_delivery_whose_commit_was_not_answered_is_processed_without_a_second_effect(
    database: MemoryDatabase, tables: Tables
) -> None:
    recorded: list[bool] = []
    said: list[str] = []

    def handle(word: str, unit: Unit) -> Outcome:
        recorded.append(unit.recorded)
        spell(word, unit)
        unit.after_commit(lambda: said.append(word))
        return DUPLICATE if unit.recorded else PROCESSED  # it met its own row

    process = speller(database, handle)
    batch = works("ab")
    process(batch)
    said.clear()

    assert process(batch) == [PROCESSED]
    assert recorded == [False, True]
    assert tables.rows(ROW) == [("ab",)]
    assert said == ["ab"]


def test_an_error_of_one_message_leaves_nothing_of_the_batch(
    database: MemoryDatabase, tables: Tables
) -> None:
    def handle(word: str, unit: Unit) -> None:
        spell(word, unit)
        unit.after_commit(lambda: pytest.fail("it was not committed"))
        if word == "c":
            raise PermanentError("no vowel")

    with pytest.raises(PermanentError, match="no vowel"):
        speller(database, handle)(works("ab", "c"))

    assert (tables.inbox, tables.statements) == ({}, [])


def test_data_that_the_database_refuses_is_a_permanent_error(
    database: MemoryDatabase, tables: Tables
) -> None:
    tables.errors["ab"] = DataError(1406, "Data too long for column 'word' at row 1")

    with pytest.raises(PermanentError, match=r"^MySQL: Data too long") as caught:
        speller(database)(works("ab"))

    assert caught.value.reason == "rejected"


def test_a_broken_constraint_may_be_gone_later(database: MemoryDatabase, tables: Tables) -> None:
    tables.errors["ab"] = IntegrityError(1062, "Duplicate entry 'ab' for key 'PRIMARY'")

    with pytest.raises(TransientError, match=r"^MySQL: Duplicate entry"):
        speller(database)(works("ab"))


@pytest.mark.usefixtures("tables")
def test_a_database_that_is_away_is_said_by_the_check(database: MemoryDatabase) -> None:
    process = speller(database)
    database.problem = "MySQL: away"

    with pytest.raises(StoreUnavailableError):
        process(works("ab"))
    assert process.check() == "MySQL: away"


def test_a_message_without_an_id_is_known_by_its_key(
    database: MemoryDatabase, tables: Tables
) -> None:
    speller(database, key=lambda word: f"key-{word}")(works("ab", message_id=None))

    assert list(tables.inbox) == ["key-ab"]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("message_id", [None, ""])
def test_a_message_without_an_id_and_a_key_is_refused(
    database: MemoryDatabase, message_id: str | None
) -> None:
    with pytest.raises(PermanentError) as caught:
        speller(database)(works("ab", message_id=message_id))

    assert caught.value.reason == "no-message-id"


def test_ids_that_the_database_takes_for_the_same_are_the_same(
    database: MemoryDatabase, tables: Tables
) -> None:
    batch = works("ab", message_id="m") + works("c", message_id="m ")

    assert speller(database)(batch) == [PROCESSED, DUPLICATE]
    assert list(tables.inbox) == ["m"]


@pytest.mark.usefixtures("tables")
def test_a_message_knows_whether_it_is_alone(database: MemoryDatabase) -> None:
    alone: list[bool] = []
    process = speller(database, lambda _, unit: alone.append(unit.alone))

    process(works("ab", "c"))
    process(works("d"))

    assert alone == [False, False, True]


@pytest.mark.usefixtures("tables")
def test_logs_carry_message_attempt_and_trace_while_it_is_handled_and_said(
    database: MemoryDatabase, events: list[Any]
) -> None:
    log = structlog.get_logger()
    traces: list[str | None] = []

    def handle(word: str, unit: Unit) -> None:
        traces.append(trace.current())
        log.info(f"handling {word}")
        unit.after_commit(lambda: log.info(f"handled {word}"))

    batch = [
        *works("ab", headers={"traceparent": TRACEPARENT}),
        Work("c", Delivery(b"", message_id="m-c"), attempt=3),
    ]
    speller(database, handle)(batch)
    log.info("outside")

    assert ["handling ab", "handling c", "handled ab", "handled c", "outside"] == [
        event["event"] for event in events
    ]
    assert [("m-ab", 1, "a" * 32)] * 2 == [
        (event["message_id"], event["attempt"], event["trace_id"]) for event in events[0:3:2]
    ]
    assert [("m-c", 3), ("m-c", 3)] == [
        (event["message_id"], event["attempt"]) for event in events[1:4:2]
    ]
    assert events[4].keys() == {"event", "log_level"}
    assert traces[0] is not None
    assert traces[0].startswith(TRACEPARENT[:35])


def test_an_error_after_the_commit_is_logged_and_fails_nothing(
    database: MemoryDatabase, tables: Tables, events: list[Any]
) -> None:
    said: list[str] = []

    def handle(word: str, unit: Unit) -> None:
        spell(word, unit)
        unit.after_commit(lambda: 1 / 0)  # type: ignore[arg-type]
        unit.after_commit(lambda: said.append(word))

    assert speller(database, handle)(works("ab")) == [PROCESSED]
    assert tables.rows(ROW) == [("ab",)]
    assert said == ["ab"]
    assert ["error"] == [event["log_level"] for event in events]
