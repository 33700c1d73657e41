"""The errors of the platform.

    SkillUpWorksError
    ├── ConfigurationError    this service cannot run as it is set up: exit status 78, no restart
    │   └── TopologyError     the broker has a queue or exchange of another type than declared
    ├── PermanentError        this message can never be processed: park it at once, with the reason
    └── TransientError        it may work later: keep the message and try again
        ├── BrokerUnavailableError    no connection to RabbitMQ, or it was lost before the confirm
        │   └── BrokerRefusedError    it answers, but does not let us in: credentials, permissions
        ├── UnroutableError           the broker returned the message: no queue is bound for it
        ├── NotAcceptedError          the broker answered the publish with a nack: a queue is full
        └── StoreUnavailableError     the database is away or busy

A consumer knows two branches only: permanent, and everything else, which it treats as transient.
"""

__all__ = [
    "BrokerRefusedError",
    "BrokerUnavailableError",
    "ConfigurationError",
    "NotAcceptedError",
    "PermanentError",
    "SkillUpWorksError",
    "StoreUnavailableError",
    "TopologyError",
    "TransientError",
    "UnroutableError",
]


class SkillUpWorksError(Exception):
    """Root of the platform's own errors."""


class ConfigurationError(SkillUpWorksError):
    """The service cannot run as it is set up; `problems` has one line for each thing wrong."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class TopologyError(ConfigurationError):
    """A queue or exchange exists with a type or arguments that differ from the declared ones."""


class PermanentError(SkillUpWorksError):
    """No later attempt can succeed; `reason` is a short word to group parked messages by."""

    def __init__(self, message: str, *, reason: str = "rejected") -> None:
        super().__init__(message)
        self.reason = reason


class TransientError(SkillUpWorksError):
    """A later attempt may succeed: a dependency is away, or a reply was lost."""


class BrokerUnavailableError(TransientError):
    """There is no connection to the broker, or it was lost before the broker confirmed."""


class BrokerRefusedError(BrokerUnavailableError):
    """The broker answers, but refuses us: wrong credentials, no such vhost, no permission."""


class UnroutableError(TransientError):
    """The broker returned a mandatory message, since no queue is bound for its routing key."""


class NotAcceptedError(TransientError):
    """The broker did not take responsibility for the message (nack), as a full queue does."""


class StoreUnavailableError(TransientError):
    """The database is away, or too busy to answer in time."""
