"""Sessions as the user service writes them; sessions.py says what others read of them.

Beside `owner` and `kind` a session's hash has, for this module alone:

    began      when its owner logged in; it ends `longest` seconds later, however much it is used
    issued     when this token was made
    successor  the session that takes its place, and `offered`, when that one's token was sent
    replaces   the session whose place it took, and `claimed`, once it was used itself
    ending     is there when it has been replaced: it is not prolonged any more

A token is renewed when it is old. The answer that carries the new one may be lost, and requests may
be on their way with the old one, so that this one works until the new one is used, and a moment
longer. An offer that nobody took up is replaced by another after that moment: a browser never holds
both, and of one session there are never more than two.

The sessions of an owner are listed in the sorted set `sessions:<owner>` by when they end at the
latest, so that they can be ended together. Scripts reach them by what is listed there, which is no
key that a cluster of servers would know beforehand; this platform has one server. Its clock is the
one that counts.
"""

from dataclasses import dataclass
from secrets import token_urlsafe

from skillupworks.runtime.redis import RedisPool
from skillupworks.shop.sessions import GUEST, USER, session_id

__all__ = ["Lifetime", "RedisSessionStore", "UsedSession"]

TOKEN_BYTES = 32
# of one owner; beyond that the oldest end, so that logging in again and again fills no memory
MOST_SESSIONS = 50

# KEYS: session, list; ARGV: its id, owner, kind, idle seconds, longest seconds, most sessions
BEGIN = """
local now = tonumber(redis.call('TIME')[1])
local idle, longest, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'kind', ARGV[3], 'began', now, 'issued', now)
redis.call('EXPIRE', KEYS[1], math.min(idle, longest))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
while redis.call('ZCARD', KEYS[2]) >= most do
  redis.call('DEL', 'session:' .. redis.call('ZPOPMIN', KEYS[2])[1])
end
redis.call('ZADD', KEYS[2], now + longest, ARGV[1])
redis.call('EXPIRE', KEYS[2], longest)
return 1
"""

# KEYS: session, the session that may take its place; ARGV: the ids of both, idle seconds, longest
# seconds, seconds after which a token is old or 0, seconds that an old one goes on to work.
# Returns owner, kind, seconds until it ends at the latest, and whether the second one was made.
USE = """
local now = tonumber(redis.call('TIME')[1])
local idle, longest = tonumber(ARGV[3]), tonumber(ARGV[4])
local old, grace = tonumber(ARGV[5]), tonumber(ARGV[6])
local function get(name) return redis.call('HGET', KEYS[1], name) end
local owner, kind, began = get('owner'), get('kind') or '', tonumber(get('began') or '')
if not owner then return {} end
if not began or get('ending') then return {owner, kind, redis.call('TTL', KEYS[1]), 0} end
local list, left = 'sessions:' .. owner, began + longest - now
if left <= 0 then
  redis.call('DEL', KEYS[1])
  return {}
end
redis.call('EXPIRE', KEYS[1], math.min(idle, left))
local replaced = get('replaces')
if replaced and redis.call('HSETNX', KEYS[1], 'claimed', now) == 1 then
  local key = 'session:' .. replaced
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'ending', now)
    redis.call('EXPIRE', key, math.min(grace, redis.call('TTL', key)))
  end
end
if old == 0 or now - tonumber(get('issued')) < old then return {owner, kind, left, 0} end
if now - tonumber(get('offered') or 0) < grace then return {owner, kind, left, 0} end
local offered = get('successor')
if offered then
  redis.call('DEL', 'session:' .. offered)
  redis.call('ZREM', list, offered)
end
redis.call('HSET', KEYS[2], 'owner', owner, 'kind', kind, 'began', began, 'issued', now,
           'replaces', ARGV[1])
redis.call('EXPIRE', KEYS[2], math.min(idle, left))
redis.call('HSET', KEYS[1], 'successor', ARGV[2], 'offered', now)
redis.call('ZADD', list, began + longest, ARGV[2])
return {owner, kind, left, 1}
"""

# KEYS: session; ARGV: its id; returns whether it was there.
# The one before it or after it ends as well.
END = """
local fields = redis.call('HMGET', KEYS[1], 'owner', 'successor', 'replaces')
if not fields[1] then return 0 end
local list = 'sessions:' .. fields[1]
for _, id in ipairs({ARGV[1], fields[2] or ARGV[1], fields[3] or ARGV[1]}) do
  redis.call('DEL', 'session:' .. id)
  redis.call('ZREM', list, id)
end
return 1
"""

# KEYS: list; returns how many were ended
END_ALL = """
local ended = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  ended = ended + redis.call('DEL', 'session:' .. id)
end
redis.call('DEL', KEYS[1])
return ended
"""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When sessions end, in seconds: without use, and at the latest; and when tokens are renewed.

    `grace` is for how long a token that was replaced goes on to work.
    """

    idle: int
    longest: int
    renew: int
    grace: int


@dataclass(frozen=True, slots=True)
class UsedSession:
    """A session that a request came with; `renewed` is the token to use from now on, or None."""

    owner: str
    guest: bool
    seconds_left: int
    renewed: str | None


class RedisSessionStore:
    """The Sessions of accounts.py; thread-safe. Raises StoreUnavailableError."""

    def __init__(self, redis: RedisPool, lifetime: Lifetime) -> None:
        self._lifetime = lifetime
        self._begin = redis.script(BEGIN)
        self._use = redis.script(USE)
        self._end = redis.script(END)
        self._end_all = redis.script(END_ALL)

    def begin(self, owner: str, *, guest: bool) -> str:
        """Begin a session and return its token, which is kept nowhere."""
        token = token_urlsafe(TOKEN_BYTES)
        name, lifetime = session_id(token), self._lifetime
        self._begin(
            [_key(name), _list(owner)],
            [name, owner, GUEST if guest else USER, lifetime.idle, lifetime.longest, MOST_SESSIONS],
        )
        return token

    def use(self, token: str, *, renew: bool) -> UsedSession | None:
        """Return the session of a token and put its end off; None when there is none, or no longer.

        With `renew`, for whoever can take another token, an old one is replaced.
        """
        name, lifetime = session_id(token), self._lifetime
        other = token_urlsafe(TOKEN_BYTES)
        renew_after = lifetime.renew if renew else 0
        found = self._use(
            [_key(name), _key(session_id(other))],
            [name, session_id(other), lifetime.idle, lifetime.longest, renew_after, lifetime.grace],
        )
        if not found:
            return None
        owner, kind, left, renewed = found
        return UsedSession(owner, kind == GUEST, left, other if renewed else None)

    def end(self, token: str) -> bool:
        """End a session; say whether there was one."""
        name = session_id(token)
        return bool(self._end([_key(name)], [name]))

    def end_all(self, owner: str) -> int:
        """End all sessions of somebody; return how many there were."""
        return int(self._end_all([_list(owner)], []))


def _key(name: str) -> str:
    return f"session:{name}"


def _list(owner: str) -> str:
    return f"sessions:{owner}"
