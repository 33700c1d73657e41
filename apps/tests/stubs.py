"""Stand-ins for our own interfaces: a unit of a message and a payment store in memory."""

from collections.abc import Callable, Sequence
from threading import Lock

from skillupworks.errors import StoreUnavailableError
from skillupworks.messaging.message import Outgoing
from skillupworks.shop.checkout import KeyedPayment, OrderProgress
from skillupworks.shop.payment_model import OrderState, Payment


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


class MemoryPaymentStore:
    """A PaymentStore in memory; `broken` makes it unavailable."""

    def __init__(self) -> None:
        self.by_keys: dict[str, KeyedPayment] = {}
        self.messages: list[Outgoing] = []
        self.processed: set[str] = set()
        self.broken = False
        self._lock = Lock()

    def by_key(self, key: str) -> KeyedPayment | None:
        self._check()
        return self.by_keys.get(key)

    def add(self, key: str, keyed: KeyedPayment, message: Outgoing) -> bool:
        self._check()
        with self._lock:
            if key in self.by_keys:
                return False
            self.by_keys[key] = keyed
            self.messages.append(message)
            return True

    def payment(self, payment_id: str) -> Payment | None:
        self._check()
        found = (keyed.payment for keyed in self.by_keys.values())
        return next((payment for payment in found if payment.payment_id == payment_id), None)

    def order(self, order_id: str) -> OrderProgress | None:
        self._check()
        found = (keyed.payment for keyed in self.by_keys.values())
        payment = next((payment for payment in found if payment.order_id == order_id), None)
        if payment is None:
            return None
        if order_id in self.processed:
            return OrderProgress(payment, OrderState.PROCESSED, payment.created_at)
        return OrderProgress(payment, OrderState.PAID, None)

    def check(self) -> str | None:
        return "MySQL: away" if self.broken else None

    def _check(self) -> None:
        if self.broken:
            raise StoreUnavailableError("MySQL: away")
