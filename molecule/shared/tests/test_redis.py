"""Redis: it keeps what it is told, and lets nobody in who has no business there."""

import re

import pytest

from tests.helpers import ansible
from tests.helpers.hosts import Platform
from tests.helpers.redis import Redis
from tests.helpers.services import Service, carts, payments, users
from tests.helpers.waiting import wait_until

ANSWERS = """
import json, os, redis
once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
answers = []
for user, password, *command in {attempts!r}:
    client = redis.Redis(
        host=os.environ["REDIS_HOST"], protocol=2, retry=once,
        username=user and os.environ.get(user, user),
        password=password and os.environ.get(password, password))
    try:
        client.execute_command(*command)
        answers.append("let in")
    except redis.exceptions.RedisError as error:
        answers.append(type(error).__name__)
print(json.dumps(answers))
"""
REFUSED = ("AuthenticationError", "NoPermissionError")
# the names of variables stand for what they hold
OWN = ("REDIS_USER", "REDIS_PASS")


@pytest.fixture(scope="module")
def redis(platform: Platform) -> Redis:
    """Return the Redis server."""
    return Redis(platform)


@pytest.fixture(scope="module")
def cart(platform: Platform) -> Service:
    """Return a service that may connect to it."""
    return carts(platform)[0]


def attempts(service: Service, *commands: tuple[str | None, ...]) -> list[str]:
    """Try commands (account, password, words) from a service's host; return what is answered."""
    answers: list[str] = service.python(ANSWERS.format(attempts=commands))
    return answers


@pytest.fixture(scope="module")
def user(platform: Platform) -> Service:
    """Return the service that writes sessions."""
    return users(platform)[0]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("save", ""),
        ("maxmemory", str(256 * 1024**2)),
        ("maxmemory-policy", "noeviction"),
        ("protected-mode", "yes"),
    ],
)
def test_the_server_works_with_the_roles_setting(redis: Redis, setting: str, expected: str) -> None:
    """Asked of the running server, not read from its file."""
    answer = [*redis.ask(f"CONFIG GET {setting}"), ""]
    assert answer[:2] == [setting, expected]


def test_nobody_is_let_in_without_a_password_or_with_one_to_be_guessed(cart: Service) -> None:
    """From a host that the firewall lets through."""
    guesses = [
        (None, None),
        ("default", "default"),
        ("default", "redis"),
        ("default", "foobared"),
        ("admin", "admin"),
        ("admin", "Admin@123"),
        ("cart", "cart"),
        ("cart", "skillupworks@123"),
        ("admin", "REDIS_PASS"),
        ("default", "REDIS_PASS"),
    ]
    answers = attempts(cart, *[(*guess, "HGETALL", "cart:test") for guess in guesses])
    assert set(answers) == {"AuthenticationError"}
    assert attempts(cart, (*OWN, "HGETALL", "cart:test")) == ["let in"]


def test_the_cart_may_work_with_carts_and_read_sessions_and_nothing_else(cart: Service) -> None:
    """Tried out with the service's own password; harmless if it could."""
    allowed = ["HGETALL cart:test", "HGETALL session:test", "DEL cart:test", "PING"]
    assert attempts(cart, *[(*OWN, *words.split()) for words in allowed]) == ["let in"] * 4
    denied = [
        "HSET session:test owner somebody",
        "DEL session:test",
        "HGETALL other:test",
        "DEL other:test",
        "GET other:test",
        "KEYS cart:*",
        "SCAN 0",
        "CONFIG GET appendonly",
        "CONFIG SET maxmemory-policy noeviction",
        "ACL WHOAMI",
        "ACL LIST",
        "CLIENT LIST",
        "SCRIPT FLUSH",
        "SWAPDB 14 15",
        "REPLICAOF NO ONE",
        "BGREWRITEAOF",
        "LATENCY RESET",
    ]
    answers = attempts(cart, *[(*OWN, *words.split()) for words in denied])
    found = dict(zip(denied, answers, strict=True))
    assert [words for words in denied if found[words] not in REFUSED] == []


def test_the_user_service_may_write_sessions_and_counts_and_nothing_else(user: Service) -> None:
    """A cart least of all."""
    allowed = [
        "HGETALL session:test",
        "DEL session:test",
        "DEL throttle:test",
        "ZCARD sessions:test",
    ]
    assert attempts(user, *[(*OWN, *words.split()) for words in allowed]) == ["let in"] * 4
    denied = ["HGETALL cart:test", "DEL cart:test", "KEYS *", "SCAN 0", "FLUSHALL", "ACL LIST"]
    answers = attempts(user, *[(*OWN, *words.split()) for words in denied])
    found = dict(zip(denied, answers, strict=True))
    assert [words for words in denied if found[words] not in REFUSED] == []


