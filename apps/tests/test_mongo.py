"""What is made of a MongoDB that is away or unwell; its own work is tested on the hosts."""

import socket
import struct
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from pymongo.errors import PyMongoError

from skillupworks.errors import ConfigurationError, StoreNotReadyError, StoreUnavailableError
from skillupworks.runtime import mongo
from skillupworks.runtime.mongo import DuplicateKeyError, MongoDatabase
from skillupworks.runtime.settings import MongoSettings

from .played_servers import PlayedServer

HEADER = struct.Struct("<iiii")
OP_MSG, OP_QUERY, OP_REPLY = 2013, 2004, 1
HELLO = {"ok": 1, "isWritablePrimary": True, "ismaster": True, "maxWireVersion": 21}
HANDSHAKES = {"hello", "ismaster", "isMaster"}


class PlayedMongo(PlayedServer):
    """Shakes hands, and answers each command with `answer`; without one it hangs up."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | None = None
        self.commands: list[dict[str, Any]] = []
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """See PlayedServer."""
        with connection.makefile("rb") as reader:
            while header := reader.read(HEADER.size):
                length, request, _, kind = HEADER.unpack(header)
                body = reader.read(length - HEADER.size)
                command = _command(kind, body)
                answer: dict[str, Any] | None = HELLO
                if next(iter(command)) not in HANDSHAKES:
                    self.commands.append(command)
                    answer = self.answer
                if answer is None:
                    return
                connection.sendall(_message(kind, request, answer))


def _command(kind: int, body: bytes) -> dict[str, Any]:
    """Return the command of a message, without the documents that follow it."""
    start = 5 if kind == OP_MSG else body.index(b"\0", 4) + 9
    (length,) = struct.unpack_from("<i", body, start)
    return bson.decode(body[start : start + length])


def _message(kind: int, request: int, answer: dict[str, Any]) -> bytes:
    is_new = kind == OP_MSG
    front = b"\0\0\0\0\0" if is_new else struct.pack("<iqii", 8, 0, 0, 1)
    body = front + bson.encode(answer)
    return HEADER.pack(HEADER.size + len(body), 0, request, OP_MSG if is_new else OP_REPLY) + body


@pytest.fixture
def server() -> Iterator[PlayedMongo]:
    """Play a server."""
    server = PlayedMongo()
    yield server
    server.close()


def settings_of(port: int, **more: str) -> MongoSettings:
    values = {"mongodb_host": "127.0.0.1", "mongodb_port": port, "mongodb_database": "catalogue"}
    return MongoSettings.model_validate(values | more)


@pytest.fixture
def database(server: PlayedMongo, monkeypatch: pytest.MonkeyPatch) -> Iterator[MongoDatabase]:
    """Return our side of it."""
    monkeypatch.setattr(mongo, "REPLY_SECONDS", 1)
    database = MongoDatabase(settings_of(server.port), size=2)
    yield database
    database.close()


def write(database: MongoDatabase) -> None:
    with database.collection("products") as products:
        products.update_one({"_id": "Linux"}, {"$set": {"stock": 1}})


def test_a_server_that_is_not_there_is_unavailable_and_said_to_be_without_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mongo, "CONNECT_SECONDS", 0.2)
    # nothing listens on the discard port
    database = MongoDatabase(settings_of(9, mongodb_user="u", mongodb_pass="s3cret"), size=2)

    with pytest.raises(StoreUnavailableError, match=r"^MongoDB: "):
        write(database)
    problem = database.check()
    assert problem is not None
    assert "127.0.0.1:9" in problem
    assert "s3cret" not in problem
    assert "\n" not in problem
    assert len(problem) < 200
    database.close()


def test_a_write_is_forced_onto_the_disk_and_not_made_again_when_its_answer_was_lost(
    server: PlayedMongo, database: MongoDatabase
) -> None:
    with pytest.raises(StoreUnavailableError):
        write(database)

    (command,) = server.commands
    assert command["update"] == "products"
    assert command["writeConcern"]["w"] == "majority"
    assert command["writeConcern"]["j"] is True
    assert "txnNumber" not in command


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"ok": 0, "code": 18, "errmsg": "Authentication failed."}, StoreUnavailableError),
        ({"ok": 0, "code": 11600, "errmsg": "interrupted at shutdown"}, StoreUnavailableError),
        ({"ok": 0, "code": 10107, "errmsg": "not primary"}, StoreUnavailableError),
        ({"ok": 0, "code": 50, "errmsg": "operation exceeded time limit"}, StoreUnavailableError),
        ({"ok": 0, "code": 14031, "errmsg": "no space left"}, StoreUnavailableError),
        (
            {"ok": 1, "n": 1, "writeConcernError": {"code": 64, "errmsg": "waiting timed out"}},
            StoreUnavailableError,
        ),
        ({"ok": 0, "code": 13, "errmsg": "not authorized"}, StoreNotReadyError),
    ],
)
def test_what_may_pass_is_unavailable(
    server: PlayedMongo,
    database: MongoDatabase,
    answer: dict[str, Any],
    kind: type[StoreUnavailableError],
) -> None:
    server.answer = answer

    with pytest.raises(StoreUnavailableError, match=r"^MongoDB: ") as caught:
        write(database)
    assert type(caught.value) is kind


def test_a_mistake_of_ours_is_no_matter_of_patience(
    server: PlayedMongo, database: MongoDatabase
) -> None:
    server.answer = {"ok": 0, "code": 9, "errmsg": "Modifiers operate on fields"}

    with pytest.raises(PyMongoError, match="Modifiers"):
        write(database)


def test_a_key_that_is_there_already_is_told_from_the_rest(
    server: PlayedMongo, database: MongoDatabase
) -> None:
    server.answer = {"ok": 1, "n": 0, "writeErrors": [{"index": 0, "code": 11000, "errmsg": "E"}]}

    with pytest.raises(DuplicateKeyError), database.collection("products") as products:
        products.insert_one({"_id": "Linux"})


def test_a_server_that_answers_is_fine(server: PlayedMongo, database: MongoDatabase) -> None:
    server.answer = {"ok": 1}

    assert database.check() is None


def test_a_user_has_a_password_and_a_password_a_user() -> None:
    with pytest.raises(ConfigurationError, match="MONGODB_PASS: is required"):
        settings_of(27017, mongodb_user="catalogue")
    with pytest.raises(ConfigurationError, match="MONGODB_USER: is required"):
        settings_of(27017, mongodb_pass="s3cret")
