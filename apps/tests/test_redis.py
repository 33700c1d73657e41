"""What is made of a Redis that is away or unwell; its own work is tested on the hosts."""

import socket
from collections.abc import Iterator

import pytest

from skillupworks.errors import StoreNotReadyError, StoreUnavailableError
from skillupworks.runtime.redis import RedisPool
from skillupworks.runtime.settings import RedisSettings

from .played_servers import PlayedServer


class PlayedRedis(PlayedServer):
    """Lets everybody in, and answers each command with `answer`; without one it hangs up."""

    def __init__(self) -> None:
        self.answer: bytes | None = None
        self.commands: list[str] = []
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        """See PlayedServer."""
        reader = connection.makefile("rb")
        while line := reader.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int(reader.readline()[1:])
                words.append(reader.read(length + 2)[:-2].decode())
            if words[0] in {"AUTH", "CLIENT"}:
                connection.sendall(b"+OK\r\n")
                continue
            self.commands.append(words[0])
            if self.answer is None:
                return
            connection.sendall(self.answer)


@pytest.fixture
def server() -> Iterator[PlayedRedis]:
    """Play a server."""
    server = PlayedRedis()
    yield server
    server.close()


def pool_of(port: int) -> RedisPool:
    settings = RedisSettings.model_validate(
        {
            "redis_host": "127.0.0.1",
            "redis_port": port,
            "redis_user": "cart",
            "redis_pass": "s3cret",
        }
    )
    return RedisPool(settings, size=2)


@pytest.fixture
def pool(server: PlayedRedis) -> Iterator[RedisPool]:
    """Return a pool of connections to it."""
    pool = pool_of(server.port)
    yield pool
    pool.close()


def test_a_server_that_is_not_there_is_unavailable_and_said_to_be_without_the_password() -> None:
    pool = pool_of(9)  # nothing listens on the discard port

    with pytest.raises(StoreUnavailableError, match=r"^Redis: "):
        pool.hash("cart:alice")
    problem = pool.check()
    assert problem is not None
    assert "127.0.0.1:9" in problem
    assert "s3cret" not in problem
    assert "\n" not in problem


def test_a_change_whose_answer_was_lost_is_not_made_again(
    server: PlayedRedis, pool: RedisPool
) -> None:
    script = pool.script("return 1")

    with pytest.raises(StoreUnavailableError):
        script(["cart:alice"], ["item:Linux", 1])

    assert server.commands == ["EVALSHA"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", StoreUnavailableError),
        (b"-LOADING Redis is loading the dataset in memory\r\n", StoreUnavailableError),
        (b"-MISCONF Errors writing to the AOF file: No space left\r\n", StoreUnavailableError),
        (b"-NOAUTH Authentication required.\r\n", StoreUnavailableError),
        (b"-NOPERM User cart has no permissions to run the 'hgetall'\r\n", StoreNotReadyError),
    ],
)
def test_what_may_pass_is_unavailable(
    server: PlayedRedis, pool: RedisPool, answer: bytes, kind: type[Exception]
) -> None:
    server.answer = answer

    with pytest.raises(kind, match=r"^Redis: "):
        pool.hash("cart:alice")


def test_a_mistake_of_ours_is_no_matter_of_patience(server: PlayedRedis, pool: RedisPool) -> None:
    server.answer = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

    with pytest.raises(Exception, match="WRONGTYPE") as caught:
        pool.hash("cart:alice")
    assert not isinstance(caught.value, StoreUnavailableError)
