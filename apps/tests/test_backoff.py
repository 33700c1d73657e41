"""Pauses grow, are jittered, and never end the attempts."""

from skillupworks.runtime.backoff import Backoff


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(base=0.5, cap=30, uniform=lambda _low, high: high)

    assert [backoff.next_pause() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_pause_is_anything_between_nothing_and_the_ceiling() -> None:
    lows = []

    def uniform(low: float, high: float) -> float:
        lows.append(low)
        return high / 2

    assert Backoff(base=4, cap=30, uniform=uniform).next_pause() == 2
    assert lows == [0]


def test_thousands_of_attempts_are_possible() -> None:
    backoff = Backoff(base=0.5, cap=30)

    pauses = [backoff.next_pause() for _ in range(5000)]

    assert max(pauses) <= 30


def test_a_success_begins_anew() -> None:
    backoff = Backoff(base=0.5, cap=30, uniform=lambda _low, high: high)
    backoff.next_pause()
    backoff.next_pause()

    backoff.reset()

    assert backoff.next_pause() == 0.5
