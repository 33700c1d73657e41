"""The delays of a broker that delays retries itself, against those that were asked for."""

import pytest

from skillupworks.messaging.topology import native_delays


@pytest.mark.parametrize(
    ("asked", "native"),
    [
        ((5, 30), (5, 10, 15, 20)),
        ((10,), (10,)),
        ((5, 10, 10), (5, 10, 10)),
        ((), ()),
    ],
)
def test_messages_are_tried_for_as_long_in_all(
    asked: tuple[int, ...], native: tuple[int, ...]
) -> None:
    assert native_delays(asked) == native


def test_by_default_there_are_seventeen_within_thirteen_minutes() -> None:
    delays = native_delays((5, 30, 120, 600))

    assert (len(delays), sum(delays)) == (17, 765)


def test_the_broker_never_parks_first() -> None:
    assert len(native_delays((1, 600))) == 19
