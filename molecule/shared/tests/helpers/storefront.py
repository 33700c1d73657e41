"""The shop in Debian's Chromium, used as a person does: what can be seen is clicked and typed."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.helpers.ansible import PROJECT
from tests.helpers.redis import Redis

CHROMIUM = "/usr/bin/chromium"
# without this variable a run leaves the tree as it is
SCREENSHOTS = "SKILLUPWORKS_SCREENSHOTS"
FOLDER = Path(PROJECT) / "docs" / "screenshots"

PAID = "4242424242424242"
DECLINED = "4000000000000002"
TIMES_OUT = "4000000000000119"
ANSWERED_LATER = "4000000000003220"

# what is typed at the checkout, by the label of its field
ADDRESS = {
    "Name": "Asha Rao",
    "Street and number": "12 Hill Road",
    "Postal code": "400050",
    "Phone": "+91 98200 12345",
}

PASSWORD = "correct horse battery"
# the one of a customer is the one that counts
COOKIES = ("skillupworks_session", "skillupworks_guest")

PROCESSED_WITHIN_MS = 30_000


@dataclass
class Visitor:
    """Somebody in front of a window of their own; `complaints` is what the console says."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> None:
        """Go to a page of the shop and wait until it is shown."""
        self.page.goto(self.url + path)
        self.settled()

    def settled(self) -> None:
        """Wait until the view is there."""
        expect(self.page.locator("main:not([aria-busy]) h1").first).to_be_visible()

    def put(self, *skus: str) -> None:
        """Put one of each product into the cart, on its page."""
        for sku in skus:
            before = self.pieces
            self.open(f"/products/{sku}")
            self.page.get_by_role("button", name="Add to cart").click()
            expect(self.page.locator("#cart-count")).to_have_text(str(before + 1))

    @property
    def pieces(self) -> int:
        """How many pieces the header says are in the cart."""
        badge = self.page.locator("#cart-count")
        return int(badge.inner_text()) if badge.count() and badge.is_visible() else 0

    def fill_in(self, card: str = PAID, city: str = "Mumbai") -> None:
        """Open the checkout, type an address, choose a city and type a card's number."""
        self.open("/checkout")
        for label, text in ADDRESS.items():
            self.page.get_by_label(label, exact=True).fill(text)
        self.choose(city)
        expect(self.pay_button).to_have_text(re.compile("Pay ₹"))
        self.page.get_by_label("Card number").press_sequentially(card)

    def choose(self, city: str) -> None:
        """Type a city's beginning at the checkout and choose it."""
        box = self.page.get_by_role("combobox", name="City")
        box.fill("")
        box.press_sequentially(city[:4])
        self.page.get_by_role("option", name=city).first.click()

    @property
    def total(self) -> float:
        """The rupees that the checkout, or an order's page, says at the end of the sum."""
        shown = self.page.locator(".total .price").inner_text()
        return float(shown.removeprefix("₹").replace(",", ""))

    @property
    def pay_button(self) -> Locator:
        """The button that pays."""
        return self.page.locator("form.split button.wide")

    def pay(self) -> None:
        """Press it."""
        self.pay_button.click()

    def order(self) -> str:
        """Return the id of the order whose page is shown, once it is."""
        self.page.wait_for_url("**/orders/ORD-*", timeout=PROCESSED_WITHIN_MS)
        self.settled()
        return self.page.url.rpartition("/")[2]

    def wait_until_processed(self) -> None:
        """Return when the order's page says so, by itself."""
        processed = self.page.locator("[data-state=processed]")
        expect(processed).to_be_visible(timeout=PROCESSED_WITHIN_MS)

    def buy(self, *skus: str, card: str = PAID) -> str:
        """Buy these products; return the order's id once it is processed."""
        self.put(*skus)
        self.fill_in(card)
        self.pay()
        order_id = self.order()
        self.wait_until_processed()
        return order_id

    def register(self, email: str) -> None:
        """Make an account and be logged in."""
        self._send("Register", email)

    def log_in(self, email: str) -> None:
        """Log in with an account that `register` made."""
        self._send("Log in", email)

    def _send(self, form: str, email: str) -> None:
        self.open("/account")
        fields = self.page.get_by_role("form", name=form)
        fields.get_by_label("E-mail").fill(email)
        fields.get_by_label("Password").fill(PASSWORD)
        fields.get_by_role("button").click()
        expect(self.page.locator("#account-link")).to_have_text("Account")

    def outlast_session(self, redis: Redis) -> None:
        """Let the session end while the browser still has its cookie."""
        held = {one["name"]: one["value"] for one in self.page.context.cookies()}
        redis.end_session(next(held[name] for name in COOKIES if name in held))

    def screenshot(self, name: str, *, whole: bool = False) -> None:
        """Take a picture for the documentation, if that is asked for; `whole` beyond the window."""
        if os.environ.get(SCREENSHOTS):
            FOLDER.mkdir(exist_ok=True)
            if whole:
                # the header stays where the window is
                self.page.evaluate("scrollTo(0, 0)")
            self.page.screenshot(path=FOLDER / f"{name}.png", full_page=whole)


@contextmanager
def visitor(browser: Browser, url: str, **window: object) -> Iterator[Visitor]:
    """Open a window without cookies, and listen to its console."""
    size = {"viewport": {"width": 1280, "height": 900}, "ignore_https_errors": True}
    context = browser.new_context(**(size | window))  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(15_000)
    found = Visitor(page, url)
    page.on(
        "console",
        lambda said: (
            found.complaints.append(f"{said.text} {said.location}")
            if said.type in {"error", "warning"}
            else None
        ),
    )
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    try:
        yield found
    finally:
        context.close()
