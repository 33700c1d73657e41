"""Finds a host of the broker that lets us in."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from skillupworks.errors import BrokerRefusedError, BrokerUnavailableError

__all__ = ["first_open"]

T = TypeVar("T")


def first_open(hosts: Iterable[str], open_host: Callable[[str], T]) -> T:
    """Return what `open_host` makes of the first of the hosts for which it does not fail.

    When it fails for all, raises BrokerRefusedError if one of them does not let us in, otherwise
    BrokerUnavailableError, with the problems of all, in the same words whatever their order: who
    says what is new can tell that it is not.
    """
    problems: list[BrokerUnavailableError] = []
    for host in hosts:
        try:
            return open_host(host)
        except BrokerUnavailableError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    refused = any(isinstance(problem, BrokerRefusedError) for problem in problems)
    kind = BrokerRefusedError if refused else BrokerUnavailableError
    raise kind("; ".join(sorted(map(str, problems))) or "no host")
