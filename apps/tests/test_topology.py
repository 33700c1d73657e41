"""What queues are declared with, and the delays of a broker that delays retries itself."""

from dataclasses import replace
from typing import Any, cast

import pytest

from skillupworks.messaging.topology import native_delays
from skillupworks.shop.topology import ORDER_PROCESSING

from .messaging_stubs import TOPOLOGY


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


def test_what_ends_its_consumer_again_and_again_is_parked_and_not_deleted() -> None:
    arguments = TOPOLOGY.queues()["orders"]

    assert arguments["x-delivery-limit"] == 20
    assert arguments["x-dead-letter-exchange"] == "shop.dlx"
    # by which the dead letters' queue is bound
    assert arguments["x-dead-letter-routing-key"] == "orders"
    # or else a dead letter may be lost on its way, and at-least-once needs the second one
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert arguments["x-overflow"] == "reject-publish"


def test_dead_letters_may_be_looked_at_without_end() -> None:
    arguments = TOPOLOGY.queues()["orders-dlq"]

    assert cast("int", arguments["x-delivery-limit"]) >= 1_000_000
    assert arguments["x-overflow"] == "reject-publish"


def test_no_queue_grows_without_bound() -> None:
    assert all(arguments["x-max-length"] for arguments in TOPOLOGY.queues().values())


def test_queues_with_policies_have_no_arguments_that_could_not_be_changed() -> None:
    assert list(ORDER_PROCESSING.queues().values()) == [{"x-queue-type": "quorum"}] * 2


@pytest.mark.parametrize("has_policies", [True, False])
@pytest.mark.parametrize("delays_retries", [True, False])
def test_a_queue_delays_retries_where_the_broker_can_and_a_policy_says_so(
    *, has_policies: bool, delays_retries: bool
) -> None:
    class Link:
        pass

    link: Any = Link()
    link.delays_retries = delays_retries
    topology = replace(TOPOLOGY, has_policies=has_policies)

    assert topology.retries_natively(link) is (has_policies and delays_retries)
