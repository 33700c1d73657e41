"""What is measured: the cases of a round, the figures they give, and what they have to reach."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.job import Effect
from benchmarks.stage import QUEUE_TYPES

__all__ = ["CASES", "FRAMEWORKS", "TARGETS", "Case", "Target", "baseline_of"]

FRAMEWORKS = ("celery_solo", "celery_prefork", "dramatiq", "faststream")
PER_SECOND = "messages/s"
ORDERS_PER_SECOND = "orders/s"
# the curve of latencies is followed until the services are behind
CURVE = (10, 25, 50, 100, 200, 400, 800)


@dataclass(frozen=True)
class Case:
    """One measurement of a round.

    `kind` is a program of `guest`. `figures` says which of its results become figures: result →
    (name of the figure, unit). `expected` is a guess of its rate: the first round is sized by it,
    the next by what was measured.
    """

    kind: str
    client: str
    figures: dict[str, tuple[str, str]]
    expected: float
    queue_type: str = "quorum"
    effect: str = Effect.NOTHING
    processes: int = 1
    service: str = "order-processor"  # whose database
    rate: float = 0.0
    seconds: float | None = None  # of the run; None: as long as all others

    @property
    def name(self) -> str:
        """The first figure's name stands for the case."""
        return next(iter(self.figures.values()))[0]


def _consume(queue_type: str) -> list[Case]:
    expected = {
        "bare_single": 6000,
        "bare_grouped": 15000,
        "ours": 12000,
        "celery_solo": 900,
        "celery_prefork": 1000,
        "dramatiq": 3500,
        "faststream": 1500,
    }
    return [
        Case(
            kind="drain",
            client=client,
            figures={"rate": (f"consume.{queue_type}.{client}", PER_SECOND)},
            expected=rate,
            queue_type=queue_type,
            processes=2 if client == "celery_prefork" else 1,
        )
        for client, rate in expected.items()
    ]


def _durable(queue_type: str) -> list[Case]:
    expected = {"bare_single": 400, "ours": 5000, "celery_solo": 300, "celery_prefork": 400}
    return [
        Case(
            kind="drain",
            client=client,
            figures={"rate": (f"durable.{queue_type}.{client}", PER_SECOND)},
            expected=rate,
            queue_type=queue_type,
            effect=Effect.STORE,
            processes=2 if client == "celery_prefork" else 1,
        )
        for client, rate in expected.items()
    ]


def _publish(queue_type: str) -> list[Case]:
    expected = {"bare_wait": 600, "ours": 7000}
    names = {"bare_wait": "bare_wait", "ours": "outbox"}
    return [
        Case(
            kind="publish",
            client=client,
            figures={"rate": (f"publish.{queue_type}.{names[client]}", PER_SECOND)},
            expected=rate,
            queue_type=queue_type,
            service="payment",
        )
        for client, rate in expected.items()
    ]


def _two_processes() -> list[Case]:
    """Return what one process does not do already among the other cases, all on quorum queues."""

    def case(name: str, effect: str, processes: int, expected: float) -> Case:
        return Case(
            kind="drain",
            client="ours",
            figures={"rate": (f"processes.{name}", PER_SECOND)},
            expected=expected,
            effect=effect,
            processes=processes,
        )

    return [
        case("nothing.two", Effect.NOTHING, 2, 15000),
        case("store.two", Effect.STORE, 2, 6000),
        case("compute.one", Effect.COMPUTE, 1, 800),
        case("compute.two", Effect.COMPUTE, 2, 1500),
    ]


def _orders() -> list[Case]:
    return [
        Case(
            kind="orders",
            client="order-processor",
            figures={
                "rate": ("orders.order_processor", ORDERS_PER_SECOND),
                "rss": ("memory.order_processor.rss", "MB"),
                "pss": ("memory.order_processor.pss", "MB"),
            },
            expected=1000,
        ),
        Case(
            kind="journal",
            client="journald",
            figures={"rate": ("orders.journald", ORDERS_PER_SECOND)},
            expected=1500,
        ),
    ]


