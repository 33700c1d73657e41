"""How often somebody may try, counted in Redis: pauses that grow, and end.

Each attempt counts with the account that is tried and with the address that tries it, before it is
made: twenty at the same time are twenty. A number of them is free; from then on each one makes a
pause, in which all others are refused, of 1, 2, 4 seconds and so on up to `LONGEST_PAUSE`. When
nothing was tried for `FORGOTTEN_AFTER` seconds, the count is gone. So nobody is locked out for
ever; and to guess a password at this rate takes longer than anybody lives.

What succeeds is not counted: the account begins anew, the address is given its attempt back.

Somebody who tries another's account all day would keep its owner in a pause. So an address from
which an account was used lately has a count of its own for that account. Accounts that are not
there are counted as well; a refusal does not tell them apart.

Addresses of IPv6 count by their /64, since one customer has at least that many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address

from skillupworks.runtime.problems import ProblemError
from skillupworks.runtime.redis import RedisPool

__all__ = ["Allowance", "Attempt", "RedisThrottle"]

LONGEST_PAUSE = 15 * 60
FORGOTTEN_AFTER = 60 * 60
REMEMBERED_SECONDS = 30 * 24 * 60 * 60

# KEYS: counts; ARGV: the longest pause, the seconds after which a count is forgotten, and how many
# are free of each; returns the seconds to wait, or 0 when the attempt is counted and may be made
COUNT = """
local time, wait = redis.call('TIME'), 0
local now = time[1] + time[2] / 1000000
for _, key in ipairs(KEYS) do
  wait = math.max(wait, tonumber(redis.call('HGET', key, 'until') or 0) - now)
end
if wait > 0 then return math.ceil(wait) end
for at, key in ipairs(KEYS) do
  local beyond = redis.call('HINCRBY', key, 'attempts', 1) - tonumber(ARGV[2 + at])
  if beyond >= 0 then
    local pause = math.min(2 ^ math.min(beyond, 30), tonumber(ARGV[1]))
    redis.call('HSET', key, 'until', now + pause)
  end
  redis.call('EXPIRE', key, ARGV[2])
end
return 0
"""

# KEYS: counts; gives each an attempt back, with the pause that it made
GIVE_BACK = """
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 and redis.call('HINCRBY', key, 'attempts', -1) > 0 then
    redis.call('HDEL', key, 'until')
  else
    redis.call('DEL', key)
  end
end
return 1
"""

# KEYS: what is remembered; ARGV: for how many seconds
REMEMBER = """
redis.call('HSET', KEYS[1], 'used', 1)
return redis.call('EXPIRE', KEYS[1], ARGV[1])
"""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many attempts are free: logins by account and by address, and what an address makes."""

    account_logins: int
    address_logins: int
    registrations: int
    guests: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login that is being tried: the keys of its counts, and of what is remembered."""

    account: str
    address: str
    known: str


class RedisThrottle:
    """The Throttle of gate.py; thread-safe. Raises StoreUnavailableError.

    ProblemError 429 is raised for what must wait.
    """

    def __init__(self, redis: RedisPool, allowance: Allowance) -> None:
        self._redis = redis
        self._allowance = allowance
        self._count = redis.script(COUNT)
        self._give_back = redis.script(GIVE_BACK)
        self._remember = redis.script(REMEMBER)

    def login(self, account: str, address: str) -> Attempt:
        """Count an attempt to log in; it has to be told how it ended."""
        who, where = _name(account), _name(_network(address))
        known = f"throttle:known:{who}:{where}"
        own = f":{where}" if self._redis.hash(known) else ""
        attempt = Attempt(f"throttle:account:{who}{own}", f"throttle:address:{where}", known)
        allowance = self._allowance
        self._check(
            [attempt.account, attempt.address], [allowance.account_logins, allowance.address_logins]
        )
        return attempt

    def succeeded(self, attempt: Attempt) -> None:
        """Begin the account's count anew and remember the address: the password was right."""
        self._redis.delete(attempt.account)
        self._give_back([attempt.address], [])
        self._remember([attempt.known], [REMEMBERED_SECONDS])

    def not_made(self, attempt: Attempt) -> None:
        """Give the attempt back: nobody looked whether the password was right."""
        self._give_back([attempt.account, attempt.address], [])

    def registration(self, address: str) -> None:
        """Count an account that is about to be made."""
        self._check([f"throttle:users:{_name(_network(address))}"], [self._allowance.registrations])

    def guest(self, address: str) -> None:
        """Count a guest that is about to be made."""
        self._check([f"throttle:guests:{_name(_network(address))}"], [self._allowance.guests])

    def _check(self, keys: Sequence[str], free: Sequence[int]) -> None:
        seconds = int(self._count(keys, [LONGEST_PAUSE, FORGOTTEN_AFTER, *free]))
        if seconds:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"There were too many attempts; try again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:  # the other end of a socket that has no address
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or f"{parsed.exploded[:19]}::/64")
    return str(parsed)


def _name(text: str) -> str:
    """Return what stands for an account or address in a key: whoever reads those learns less."""
    return sha256(text.encode()).hexdigest()
