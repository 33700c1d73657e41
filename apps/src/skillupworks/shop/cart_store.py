"""Carts in Redis: one hash per cart, changed by scripts.

The key is `cart:<id of its owner>`; a line is the field `item:<sku>` with its quantity, and the
field `shipping` is JSON. Prices are not kept: they are the catalogue's, at the time of the answer.

Why scripts: each change depends on what is there (a limit, a line that must exist, another cart),
so that a bare HINCRBY is not enough, and with WATCH nineteen of twenty clients that change one
cart at the same time would begin again. A script runs alone, in one round trip. Every change puts
the cart's end off: it expires when nobody has changed it for so long.
"""

import json
from dataclasses import dataclass, field

from skillupworks.runtime.redis import RedisPool

__all__ = ["Added", "Cart", "Limits", "Merged", "RedisCartStore", "Shipping"]

ITEM = "item:"
SHIPPING = "shipping"

# ARGV: line, quantity, most of a line, most lines, seconds; returns what stopped it, and the
# quantity that is there
ADD = """
local held = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
local lines = redis.call('HLEN', KEYS[1]) - redis.call('HEXISTS', KEYS[1], 'shipping')
if held == 0 and lines >= tonumber(ARGV[4]) then return {'lines', held} end
if held + tonumber(ARGV[2]) > tonumber(ARGV[3]) then return {'quantity', held} end
redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return {'', held}
"""

# ARGV: line, quantity, seconds; returns whether the line is there
CHANGE = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""

# ARGV: line, seconds
REMOVE = """
redis.call('HDEL', KEYS[1], ARGV[1])
return redis.call('EXPIRE', KEYS[1], ARGV[2])
"""

# ARGV: shipping, seconds
SHIP = """
redis.call('HSET', KEYS[1], 'shipping', ARGV[1])
return redis.call('EXPIRE', KEYS[1], ARGV[2])
"""

# KEYS: the cart that stays, and the one that ends; ARGV: most of a line, most lines, seconds;
# returns how many lines were taken over, and those that were not or not wholly
MERGE = """
local lines = redis.call('HLEN', KEYS[1]) - redis.call('HEXISTS', KEYS[1], 'shipping')
local other = redis.call('HGETALL', KEYS[2])
local taken, cut = 0, {}
for at = 1, #other, 2 do
  local name, value = other[at], other[at + 1]
  if name == 'shipping' then
    redis.call('HSETNX', KEYS[1], name, value)
  else
    local held = tonumber(redis.call('HGET', KEYS[1], name) or 0)
    local sum = math.min(held + tonumber(value), tonumber(ARGV[1]))
    if held == 0 and lines >= tonumber(ARGV[2]) then
      table.insert(cut, name)
    else
      if held == 0 then lines = lines + 1 end
      if sum < held + tonumber(value) then table.insert(cut, name) end
      redis.call('HSET', KEYS[1], name, sum)
      taken = taken + 1
    end
  end
end
if #other > 0 then
  redis.call('DEL', KEYS[2])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return {taken, cut}
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a cart may hold, and for how many seconds after its last change it is kept."""

    quantity: int
    lines: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Shipping:
    """Where a cart is shipped to, a city's id, and how."""

    city: int
    method: str


@dataclass(frozen=True, slots=True)
class Cart:
    """What is in a cart: quantities by sku, in its order."""

    quantities: dict[str, int] = field(default_factory=dict)
    shipping: Shipping | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding to a line: the limit that it would have broken, and what it held."""

    limit: str
    held: int


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge: lines taken over, and the sku of each that was cut at a limit."""

    lines: int
    cut: tuple[str, ...]


class RedisCartStore:
    """The CartStore of carts.py; thread-safe. Raises StoreUnavailableError."""

    def __init__(self, redis: RedisPool, limits: Limits) -> None:
        self._redis = redis
        self._limits = limits
        self._add = redis.script(ADD)
        self._change = redis.script(CHANGE)
        self._remove = redis.script(REMOVE)
        self._ship = redis.script(SHIP)
        self._merge = redis.script(MERGE)

    def cart(self, cart_id: str) -> Cart:
        """Return a cart; one that is not there is empty."""
        fields = self._redis.hash(_key(cart_id))
        shipping = fields.pop(SHIPPING, None)
        quantities = {name.removeprefix(ITEM): int(fields[name]) for name in sorted(fields)}
        return Cart(quantities, Shipping(**json.loads(shipping)) if shipping else None)

    def add(self, cart_id: str, sku: str, quantity: int) -> Added:
        """Add to a line, which need not be there yet, unless a limit forbids it."""
        limits = self._limits
        limit, held = self._add(
            [_key(cart_id)],
            [ITEM + sku, quantity, limits.quantity, limits.lines, limits.seconds],
        )
        return Added(limit, held)

    def change(self, cart_id: str, sku: str, quantity: int) -> bool:
        """Set a line's quantity; say whether there is such a line."""
        seconds = self._limits.seconds
        return bool(self._change([_key(cart_id)], [ITEM + sku, quantity, seconds]))

    def remove(self, cart_id: str, sku: str) -> None:
        """Remove a line if it is there."""
        self._remove([_key(cart_id)], [ITEM + sku, self._limits.seconds])

    def ship(self, cart_id: str, shipping: Shipping) -> None:
        """Remember where and how it is shipped."""
        text = json.dumps({"city": shipping.city, "method": shipping.method})
        self._ship([_key(cart_id)], [text, self._limits.seconds])

    def merge(self, cart_id: str, other_id: str) -> Merged:
        """Move the content of another cart into this one; the second time there is none."""
        limits = self._limits
        arguments = [limits.quantity, limits.lines, limits.seconds]
        lines, cut = self._merge([_key(cart_id), _key(other_id)], arguments)
        return Merged(lines, tuple(sorted(name.removeprefix(ITEM) for name in cut)))

    def delete(self, cart_id: str) -> None:
        """Delete a cart if it is there."""
        self._redis.delete(_key(cart_id))


def _key(cart_id: str) -> str:
    return f"cart:{cart_id}"
