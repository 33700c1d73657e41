"""Statements about many rows at once."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from skillupworks.runtime.database import Cursor

__all__ = ["insert_rows", "rows_by_key"]

# Below the 16 MB that servers take by default, also if every character needs four bytes.
MAX_STATEMENT_CHARACTERS = 1_000_000


def insert_rows(cursor: Cursor, statement: str, rows: Iterable[Sequence[object]]) -> int:
    """Run `INSERT INTO t (a, b) VALUES (%s, …) [ON DUPLICATE …]` for many rows at once.

    The driver's executemany falls back to row by row when a value is an expression. Returns the
    number of rows that were inserted (0 for one that only met its duplicate).
    """
    head, group, tail = _parts(statement)
    inserted, size = 0, 0
    values: list[str] = []
    for row in rows:
        value = cursor.mogrify(group, row)
        if values and size + len(value) > MAX_STATEMENT_CHARACTERS:
            inserted += cursor.execute(head + ",".join(values) + tail)
            values, size = [], 0
        values.append(value)
        size += len(value)
    if values:
        inserted += cursor.execute(head + ",".join(values) + tail)
    return inserted


def rows_by_key(table: str, key: str, kind: str) -> str:
    """Return a FROM clause for UPDATE or DELETE: the rows whose keys are in a JSON list, `%s`.

    `key` is a column of the primary key, and `kind` its type with its collation.

    Looks up each row. With a plain list of keys the optimizer may scan a table that is, or was a
    moment ago, small. A scan meets rows that others have locked, and two that wait for each other
    are a deadlock.
    """
    return (
        f"JSON_TABLE(%s, '$[*]' COLUMNS (`key` {kind} PATH '$')) AS wanted"
        f" STRAIGHT_JOIN {table} FORCE INDEX (PRIMARY) ON {table}.{key} = wanted.`key`"
    )


@lru_cache(maxsize=256)
def _parts(statement: str) -> tuple[str, str, str]:
    """Return what comes before the values, the values of one row, and what follows them."""
    head, values, rest = statement.partition(" VALUES ")
    group, duplicate, action = rest.partition(" ON DUPLICATE ")
    if not values:
        raise ValueError(f"no values to insert in: {statement}")
    return head + values, group, duplicate + action
