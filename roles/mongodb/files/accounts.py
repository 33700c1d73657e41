"""Waits until the server writes, and makes its accounts those that are wanted.

Run on the server's host by tasks/accounts.yml, which puts WANTED before it: the JSON text of
{"host": …, "admin": password, "users": [{name, password, database, roles}]}. Without an admin the
server is one that has no accounts. Prints "changed" or "up to date", or one line that says what is
wrong, which holds no password.
"""

import json
import sys
import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

WAIT_SECONDS = 60
AUTHENTICATION_FAILED = 18
# Named, since the driver tries SCRAM-SHA-1 for an account that is not there yet, which needs MD5: a
# host in FIPS mode has none (mongo-python-driver, pull request 1536).
MECHANISM = "SCRAM-SHA-256"

Json = dict[str, Any]
Client = MongoClient[Json]


def connect(wanted: Json, user: str = "", password: str = "", source: str = "admin") -> Client:
    """Return a client whose writes are acknowledged when they are in the journal."""
    return MongoClient(
        wanted["host"],
        27017,
        username=user or None,
        password=password or None,
        authSource=source,
        **({"authMechanism": MECHANISM} if user else {}),
        directConnection=True,
        retryWrites=False,
        w="majority",
        journal=True,
        serverSelectionTimeoutMS=2000,
        socketTimeoutMS=10000,
    )


def wait(wanted: Json) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with connect(wanted) as client:
                client.admin.command("hello")
                return
        except ConnectionFailure:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def lets_in(wanted: Json, user: str, password: str, source: str) -> bool:
    """Say whether it is the account's password."""
    with connect(wanted, user, password, source) as client:
        try:
            client[source].command("ping")
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            return False
    return True


def create_admin(wanted: Json) -> None:
    """Create the first account: as long as there is none, whoever is on the host may do so."""
    with connect(wanted) as client:
        try:
            client.admin.command(
                "createUser",
                "admin",
                pwd=wanted["admin"],
                roles=["root"],
                mechanisms=[MECHANISM],
            )
        except OperationFailure:
            sys.exit("MongoDB: the account admin has another password than mongodb_admin_password")


def update_users(client: Client, wanted: Json) -> bool:
    """Make the accounts beside `admin` those that are wanted; say whether there was a change."""
    changed = False
    found = client.admin.command("usersInfo", {"forAllDBs": True})["users"]
    rights = {
        (user["user"], user["db"]): {(role["role"], role["db"]) for role in user["roles"]}
        for user in found
    }
    for user in wanted["users"]:
        name, database, password = user["name"], user["database"], user["password"]
        there = rights.pop((name, database), None)
        if there == {(role, database) for role in user["roles"]} and lets_in(
            wanted, name, password, database
        ):
            continue
        command = "createUser" if there is None else "updateUser"
        client[database].command(
            command, name, pwd=password, roles=user["roles"], mechanisms=[MECHANISM]
        )
        changed = True
    rights.pop(("admin", "admin"), None)
    for name, database in rights:
        client[database].command("dropUser", name)
        changed = True
    return changed


def write(client: Client) -> None:
    """Write and read something in a database of its own."""
    checks = client.skillupworks_check.writes
    checks.delete_one({"_id": 1})
    checks.insert_one({"_id": 1, "text": "written"})
    if (checks.find_one({"_id": 1}) or {}).get("text") != "written":
        sys.exit("MongoDB: it does not read what it wrote")
    checks.delete_one({"_id": 1})


def main() -> None:
    """Wait, create what is missing, and write."""
    wanted: Json = json.loads(globals()["WANTED"])
    wait(wanted)
    changed = False
    admin = wanted["admin"]
    if admin and not lets_in(wanted, "admin", admin, "admin"):
        create_admin(wanted)
        changed = True
    with connect(wanted, "admin" if admin else "", admin) as client:
        write(client)
        if admin:
            changed = update_users(client, wanted) or changed
    sys.stdout.write("changed\n" if changed else "up to date\n")


try:
    main()
except (ConnectionFailure, OperationFailure) as problem:
    words = str(problem).partition(", full error")[0].partition(", Timeout")[0]
    sys.exit(f"MongoDB: {words}")
