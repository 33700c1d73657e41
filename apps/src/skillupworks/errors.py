"""The errors of the platform.

    SkillUpWorksError
    ├── ConfigurationError    this service cannot run as it is set up: exit status 78, no restart
    │   └── TopologyError     the broker has a queue or exchange of another type than declared
    ├── PermanentError        this message can never be processed: park it at once, with the reason
    │   └── MessageTooLargeError      refused by the publisher before the wire
    └── TransientError        it may work later: keep the message and try again
        ├── BrokerUnavailableError    there is no connection to RabbitMQ
        │   ├── BrokerRefusedError    it answers, but does not let us in: credentials, permissions
        │   └── UnconfirmedError      sent, but not confirmed: the broker has the message or not
        ├── UnroutableError           the broker returned the message: no queue is bound for it
        ├── NotAcceptedError          the broker answered the publish with a nack: a queue is full
        ├── StoreUnavailableError     the database is away or busy
        │   └── StoreNotReadyError    a table, column or grant that is needed is not there
        └── BackEndUnavailableError   the mail server or the warehouse takes nothing at present

A consumer knows two branches only: permanent, and everything else, which it treats as transient.
A database that is not ready is no message's fault, whatever each says: they are held until it is.
"""

__all__ = [
    "BackEndUnavailableError",
    "BrokerRefusedError",
    "BrokerUnavailableError",
    "ConfigurationError",
    "MessageTooLargeError",
    "NotAcceptedError",
    "PermanentError",
    "SkillUpWorksError",
    "StoreNotReadyError",
    "StoreUnavailableError",
    "TopologyError",
    "TransientError",
    "UnconfirmedError",
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


class MessageTooLargeError(PermanentError):
    """The message is larger than the broker takes; it was not sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="too-large")


class TransientError(SkillUpWorksError):
    """A later attempt may succeed: a dependency is away, or a reply was lost."""


class BrokerUnavailableError(TransientError):
    """There is no connection to the broker; what was not sent before is not there."""


class BrokerRefusedError(BrokerUnavailableError):
    """The broker answers, but refuses us: wrong credentials, no such vhost, no permission."""


class UnconfirmedError(BrokerUnavailableError):
    """The connection was lost, or time ran out, before the confirm: the broker has it or not.

    The message must be published again, with the same message id.
    """


class UnroutableError(TransientError):
    """The broker returned a mandatory message, since no queue is bound for its routing key."""


class NotAcceptedError(TransientError):
    """The broker did not take responsibility for the message (nack), as a full queue does."""


class StoreUnavailableError(TransientError):
    """The database is away, or too busy to answer in time."""


class StoreNotReadyError(StoreUnavailableError):
    """The database answers, but is not as this release needs it: not migrated, or not granted."""


class BackEndUnavailableError(TransientError):
    """The system behind an effect is away or refuses everything: no effect's own fault."""
