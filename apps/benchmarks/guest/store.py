"""The benchmark's databases."""

from typing import Any

import pymysql

from benchmarks.job import Database

__all__ = ["connect", "empty_all_tables", "empty_tables"]


def connect(database: Database) -> "pymysql.connections.Connection[Any]":
    """Return an open connection; each statement is its own transaction."""
    return pymysql.connect(
        host=database.host,
        user=database.user,
        password=database.password,
        database=database.name,
        charset="utf8mb4",
        autocommit=True,
    )


def empty_tables(database: Database, *tables: str) -> None:
    """Delete all rows, so that no run pays for the rows of those before it."""
    with connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")  # a table that is referred to, too
        for table in tables:
            cursor.execute(f"TRUNCATE TABLE {table}")


def empty_all_tables(database: Database) -> None:
    """Delete all rows of a service's database."""
    with connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        tables = {name for (name,) in cursor.fetchall()} - {"alembic_version"}
    empty_tables(database, *tables)
