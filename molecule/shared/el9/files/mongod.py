#!/usr/libexec/platform-python
"""Stands for mongod in the lab: reads mongod.conf, keeps accounts, and passes commands to nx-27017.

That engine knows no accounts. What MongoDB does about them is done here: SCRAM-SHA-256, the
localhost exception, the rights of a role in its own database. The engine listens on this host's
loopback, on a port of its own.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, "/usr/libexec/mongod-contract")

import bson
import yaml

Json = dict[str, Any]

ENGINE_PORT = 27117
OP_MSG, OP_QUERY = 2013, 2004
HEADER = struct.Struct("<iiii")
ITERATIONS = 15000
UNAUTHORIZED, FAILED, NOT_FOUND, EXISTS = 13, 18, 11, 51003
# What MongoDB answers to whoever asks.
OPEN = {"hello", "isMaster", "ismaster", "ping", "buildInfo", "buildinfo", "endSessions", "logout"}
# It would say every command in the log.
ENGINE = (
    "import logging, sys; sys.path.insert(0, '/usr/libexec/mongod-contract');"
    "logging.getLogger('nx_27017').setLevel('WARNING');"
    "from nx_27017.nx_27017 import main; main()"
)
# The settings that a file may have; another one is an error, as it is MongoDB's.
SETTINGS = {
    "storage": {"dbPath", "wiredTiger", "journal", "engine", "directoryPerDB"},
    "systemLog": {"destination", "path", "logAppend", "verbosity", "logRotate", "timeStampFormat"},
    "net": {
        "port",
        "bindIp",
        "bindIpAll",
        "maxIncomingConnections",
        "ipv6",
        "tls",
        "unixDomainSocket",
    },
    "processManagement": {"timeZoneInfo", "fork", "pidFilePath"},
    "security": {"authorization", "javascriptEnabled", "keyFile"},
    "setParameter": None,
    "replication": {"replSetName", "oplogSizeMB"},
    "operationProfiling": {"mode", "slowOpThresholdMs"},
}


class RefusedError(Exception):
    """A command is answered with an error: its code and words."""


class Accounts:
    """The accounts, in a file beside the data; a change is on the disk when it is answered."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._users: dict[str, Json] = json.loads(file.read_text()) if file.exists() else {}

    @property
    def empty(self) -> bool:
        """There is no account yet."""
        return not self._users

    def find(self, name: str, database: str) -> Json | None:
        """Return an account, with what proves its password."""
        return self._users.get(f"{database}.{name}")

    def put(
        self, name: str, database: str, password: str | None, roles: list[Any] | None, *, new: bool
    ) -> None:
        """Create or change an account."""
        there = self.find(name, database)
        if new and there:
            raise RefusedError(EXISTS, f'User "{name}@{database}" already exists')
        if not new and not there:
            raise RefusedError(NOT_FOUND, f'Could not find user "{name}" for db "{database}"')
        user: Json = dict(there or {"user": name, "db": database})
        if password is not None:
            user |= credentials(password)
        if roles is not None:
            user["roles"] = [
                {"role": r, "db": database} if isinstance(r, str) else dict(r) for r in roles
            ]
        self._write({**self._users, f"{database}.{name}": user})

    def drop(self, name: str, database: str) -> None:
        """Delete an account."""
        if not self.find(name, database):
            raise RefusedError(NOT_FOUND, f"User '{name}@{database}' not found")
        self._write({key: user for key, user in self._users.items() if key != f"{database}.{name}"})

    def public(self) -> list[Json]:
        """Return all accounts without what proves passwords."""
        return [
            {key: user[key] for key in ("user", "db", "roles")} for user in self._users.values()
        ]

    def _write(self, users: dict[str, Json]) -> None:
        partial = self._file.with_suffix(".new")
        partial.unlink(missing_ok=True)
        partial.touch(0o600)
        with partial.open("w") as file:
            json.dump(users, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._file)
        self._users = users


def credentials(password: str) -> Json:
    """Return what SCRAM-SHA-256 keeps of a password."""
    salt = os.urandom(28)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    kept = {
        "salt": salt,
        "stored": hashlib.sha256(client).digest(),
        "server": hmac.digest(salted, b"Server Key", "sha256"),
    }
    return {name: base64.b64encode(value).decode() for name, value in kept.items()}


