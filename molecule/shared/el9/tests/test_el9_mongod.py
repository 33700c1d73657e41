"""The lab's mongod lets in whom MongoDB would: the first account from its host, then accounts."""

import base64
import hashlib
import hmac
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import el9

PROGRAM = Path(el9.__file__).with_name("files") / "mongod.py"
Json = dict[str, Any]


def load() -> ModuleType:
    """Return the program as a module."""
    spec = importlib.util.spec_from_file_location("contract_mongod", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def mongod() -> ModuleType:
    """Return the program."""
    return load()


@pytest.fixture
def accounts(mongod: ModuleType, tmp_path: Path) -> Any:
    """Return accounts of which there are none yet."""
    return mongod.Accounts(tmp_path / "accounts.json")


def login(connection: Any, user: str, password: str, database: str) -> Json:
    """Log in as a driver does; return the last answer."""
    bare = f"n={user},r=abc"
    start = {"saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": f"n,,{bare}".encode()}
    first = connection.answer({**start, "$db": database})["payload"].decode()
    fields = dict(part.split("=", 1) for part in first.split(","))
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"])
    )
    client = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = f"c=biws,r={fields['r']}"
    said = f"{bare},{first},{without_proof}".encode()
    signature = hmac.digest(hashlib.sha256(client).digest(), said, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client, signature, strict=True))).decode()
    last = {"saslContinue": 1, "payload": f"{without_proof},p={proof}".encode()}
    answer: Json = connection.answer({**last, "$db": database})
    return answer


def create(connection: Any, name: str, database: str, *roles: str) -> Json:
    """Create an account with the password `password`."""
    command = {"createUser": name, "pwd": "password", "roles": list(roles), "$db": database}
    answer: Json = connection.answer(command)
    return answer


def test_the_first_account_is_made_from_the_hosts_own_address(
    mongod: ModuleType, accounts: Any
) -> None:
    """And by nobody else, and only the first one."""
    far = mongod.Connection(accounts, "10.0.0.9", authorization=True)
    near = mongod.Connection(accounts, "127.0.0.1", authorization=True)
    assert create(far, "admin", "admin", "root")["code"] == 13
    assert near.answer({"find": "x", "$db": "admin"})["code"] == 13
    assert create(near, "admin", "admin", "root")["ok"] == 1
    assert create(near, "other", "admin", "root")["code"] == 13


def test_an_account_works_with_its_own_database_and_no_other(
    mongod: ModuleType, accounts: Any
) -> None:
    """What the engine is to answer is passed on: no answer here."""
    connection = mongod.Connection(accounts, "127.0.0.1", authorization=True)
    create(connection, "admin", "admin", "root")
    assert login(connection, "admin", "password", "admin")["done"]
    create(connection, "shop", "goods", "readWrite")
    create(connection, "looker", "goods", "read")

    shop = mongod.Connection(accounts, "10.0.0.9", authorization=True)
    assert login(shop, "shop", "wrong", "goods")["code"] == 18
    assert shop.answer({"find": "x", "$db": "goods"})["code"] == 13
    assert login(shop, "shop", "password", "goods")["ok"] == 1
    assert shop.answer({"insert": "x", "$db": "goods"}) is None
    assert shop.answer({"find": "x", "$db": "others"})["code"] == 13
    assert shop.answer({"usersInfo": 1, "$db": "goods"})["code"] == 13

    looker = mongod.Connection(accounts, "10.0.0.9", authorization=True)
    login(looker, "looker", "password", "goods")
    assert looker.answer({"find": "x", "$db": "goods"}) is None
    assert looker.answer({"insert": "x", "$db": "goods"})["code"] == 13


def test_accounts_outlive_the_program(mongod: ModuleType, accounts: Any, tmp_path: Path) -> None:
    """Their passwords are not in the file."""
    connection = mongod.Connection(accounts, "127.0.0.1", authorization=True)
    create(connection, "admin", "admin", "root")
    again = mongod.Connection(
        mongod.Accounts(tmp_path / "accounts.json"), "10.0.0.9", authorization=True
    )
    assert login(again, "admin", "password", "admin")["done"]
    assert '"password"' not in (tmp_path / "accounts.json").read_text(encoding="utf-8")


def test_a_setting_that_mongodb_does_not_know_is_refused(
    mongod: ModuleType, tmp_path: Path
) -> None:
    """By its name."""
    file = tmp_path / "mongod.conf"
    file.write_text("storage: {dbPath: /x, dbpath: /y}\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"Unrecognized option: storage\.dbpath"):
        mongod.read_settings(file)