def _latency() -> list[Case]:
    def case(rate: int, seconds: float, *spans: str) -> Case:
        figures = {
            f"{span}.{cut}": (f"latency.{rate}.{span}.{cut}", "ms")
            for span in spans
            for cut in ("p50", "p99")
        }
        return Case("load", "services", figures, rate, rate=rate, seconds=seconds)

    return [
        case(5, 20, "accepted_to_processed"),
        *(case(rate, 20 if rate == 50 else 10, "post_to_processed") for rate in CURVE),  # noqa: PLR2004
    ]


CASES: tuple[Case, ...] = (
    *(case for kind in QUEUE_TYPES for case in _consume(kind)),
    *(case for kind in QUEUE_TYPES for case in _durable(kind)),
    *(case for kind in QUEUE_TYPES for case in _publish(kind)),
    *_two_processes(),
    *_orders(),
    *_latency(),
)


def baseline_of(figure: str) -> str | None:
    """Return the figure of bare pika that a figure is compared with, if there is one."""
    parts = figure.split(".")
    match parts:
        case ["consume" | "durable", queue_type, _]:
            return f"consume.{queue_type}.bare_single"
        case ["publish", queue_type, _]:
            return f"publish.{queue_type}.bare_wait"
        case ["processes", "nothing" | "store", _]:
            return "consume.quorum.bare_single"
        case _:
            return None


@dataclass(frozen=True)
class Target:
    """What a figure has to reach: at least (or at most) `bound`, alone or in ratio to the best."""

    text: str
    figure: str
    bound: float
    against: Sequence[str] = field(default=())
    at_most: bool = False


def _targets() -> list[Target]:
    targets = []
    for kind in QUEUE_TYPES:
        ours = f"consume.{kind}.ours"
        frameworks = [f"consume.{kind}.{name}" for name in FRAMEWORKS]
        celery = [f"durable.{kind}.{name}" for name in ("celery_solo", "celery_prefork")]
        bare = f"consume.{kind}.bare_single"
        targets += [
            Target(f"consume, {kind}: to bare pika, acknowledging one by one", ours, 2, [bare]),
            Target(
                f"consume, {kind}: to bare pika with grouped acknowledgements",
                ours,
                0.8,
                [f"consume.{kind}.bare_grouped"],
            ),
            Target(f"consume, {kind}: to the fastest framework", ours, 6, frameworks),
            Target(
                f"durable, {kind}: to bare pika that does nothing",
                f"durable.{kind}.ours",
                0.8,
                [bare],
            ),
            Target(
                f"durable, {kind}: to Celery, the faster pool", f"durable.{kind}.ours", 8, celery
            ),
            Target(
                f"publish, {kind}: to publish-and-wait",
                f"publish.{kind}.outbox",
                10,
                [f"publish.{kind}.bare_wait"],
            ),
        ]
    one = {"nothing": "consume.quorum.ours", "store": "durable.quorum.ours"}
    return [
        *targets,
        Target(
            "order processor: to what journald takes",
            "orders.order_processor",
            0.8,
            ["orders.journald"],
        ),
        Target(
            "5 orders/s: accepted to processed, p50, ms",
            "latency.5.accepted_to_processed.p50",
            15,
            at_most=True,
        ),
        Target(
            "50 orders/s: POST to processed, p50, ms",
            "latency.50.post_to_processed.p50",
            30,
            at_most=True,
        ),
        Target(
            "50 orders/s: POST to processed, p99, ms",
            "latency.50.post_to_processed.p99",
            150,
            at_most=True,
        ),
        Target(
            "memory of the order processor (RSS), MB",
            "memory.order_processor.rss",
            45,
            at_most=True,
        ),
        Target(
            "two processes to one, handler that computes",
            "processes.compute.two",
            1.6,
            ["processes.compute.one"],
        ),
        *(
            Target(f"two processes to one, {name}", f"processes.{name}.two", 1.6, [figure])
            for name, figure in one.items()
        ),
    ]


TARGETS: tuple[Target, ...] = tuple(_targets())
