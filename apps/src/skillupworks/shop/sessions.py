"""Who somebody is: sessions in Redis, which the user service writes and others only read.

A session is the hash `session:<SHA-256 of its token in hex>` with the fields `owner`, the id of the
account or guest, and `kind`, which is `user` or `guest`. It is gone when it has ended. The token
itself is kept nowhere, so that whoever reads the database cannot be anybody.
"""

from dataclasses import dataclass
from hashlib import sha256

from skillupworks.runtime.redis import RedisPool

__all__ = ["RedisSessions", "Session"]

GUEST = "guest"


@dataclass(frozen=True, slots=True)
class Session:
    """Whose session it is."""

    owner: str
    guest: bool


class RedisSessions:
    """The SessionStore of cart_api.py; thread-safe. Raises StoreUnavailableError."""

    def __init__(self, redis: RedisPool) -> None:
        self._redis = redis

    def find(self, token: str) -> Session | None:
        """Return the session of a token; None when there is none, or no longer."""
        found = self._redis.hash(f"session:{sha256(token.encode()).hexdigest()}")
        owner = found.get("owner")
        return Session(owner, guest=found.get("kind") == GUEST) if owner else None
