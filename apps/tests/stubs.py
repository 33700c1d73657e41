"""Stand-ins for our own interfaces: a unit of a message and a payment store in memory."""

from collections.abc import Callable, Sequence


class MemoryUnit:
    """The unit of a message: keeps what is inserted, and answers every SELECT with `found`."""

    def __init__(
        self,
        *,
        alone: bool = False,
        recorded: bool = False,
        found: Sequence[tuple[object, ...]] = (),
    ) -> None:
        self.message_id = "message-1"
        self.attempt = 2
        self.alone = alone
        self.recorded = recorded
        self.rows: dict[str, list[Sequence[object]]] = {}
        self._found = found
        self._actions: list[Callable[[], None]] = []

    def insert(self, statement: str, *rows: Sequence[object]) -> None:
        if not self.recorded:
            table = statement.split()[2]
            self.rows.setdefault(table, []).extend(rows)

    def execute(
        self, statement: str, parameters: Sequence[object] = ()
    ) -> Sequence[tuple[object, ...]]:
        assert statement.startswith("SELECT")
        assert parameters
        return self._found

    def after_commit(self, action: Callable[[], None]) -> None:
        self._actions.append(action)

    def elapsed_ms(self) -> float:
        return 1.5

    def commit(self) -> None:
        for action in self._actions:
            action()