def test_payment_may_read_sessions_and_nothing_else(platform: Platform) -> None:
    """Who somebody is; it can let nobody in."""
    (payment,) = payments(platform)
    assert attempts(payment, (*OWN, "HGETALL", "session:test"), (*OWN, "PING")) == ["let in"] * 2
    denied = [
        "HSET session:test owner somebody",
        "DEL session:test",
        "EXPIRE session:test 1",
        "HGETALL cart:test",
        "HGETALL throttle:test",
        "KEYS *",
        "SCAN 0",
        "ACL LIST",
        "FLUSHALL",
    ]
    answers = attempts(payment, *[(*OWN, *words.split()) for words in denied])
    found = dict(zip(denied, answers, strict=True))
    assert [words for words in denied if found[words] not in REFUSED] == []


def test_a_script_may_no_more_than_its_account(cart: Service) -> None:
    """A session cannot be written by way of Lua either."""
    source = "return redis.call('HSET', KEYS[1], 'owner', 'somebody')"
    answers = attempts(cart, (*OWN, "EVAL", source, "1", "session:test"))
    assert answers == ["NoPermissionError"]


def test_there_is_no_account_beyond_those_of_the_services(redis: Redis) -> None:
    """And nobody is let in without a password: `default` is off."""
    accounts = [line.split() for line in redis.ask("ACL LIST")]
    assert sorted(words[1] for words in accounts) == ["admin", "cart", "default", "payment", "user"]
    for words in accounts:
        assert "nopass" not in words
        assert words[2] == ("off" if words[1] == "default" else "on")


def test_it_cannot_be_reached_from_hosts_that_do_not_need_it(platform: Platform) -> None:
    """Neither from the broker's and the storefront's hosts, nor from here."""
    address = platform.address(platform.only("redis"))
    connect = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{address}/6379'"
    services = [name for group in ("cart", "payment", "user") for name in platform.group(group)]
    needed = {*services, platform.only("redis")}
    reached = platform.each(platform.names, lambda name: platform[name].run(connect).rc == 0)
    assert {name for name, ok in reached.items() if ok} == needed


def test_its_files_hold_no_password_and_are_not_for_everybody(
    platform: Platform, redis: Redis
) -> None:
    """Of each password there is the SHA-256."""
    user, folder = redis.system.redis_user, redis.system.redis_folder
    settings = redis.system.redis_settings
    listing = redis.run(f"stat --format='%U:%G %a %n' {folder}/users.acl {settings}")
    assert listing.splitlines() == [
        f"root:{user} 640 {folder}/users.acl",
        f"{user}:{user} 640 {settings}",
    ]
    contents = redis.run(f"cat {folder}/*")
    assert contents.count(" on #") == 4
    assert not [name for name, text in platform.secrets.items() if text in contents]


def test_it_cannot_change_its_own_settings(redis: Redis) -> None:
    """Not even when its administrator asks for it: they are Ansible's."""
    answer = redis.value("CONFIG REWRITE")
    assert re.search("Read-only file system|Permission denied", answer)


def test_a_setting_that_it_would_not_start_with_is_refused_before_it_has_it(redis: Redis) -> None:
    """The run says what is wrong; the file stays as it was, and the server goes on."""
    settings = redis.system.redis_settings
    look = f"sha256sum {settings}; systemctl show {redis.unit} --property=InvocationID"
    before = redis.run(look)
    said = ansible.failure("data", f"--limit={redis.host}", variables={"redis_maxmemory": "lots"})
    assert "argument must be a memory value" in said
    assert redis.run(look) == before


def test_its_exposure_is_low(redis: Redis) -> None:
    """Systemd's own judge."""
    judged = redis.run(f"systemd-analyze security --no-pager {redis.unit} | tail --lines=1")
    score = float(re.findall(r"exposure level for \S+: (\d+\.\d+)", judged)[0])
    assert score <= redis.system.redis_exposure


def test_it_starts_with_its_host_and_comes_back_whatever_ended_it(
    platform: Platform, redis: Redis
) -> None:
    """However often: systemd does not give it up."""
    assert platform[redis.host].service(redis.unit).is_enabled
    shown = redis.run(f"systemctl show {redis.unit} --property=Restart,StartLimitIntervalUSec")
    assert sorted(shown.splitlines()) == ["Restart=always", "StartLimitIntervalUSec=0"]
    before = redis.run(f"systemctl show {redis.unit} --property=MainPID")
    redis.run(f"systemctl kill --signal=KILL {redis.unit}")
    wait_until(
        "it has another process",
        lambda: (
            redis.run(f"systemctl show {redis.unit} --property=MainPID")
            not in {before, "MainPID=0"}
        ),
    )
    redis.wait_until_it_answers()