class Connection:
    """One client's connection, and one to the engine."""

    def __init__(self, accounts: Accounts, peer: str, *, authorization: bool) -> None:
        self._accounts = accounts
        self._authorization = authorization
        self._local = peer.startswith("127.")
        self._logins: list[Json] = []
        self._scram: Json = {}

    def answer(self, command: Json) -> Json | None:
        """Return the answer to a command, or None when it is the engine's."""
        name = next(iter(command))
        database = str(command.get("$db", "admin"))
        own = {
            "saslStart": self._sasl_start,
            "saslContinue": self._sasl_continue,
            "createUser": self._create_user,
            "updateUser": self._update_user,
            "dropUser": self._drop_user,
            "usersInfo": self._users_info,
        }
        try:
            if name not in ("saslStart", "saslContinue"):
                self._check(name, database)
            return own[name](command, database) if name in own else None
        except RefusedError as refused:
            code, words = refused.args
            return {
                "ok": 0.0,
                "errmsg": words,
                "code": code,
                "codeName": "AuthenticationFailed" if code == FAILED else "Error",
            }

    def _check(self, name: str, database: str) -> None:
        """Raise RefusedError where the accounts that logged in have no right to a command."""
        if not self._authorization or name in OPEN:
            return
        if self._accounts.empty and self._local and name == "createUser" and database == "admin":
            return  # the localhost exception
        roles = [role for user in self._logins for role in user["roles"]]
        if any(role["role"] == "root" and role["db"] == "admin" for role in roles):
            return
        about_users = name in ("createUser", "updateUser", "dropUser", "usersInfo")
        writes = name in (
            "insert",
            "update",
            "delete",
            "findAndModify",
            "create",
            "createIndexes",
            "drop",
            "dropIndexes",
            "dropDatabase",
        )
        enough = {"readWrite", "dbOwner"} | (set() if writes else {"read"})
        if not about_users and any(
            role["db"] == database and role["role"] in enough for role in roles
        ):
            return
        if name in ("commitTransaction", "abortTransaction") and roles:
            return
        words = (
            f"not authorized on {database} to execute command {name}"
            if roles
            else f"Command {name} requires authentication"
        )
        raise RefusedError(UNAUTHORIZED, words)

    def _sasl_start(self, command: Json, database: str) -> Json:
        if command.get("mechanism") != "SCRAM-SHA-256":
            raise RefusedError(FAILED, "Authentication failed.")
        _, _, bare = bytes(command["payload"]).decode().split(",", 2)
        fields = dict(part.split("=", 1) for part in bare.split(","))
        name = fields["n"].replace("=2C", ",").replace("=3D", "=")
        user = self._accounts.find(name, database)
        known = user or credentials(os.urandom(8).hex())
        nonce = fields["r"] + base64.b64encode(os.urandom(24)).decode()
        first = f"r={nonce},s={known['salt']},i={ITERATIONS}"
        self._scram = {"user": user, "known": known, "nonce": nonce, "said": f"{bare},{first}"}
        return {"conversationId": 1, "done": False, "payload": first.encode(), "ok": 1.0}

    def _sasl_continue(self, command: Json, _database: str) -> Json:
        text = bytes(command["payload"]).decode()
        if not text:
            return {"conversationId": 1, "done": True, "payload": b"", "ok": 1.0}
        scram, self._scram = self._scram, {}
        without_proof, _, proof = text.rpartition(",p=")
        fields = dict(part.split("=", 1) for part in without_proof.split(","))
        said = f"{scram.get('said', '')},{without_proof}".encode()
        known = {key: base64.b64decode(scram["known"][key]) for key in ("stored", "server")}
        signature = hmac.digest(known["stored"], said, "sha256")
        client = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
        right = hmac.compare_digest(hashlib.sha256(client).digest(), known["stored"])
        if not right or scram["user"] is None or fields["r"] != scram["nonce"]:
            raise RefusedError(FAILED, "Authentication failed.")
        self._logins.append(scram["user"])
        verifier = base64.b64encode(hmac.digest(known["server"], said, "sha256"))
        done = bool(command.get("options", {}).get("skipEmptyExchange", True))
        return {"conversationId": 1, "done": done, "payload": b"v=" + verifier, "ok": 1.0}

    def _create_user(self, command: Json, database: str) -> Json:
        self._accounts.put(
            command["createUser"], database, command["pwd"], command["roles"], new=True
        )
        return {"ok": 1.0}

    def _update_user(self, command: Json, database: str) -> Json:
        self._accounts.put(
            command["updateUser"], database, command.get("pwd"), command.get("roles"), new=False
        )
        return {"ok": 1.0}

    def _drop_user(self, command: Json, database: str) -> Json:
        self._accounts.drop(command["dropUser"], database)
        return {"ok": 1.0}

    def _users_info(self, _command: Json, _database: str) -> Json:
        return {"users": self._accounts.public(), "ok": 1.0}


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """Return one message with its header."""
    header = await reader.readexactly(HEADER.size)
    return header + await reader.readexactly(HEADER.unpack(header)[0] - HEADER.size)


