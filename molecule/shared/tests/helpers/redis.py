"""Redis as its administrator uses it, and the sessions that the user service writes there."""

import uuid
from hashlib import sha256

from tests.helpers.hosts import Platform
from tests.helpers.waiting import wait_until

SESSION_SECONDS = 3600


class Redis:
    """The Redis server, asked on its own host."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.host = platform.only("redis")
        self.system = platform.system(self.host)
        self.unit = self.system.redis_unit
        self._password = platform.secrets["vault_redis_admin_password"]

    def ask(self, *commands: str) -> list[str]:
        """Return the lines that the server answers to commands of the administrator.

        The password goes the way of the commands, which is their input.
        """
        lines = "\n".join((f"AUTH admin {self._password}", *commands, ""))
        let_in, *answers = self._platform.feed(
            self.host, self.system.redis_cli, lines
        ).splitlines() or [""]
        assert let_in == "OK", let_in
        return answers

    def value(self, command: str) -> str:
        """Return the answer of one line to a command."""
        (answer,) = self.ask(command)
        return answer

    def begin_session(self, owner: str, kind: str = "user", seconds: int = SESSION_SECONDS) -> str:
        """Let somebody log in as the user service does; return the session's token."""
        token = uuid.uuid4().hex
        key = _session(token)
        self.ask(f"HSET {key} owner {owner} kind {kind}", f"EXPIRE {key} {seconds}")
        return token

    def forget_attempts(self) -> None:
        """Let nobody have to wait for what was tried before."""
        script = (
            "for _, key in ipairs(redis.call('KEYS', 'throttle:*')) do redis.call('DEL', key) end"
        )
        self.ask(f'EVAL "{script} return 1" 0')

    def end_session(self, token: str) -> None:
        """Let somebody log out."""
        self.ask(f"DEL {_session(token)}")

    def run(self, command: str) -> str:
        """Run a command on the server's host."""
        return self._platform.run(self.host, command)

    def wait_until_it_answers(self) -> None:
        """Return when it lets the administrator in."""
        ping = f"AUTH admin {self._password}\nPING\n"
        wait_until(
            "Redis answers",
            lambda: self._platform.feed(self.host, self.system.redis_cli, ping).endswith("PONG"),
        )


def _session(token: str) -> str:
    return f"session:{sha256(token.encode()).hexdigest()}"