def command_of(message: bytes) -> Json | None:
    """Return the command in a message; None for the old form, which only asks who is there."""
    if HEADER.unpack_from(message)[3] != OP_MSG:
        return None
    offset = HEADER.size + 4
    while message[offset] != 0:  # documents that come beside the command
        offset += 1 + struct.unpack_from("<i", message, offset + 1)[0]
    size = struct.unpack_from("<i", message, offset + 1)[0]
    return dict(bson.decode(message[offset + 1 : offset + 1 + size]))


def reply(message: bytes, document: Mapping[str, Any]) -> bytes:
    """Return the message that answers another one with a document."""
    body = struct.pack("<iB", 0, 0) + bson.encode(document)
    return HEADER.pack(HEADER.size + len(body), 1, HEADER.unpack_from(message)[1], OP_MSG) + body


async def serve(
    client: asyncio.StreamReader,
    answers: asyncio.StreamWriter,
    accounts: Accounts,
    *,
    authorization: bool,
) -> None:
    """Answer one client until it goes away."""
    peer = str(answers.get_extra_info("peername")[0])
    connection = Connection(accounts, peer, authorization=authorization)
    engine, to_engine = await asyncio.open_connection("127.0.0.1", ENGINE_PORT)
    try:
        while True:
            message = await read_message(client)
            command = command_of(message)
            own = connection.answer(command) if command else None
            if own is not None:
                answers.write(reply(message, own))
            else:
                to_engine.write(message)
                if HEADER.unpack_from(message)[3] == OP_MSG and message[HEADER.size] & 2:
                    continue  # nobody waits for an answer
                said = await read_message(engine)
                if command and "saslSupportedMechs" in command:
                    document = command_of(said) or {}
                    said = reply(message, {**document, "saslSupportedMechs": ["SCRAM-SHA-256"]})
                answers.write(said)
            await answers.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        answers.close()
        to_engine.close()


async def run(settings: Json) -> int:
    """Run the engine and what stands before it until it is told to end; return the exit status."""
    data = Path(settings["storage"]["dbPath"])
    (data / "engine").mkdir(mode=0o700, exist_ok=True)
    pid = data / "engine.pid"
    pid.unlink(missing_ok=True)
    options = [
        "--threaded",
        "--host",
        "127.0.0.1",
        "--port",
        str(ENGINE_PORT),
        "--data-dir",
        str(data / "engine"),
    ]
    options += ["--pid-file", str(pid), "--log-file", "/dev/null"]
    engine = await asyncio.create_subprocess_exec(sys.executable, "-c", ENGINE, *options, cwd=data)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for _ in range(600):
        # Told to end, or without the engine, which is told too, there is nothing to wait for.
        if stop.is_set() or engine.returncode is not None:
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", ENGINE_PORT)
            writer.close()
            break
        except ConnectionError:
            await asyncio.sleep(0.1)
    accounts = Accounts(data / "accounts.json")
    net = settings.get("net", {})
    authorization = settings.get("security", {}).get("authorization") == "enabled"
    server = await asyncio.start_server(
        lambda client, answers: serve(client, answers, accounts, authorization=authorization),
        str(net.get("bindIp", "127.0.0.1")).split(","),
        int(net.get("port", 27017)),
        limit=1 << 26,
    )
    ends = {asyncio.create_task(stop.wait()), asyncio.create_task(engine.wait())}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    server.close()
    if engine.returncode is None:
        engine.terminate()
        await engine.wait()
    return 0 if stop.is_set() else 1


def read_settings(file: Path) -> Json:
    """Return the settings; ends the program with a line about one that MongoDB would refuse."""
    settings: Json = yaml.safe_load(file.read_text()) or {}
    for section, values in settings.items():
        known = SETTINGS.get(section, set())
        unknown = set() if known is None else set(values or {}) - known
        if section not in SETTINGS or unknown:
            name = f"{section}.{min(unknown)}" if unknown else section
            sys.exit(
                f"Unrecognized option: {name}\ntry '/usr/bin/mongod --help' for more information"
            )
    return settings


def main() -> int:
    """Understand mongod's options as far as its unit and the role use them."""
    parser = argparse.ArgumentParser(prog="mongod")
    parser.add_argument("-f", "--config", type=Path, required=True)
    parser.add_argument("--outputConfig", action="store_true")
    options = parser.parse_args()
    settings = read_settings(options.config)
    if options.outputConfig:
        sys.stdout.write(yaml.safe_dump(settings))
        return 0
    log = settings.get("systemLog", {})
    if log.get("destination") == "file":
        file = os.open(log["path"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        os.dup2(file, 1)
        os.dup2(file, 2)
    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
