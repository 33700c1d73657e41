"""The storefront in a real browser: bought as a person buys, and what goes wrong."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.mongodb import MongoDb
from tests.helpers.redis import Redis
from tests.helpers.services import catalogues, payments
from tests.helpers.storefront import (
    ADDRESS,
    ANSWERED_LATER,
    CHROMIUM,
    DECLINED,
    PASSWORD,
    TIMES_OUT,
    Visitor,
    visitor,
)
from tests.helpers.waiting import wait_until

MAX_BYTES = 100_000
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DARK = {"color_scheme": "dark"}
SCRIPT = "<img src=x onerror=\"document.title='taken'\"><script>alert(1)</script>"
VIEWS = ["/", "/?q=linux", "/products/Linux", "/cart", "/checkout", "/orders", "/account", "/no"]

Come = Callable[..., Visitor]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-proxy-server", "--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url(platform: Platform) -> str:
    """Return the shop's address."""
    return f"http://{platform.address(platform.group('frontend')[0])}"


@pytest.fixture
def store(platform: Platform) -> MongoDb:
    """Return the document store."""
    return MongoDb(platform)


@pytest.fixture
def redis(platform: Platform) -> Redis:
    """Return the Redis server."""
    return Redis(platform)


@pytest.fixture
def come(browser: Browser, url: str) -> Iterator[Come]:
    """Return what makes a new visitor, with the window's properties."""
    with ExitStack() as windows:
        yield lambda **window: windows.enter_context(visitor(browser, url, **window))


@pytest.fixture
def somebody(come: Come) -> Visitor:
    """Return a visitor who was never here before."""
    return come()


def serious(shown: Visitor) -> list[str]:
    """Return what axe finds that keeps people out."""
    found: list[dict[str, Any]] = Axe().run(shown.page).response["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


def wait_until_held(page: Page, held: list[Any]) -> None:
    """Return when a route has been held back; the browser is listened to meanwhile."""
    for _ in range(100):
        if held:
            return
        page.wait_for_timeout(50)
    raise AssertionError("nothing was asked for")


def body_of(request: Request) -> str:
    """Return what a request sends."""
    return request.post_data or ""


def test_a_purchase_in_the_browser_ends_in_the_processors_journal(
    somebody: Visitor, journal: Journal
) -> None:
    """Two products, found by looking, are paid and processed; the console says nothing."""
    page = somebody.page
    somebody.open()
    somebody.screenshot("list")
    page.get_by_role("link", name="Linux Administration").click()
    somebody.settled()
    somebody.screenshot("product")
    somebody.put("Linux", "Git")
    somebody.open("/cart")
    somebody.screenshot("cart")
    somebody.fill_in()
    somebody.screenshot("checkout", whole=True)
    agreed = somebody.total
    expect(somebody.pay_button).to_have_text(f"Pay {page.locator('.total .price').inner_text()}")
    somebody.pay()
    order_id = somebody.order()
    somebody.wait_until_processed()
    expect(page.get_by_text("Your order is recorded.")).to_be_visible()
    somebody.screenshot("order-processed")
    block = journal.block(order_id)
    assert block.count("📦 NEW ORDER RECEIVED") == 1
    assert {"  - Linux x 1 = ₹1999", "  - Git x 1 = ₹799"} <= set(block)
    assert f"Total: ₹{agreed:.2f}" in block
    assert somebody.total == agreed
    assert somebody.pieces == 0
    parcel = page.get_by_role("region", name="Sent to")
    for line in (*ADDRESS.values(), "Mumbai", "India"):
        expect(parcel).to_contain_text(line)
    somebody.open("/orders")
    expect(page.get_by_role("link", name=order_id)).to_be_visible()
    assert somebody.complaints == []


def test_the_search_finds_while_it_is_typed_and_is_in_the_address(somebody: Visitor) -> None:
    """A reload shows the same; what is not there is said."""
    page = somebody.page
    somebody.open()
    page.get_by_role("searchbox").press_sequentially("linux")
    expect(page.get_by_role("link", name="Linux Administration")).to_be_visible()
    page.wait_for_url("**/?q=linux")
    expect(page.get_by_role("searchbox")).to_be_focused()
    answer = page.request.get(f"{somebody.url}/api/catalogue/products?q=linux").json()
    found = len(answer["products"])
    expect(page.locator(".product")).to_have_count(found)
    page.reload()
    expect(page.locator(".product")).to_have_count(found)
    page.get_by_role("searchbox").fill("cobol on punched cards")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    assert somebody.complaints == []


def test_categories_and_further_pages_show_every_course_once(somebody: Visitor) -> None:
    """With the button at the end, until there is none."""
    page = somebody.page
    somebody.open()
    more = page.get_by_role("button", name="Show more courses")
    shown = page.locator(".product")
    while more.is_visible():
        before = shown.count()
        more.click()
        expect(shown.nth(before)).to_be_visible()
    names = shown.locator("h2").all_inner_texts()
    assert len(names) >= 24
    assert len(set(names)) == len(names)
    page.get_by_role("link", name="Networks and Web").click()
    page.wait_for_url("**/?category=networks")
    somebody.settled()
    assert 0 < page.locator(".product").count() < len(names)


def test_the_cart_counts_and_can_be_emptied(somebody: Visitor) -> None:
    """Its sum follows the quantity; prices are in rupees, grouped as in India."""
    page = somebody.page
    somebody.put("Linux")
    somebody.open("/cart")
    for _ in range(59):
        page.get_by_role("button", name="One more of Linux").click()
    expect(page.locator(".total")).to_contain_text("₹1,19,940")
    page.reload()
    expect(page.get_by_role("spinbutton", name="Quantity of Linux")).to_have_value("60")
    page.get_by_role("button", name="Remove Linux").click()
    expect(page.get_by_role("heading", name="Your cart is empty")).to_be_visible()
    assert somebody.complaints == []


def test_a_guests_cart_is_there_after_login_and_its_name_is_only_text(somebody: Visitor) -> None:
    """A script in a name that is stored is shown, and does nothing."""
    page = somebody.page
    somebody.put("Git")
    somebody.open("/account")
    form = page.get_by_role("form", name="Register")
    form.get_by_label("Name").fill(SCRIPT)
    form.get_by_label("E-mail").fill(f"test-{uuid.uuid4().hex}@example.com")
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button").click()
    page.wait_for_url("**/cart")
    expect(page.get_by_role("link", name="Git and Code Review")).to_be_visible()
    somebody.open("/account")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello {SCRIPT}")
    assert page.locator("main img, main script").count() == 0
    assert page.title() != "taken"
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#account-link")).to_have_text("Log in")
    assert somebody.pieces == 0
    assert somebody.complaints == []


@pytest.mark.parametrize(
    "words", [SCRIPT, "' OR 1=1 --", '{"$gt": ""}', "%00%0d%0a", ".*(a+)+$", "../../etc/passwd"]
)
def test_what_is_typed_into_the_search_is_only_text(somebody: Visitor, words: str) -> None:
    """Nothing is found by it, nothing runs, nothing breaks."""
    page = somebody.page
    somebody.open()
    page.get_by_role("searchbox").fill(words)
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    expect(page.locator(".empty p")).to_contain_text(words)
    assert page.locator("main .empty img, main script").count() == 0
    assert page.title() != "taken"
    assert somebody.complaints == []


def test_a_purchase_needs_no_mouse(somebody: Visitor) -> None:
    """From the search to the order with the keyboard alone."""
    page = somebody.page
    press = page.keyboard.press

    def tab_to(name: str) -> None:
        for _ in range(80):
            press("Tab")
            focused = page.evaluate(
                "(document.activeElement.getAttribute('aria-label') ?? '') + ' '"
                " + document.activeElement.textContent + ' ' + document.activeElement.id"
            )
            if name in focused:
                return
        raise AssertionError(f"Tab does not reach {name}")

    somebody.open("/products/Linux")
    tab_to("Add to cart")
    press("Enter")
    expect(page.locator("#cart-count")).to_have_text("1")
    somebody.open("/cart")
    tab_to("Check out")
    press("Enter")
    page.wait_for_url("**/checkout")
    somebody.settled()
    tab_to("ship-name")
    page.keyboard.type(ADDRESS["Name"])
    tab_to("ship-street")
    page.keyboard.type(ADDRESS["Street and number"])
    tab_to("city")
    page.keyboard.type("Mumba")
    expect(page.get_by_role("option", name="Mumbai").first).to_be_visible()
    press("ArrowDown")
    press("Enter")
    expect(somebody.pay_button).to_contain_text("₹")
    tab_to("ship-postalCode")
    page.keyboard.type(ADDRESS["Postal code"])
    tab_to("ship-phone")
    page.keyboard.type(ADDRESS["Phone"])
    tab_to("card-number")
    page.keyboard.type("4242424242424242")
    press("Enter")
    somebody.order()
    somebody.wait_until_processed()
    assert somebody.complaints == []


@pytest.mark.parametrize(
    ("label", "typed"),
    [
        ("Name", " "),
        ("Street and number", ""),
        ("Postal code", ""),
        ("Postal code", "-"),
        ("Phone", "12345"),
        ("Phone", "call me"),
    ],
)
def test_what_is_missing_of_the_address_is_said_at_its_field(
    somebody: Visitor, label: str, typed: str
) -> None:
    """Nothing is sent; once it is there, the order can be paid."""
    page = somebody.page
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    somebody.put("Git")
    somebody.fill_in()
    wrong = page.get_by_label(label, exact=True)
    wrong.fill(typed)
    somebody.pay()
    expect(page.get_by_role("alert")).to_contain_text(f"{label}: please")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_attribute("aria-invalid", "true")
    assert serious(somebody) == []
    assert not [one for one in sent if one.startswith("POST") and one.endswith("/payments")]
    wrong.fill(ADDRESS[label])
    expect(wrong).not_to_have_attribute("aria-invalid", "true")
    somebody.pay()
    somebody.order()


def test_an_address_is_only_text_is_nobody_elses_and_is_not_kept_in_the_browser(
    somebody: Visitor, come: Come
) -> None:
    """Not even while its payment has no answer."""
    page = somebody.page
    somebody.put("Git")
    somebody.fill_in()
    page.get_by_label("Street and number").fill(SCRIPT)
    page.route("**/api/payment/payments", lambda route: route.abort())
    somebody.pay()
    expect(page.get_by_text("you pay once only")).to_be_visible()
    kept = page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")
    assert "Git" in kept
    assert not [text for text in (*ADDRESS.values(), "onerror") if text in kept]
    page.unroute_all(behavior="ignoreErrors")
    order_id = somebody.order()
    expect(page.get_by_role("region", name="Sent to")).to_contain_text(SCRIPT)
    assert page.locator("main img, main script").count() == 0
    assert page.title() != "taken"
    other = come()
    other.put("Git")  # who has a session of their own
    answer = other.page.request.get(f"{other.url}/api/payment/orders/{order_id}")
    assert answer.status == 404
    assert "onerror" not in answer.text()


def test_a_double_click_on_pay_makes_one_order(somebody: Visitor) -> None:
    """One payment is sent."""
    sent: list[str] = []
    somebody.page.on(
        "request",
        lambda request: (
            sent.append(request.headers["idempotency-key"])
            if request.method == "POST" and request.url.endswith("/payments")
            else None
        ),
    )
    somebody.put("Git")
    somebody.fill_in()
    somebody.pay_button.dblclick()
    order_id = somebody.order()
    assert len(set(sent)) == 1
    somebody.open("/orders")
    assert somebody.page.locator(".past h2").all_inner_texts() == [order_id]


def test_a_declined_card_costs_nothing_and_another_one_pays(somebody: Visitor) -> None:
    """The cart is still there, and it is said at the card."""
    somebody.put("Git")
    somebody.fill_in(DECLINED)
    somebody.pay()
    expect(somebody.page.get_by_role("alert")).to_contain_text("declined")
    expect(somebody.page.get_by_label("Card number")).to_be_focused()
    assert somebody.pieces == 1
    somebody.fill_in()
    somebody.pay()
    somebody.order()
    somebody.wait_until_processed()


@pytest.mark.parametrize("card", [TIMES_OUT, ANSWERED_LATER])
def test_a_bank_that_answers_late_is_waited_for(somebody: Visitor, card: str) -> None:
    """The order's page says so, and goes on by itself."""
    somebody.put("Git")
    somebody.fill_in(card)
    somebody.pay()
    somebody.order()
    expect(somebody.page.locator("[data-state]")).to_be_visible()
    # the reconciler takes its time
    expect(somebody.page.locator("[data-state=processed]")).to_be_visible(timeout=180_000)


def pay_without_an_answer(somebody: Visitor) -> None:
    """Pay, so that the payment arrives and its answer does not; until the window has other ones."""

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    somebody.page.route("**/api/payment/payments", lose)
    somebody.pay()
    expect(somebody.page.get_by_text("you pay once only")).to_be_visible()


def test_a_payment_without_an_answer_is_finished_before_another_one(somebody: Visitor) -> None:
    """Its answer is lost, the cart changes, the page is loaded anew: it is paid once."""
    page = somebody.page
    somebody.put("Git")
    somebody.fill_in()

    pay_without_an_answer(somebody)
    page.unroute_all(behavior="ignoreErrors")
    somebody.put("Linux")
    page.goto(somebody.url + "/checkout")
    first = somebody.order()
    somebody.open("/orders")
    assert page.locator(".past h2").all_inner_texts() == [first]
    # what was added since then is still there
    somebody.open("/cart")
    assert somebody.pieces == 1


def test_a_price_that_changes_before_pay_is_shown_and_agreed_to(
    somebody: Visitor, store: MongoDb, journal: Journal
) -> None:
    """At once, although the cart and the browser keep the old one for a while."""
    page = somebody.page
    with store.product(stock=1) as sku:
        somebody.put(sku)
        somebody.fill_in()
        before = somebody.total
        change = f"db.products.update_one({{'_id': {sku!r}}}, {{'$set': {{'price': 250}}}})"
        assert store.ask(f"{change}.modified_count") == 1
        somebody.pay()
        expect(page.get_by_role("alert")).to_contain_text("nothing was charged")
        expect(page.get_by_role("alert")).to_contain_text("Pay if you agree")
        after = round(before + 1.5, 2)
        assert somebody.total == after
        expect(somebody.pay_button).to_be_enabled()
        assert somebody.pieces == 1
        somebody.pay()
        order_id = somebody.order()
        somebody.wait_until_processed()
        assert f"Total: ₹{after:.2f}" in journal.block(order_id)
        wait_until("it is sold", lambda: (store.stock(sku), store.holds(sku)) == (0, 0))
    somebody.open("/orders")
    assert page.locator(".past h2").all_inner_texts() == [order_id]


def test_who_was_too_late_is_told_and_pays_nothing(somebody: Visitor, store: MongoDb) -> None:
    """What is out of stock is named, and stays in the cart."""
    page = somebody.page
    with store.product(stock=1) as sku:
        somebody.put(sku)
        somebody.fill_in()
        taken = f"db.products.update_one({{'_id': {sku!r}}}, {{'$set': {{'stock': 0}}}})"
        assert store.ask(f"{taken}.modified_count") == 1
        somebody.pay()
        said = page.get_by_role("alert")
        expect(said).to_contain_text(f"not enough left of {sku}. Nothing was charged.")
        expect(page.get_by_role("link", name="Change the cart")).to_be_visible()
        expect(somebody.pay_button).to_be_enabled()
        assert serious(somebody) == []
        assert somebody.pieces == 1
        somebody.open("/orders")
        expect(page.get_by_role("heading", name="No orders yet")).to_be_visible()


def test_a_guest_whose_session_ends_at_the_checkout_pays_all_the_same(
    somebody: Visitor, redis: Redis
) -> None:
    """As another guest, who sees the order; the console says no more than that."""
    somebody.put("Git")
    somebody.fill_in()
    somebody.outlast_session(redis)
    somebody.pay()
    order_id = somebody.order()
    somebody.wait_until_processed()
    somebody.open("/orders")
    assert somebody.page.locator(".past h2").all_inner_texts() == [order_id]
    assert [line for line in somebody.complaints if "401" not in line] == []


def test_who_was_logged_in_does_not_pay_as_a_guest(somebody: Visitor, redis: Redis) -> None:
    """The order would not be among those of the account: nothing is sent, and it is said."""
    page = somebody.page
    email = f"test-{uuid.uuid4().hex}@example.com"
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    somebody.register(email)
    somebody.put("Git")
    somebody.fill_in()
    somebody.outlast_session(redis)
    for _ in range(2):
        somebody.pay()
        expect(somebody.pay_button).to_be_enabled()
        expect(page.get_by_role("alert")).to_contain_text("Please log in again to pay.")
    assert not [one for one in sent if one.startswith("POST") and one.endswith("/payments")]
    somebody.log_in(email)
    somebody.fill_in()
    somebody.pay()
    order_id = somebody.order()
    somebody.open("/orders")
    assert page.locator(".past h2").all_inner_texts() == [order_id]


def test_a_payment_is_nobody_elses_and_its_owner_is_told(somebody: Visitor) -> None:
    """Who comes next hears that it may have been charged; the owner sees the one order."""
    page = somebody.page
    email = f"test-{uuid.uuid4().hex}@example.com"
    somebody.register(email)
    somebody.put("Git")
    somebody.fill_in()

    pay_without_an_answer(somebody)
    page.goto("about:blank")
    page.unroute_all(behavior="ignoreErrors")
    page.context.clear_cookies()
    somebody.put("Linux")
    somebody.open("/checkout")
    expect(page.get_by_role("heading", level=1)).to_contain_text("has no answer yet")
    expect(page.locator("main")).to_contain_text("may have been charged")
    expect(page.locator("main")).not_to_contain_text("Nothing was charged")
    expect(page.locator("main")).not_to_contain_text("Git")
    assert serious(somebody) == []
    page.get_by_role("button", name="Go on to the checkout").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Checkout")
    somebody.open("/orders")
    expect(page.get_by_role("heading", name="No orders yet")).to_be_visible()
    somebody.log_in(email)
    page.goto(somebody.url + "/checkout")
    order_id = somebody.order()
    somebody.open("/orders")
    assert page.locator(".past h2").all_inner_texts() == [order_id]
    # the guest's cart came along, and what was paid is out of it
    expect(page.locator("#cart-count")).to_have_text("1")


def test_a_guests_payment_whose_session_has_ended_is_not_called_free(
    somebody: Visitor, redis: Redis
) -> None:
    """Nobody can be asked any more, so nothing is said about the charge."""
    page = somebody.page
    somebody.put("Git")
    somebody.fill_in()
    page.route("**/api/payment/payments", lambda route: route.abort())
    somebody.pay()
    expect(page.get_by_text("you pay once only")).to_be_visible()
    page.goto("about:blank")
    somebody.outlast_session(redis)
    somebody.open("/checkout")
    expect(page.get_by_role("heading", level=1)).to_contain_text("has no answer yet")
    expect(page.locator("main")).to_contain_text("your bank can tell you")
    expect(page.locator("main")).not_to_contain_text("Nothing was charged")
    page.get_by_role("button", name="Go on to the checkout").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to pay for")


def test_a_guests_cart_that_cannot_be_taken_along_is_taken_later(somebody: Visitor) -> None:
    """The visitor is told; the next page has it."""
    page = somebody.page
    somebody.put("Git")
    page.route("**/merge", lambda route: route.abort())
    somebody.register(f"test-{uuid.uuid4().hex}@example.com")
    expect(page.locator("#toast")).to_contain_text("It is kept, and we try again.")
    assert somebody.pieces == 0
    page.unroute_all(behavior="ignoreErrors")
    somebody.open()
    expect(page.locator("#cart-count")).to_have_text("1")
    expect(page.locator("#toast")).to_contain_text("is in your cart now")
    somebody.open("/cart")
    expect(page.get_by_role("link", name="Git and Code Review")).to_be_visible()


def test_what_shipping_costs_is_that_of_the_city_chosen_last(somebody: Visitor) -> None:
    """Although the answer about the one before comes later."""
    page = somebody.page
    late: list[Any] = []
    somebody.put("Git")
    somebody.open("/checkout")
    page.route(
        re.compile("/quotes"), lambda route: route.continue_() if late else late.append(route)
    )
    somebody.choose("Mumbai")
    expect(page.locator(".quote")).to_contain_text("Asking")
    wait_until_held(page, late)
    somebody.choose("Bengaluru")
    expect(page.locator(".quote")).to_contain_text("Shipping to Bengaluru")
    agreed = somebody.total
    with page.expect_response(re.compile("/quotes")):
        late[0].continue_()
    # the page has taken it when it has drawn once more
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 100)))")
    expect(page.locator(".quote")).to_contain_text("Shipping to Bengaluru")
    assert somebody.total == agreed


def test_the_skip_link_leaves_what_is_typed(somebody: Visitor) -> None:
    """It is a place in the page, as is a fragment in its address."""
    page = somebody.page
    somebody.put("Git")
    somebody.fill_in()
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.evaluate("location.hash = 'main'")
    page.go_back()
    page.wait_for_url("**/checkout")
    assert "#" not in page.url
    for label, text in ADDRESS.items():
        expect(page.get_by_label(label, exact=True)).to_have_value(text)
    assert somebody.complaints == []


def test_what_is_wrong_is_said_of_its_field(somebody: Visitor) -> None:
    """A screen reader reads it with the field, beside what helps to fill it in."""
    page = somebody.page
    somebody.put("Git")
    somebody.fill_in()
    phone = page.get_by_label("Phone", exact=True)
    phone.fill("1")
    somebody.pay()
    expect(phone).to_have_accessible_description(re.compile("For the courier only.*Phone: please"))
    phone.fill(ADDRESS["Phone"])
    expect(phone).to_have_accessible_description("For the courier only.")
    somebody.open("/account")
    form = page.get_by_role("form", name="Log in")
    form.get_by_label("E-mail").fill(f"test-{uuid.uuid4().hex}@example.com")
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button").click()
    password = form.get_by_label("Password")
    expect(password).to_have_accessible_description(re.compile("do not belong together"))
    expect(password).to_have_attribute("aria-invalid", "true")
    assert serious(somebody) == []


def test_what_a_visit_leads_to_is_for_everybody(somebody: Visitor) -> None:
    """An order, the orders, an account, a list of cities, an open payment, a service away."""
    page = somebody.page
    somebody.buy("Git")
    assert serious(somebody) == [], "order"
    somebody.open("/orders")
    expect(page.locator(".past")).to_have_count(1)
    assert serious(somebody) == [], "orders"
    somebody.register(f"test-{uuid.uuid4().hex}@example.com")
    somebody.open("/account")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    assert serious(somebody) == [], "account"
    assert somebody.complaints == []
    somebody.put("Git")
    somebody.fill_in()
    box = page.get_by_role("combobox", name="City")
    box.fill("")
    box.press_sequentially("Mumb")
    expect(page.get_by_role("option", name="Mumbai").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    assert serious(somebody) == [], "cities"
    page.keyboard.press("Enter")
    expect(somebody.pay_button).to_have_text(re.compile("Pay ₹"))
    page.route("**/api/payment/payments", lambda route: route.abort())
    somebody.pay()
    expect(page.get_by_text("you pay once only")).to_be_visible()
    assert serious(somebody) == [], "paying"
    somebody.open("/checkout")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your last payment has no answer yet")
    assert serious(somebody) == [], "unfinished"
    page.route("**/api/catalogue/**", lambda route: route.abort())
    page.goto(somebody.url)
    expect(page.locator("#away")).to_be_visible()
    assert serious(somebody) == [], "away"


def test_from_pay_on_nothing_can_be_changed(somebody: Visitor) -> None:
    """Already while the cart is told the city, before anything is paid."""
    page = somebody.page
    held: list[Any] = []
    somebody.put("Git")
    somebody.fill_in()
    agreed = somebody.total
    page.route("**/shipping", lambda route: held.append(route))  # noqa: PLW0108 - it sets an attribute
    somebody.pay()
    wait_until_held(page, held)
    expect(somebody.pay_button).to_be_disabled()
    expect(page.get_by_label("Name", exact=True)).to_be_disabled()
    expect(page.get_by_label("Card number")).to_be_disabled()
    held[0].continue_()
    somebody.order()
    assert somebody.total == agreed


def test_what_was_not_made_is_put_into_the_cart_again_without_its_shipping(
    somebody: Visitor,
) -> None:
    """Only the courses: shipping is no product."""
    page = somebody.page
    put: list[str] = []
    somebody.put("Git")
    somebody.fill_in(DECLINED)
    somebody.pay()
    expect(page.get_by_role("alert")).to_contain_text("declined")
    somebody.open("/orders")
    page.locator(".past a").click()
    again = page.get_by_role("button", name="Put it into the cart again")
    expect(page.get_by_text("Shipping Cost")).to_be_visible()
    page.on("request", lambda request: put.extend(re.findall('"sku":"([^"]*)"', body_of(request))))
    again.click()
    page.wait_for_url("**/cart")
    expect(page.get_by_role("spinbutton", name="Quantity of Git")).to_have_value("2")
    assert put == ["Git"]


def test_without_the_catalogue_the_rest_works_and_the_page_says_so(
    somebody: Visitor, platform: Platform
) -> None:
    """When it is back, the button shows the courses."""
    page = somebody.page
    services = catalogues(platform)
    for service in services:
        service.stop()
    try:
        somebody.open()
        expect(page.locator("#away")).to_contain_text("catalogue is not available")
        expect(page.get_by_role("alert")).to_be_visible()
        somebody.screenshot("error")
        somebody.open("/account")
        expect(page.get_by_role("form", name="Log in")).to_be_visible()
        somebody.open()
    finally:
        for service in services:
            service.start()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name="Linux Administration")).to_be_visible()
    expect(page.locator("#away")).to_be_hidden()


def test_without_payment_nothing_is_lost(somebody: Visitor, platform: Platform) -> None:
    """The page goes on asking with the same key, and ends in one order."""
    page = somebody.page
    somebody.put("Git")
    somebody.fill_in()
    services = payments(platform)
    for service in services:
        service.stop()
    try:
        somebody.pay()
        expect(page.get_by_text("you pay once only")).to_be_visible()
    finally:
        for service in services:
            service.start()
    again = page.get_by_role("button", name="Try again")
    expect(again.or_(page.locator("[data-state]"))).to_be_visible(timeout=45_000)
    if again.is_visible():
        again.click()
    order_id = somebody.order()
    somebody.wait_until_processed()
    somebody.open("/orders")
    assert page.locator(".past h2").all_inner_texts() == [order_id]


@pytest.mark.parametrize("window", [{}, PHONE, DARK], ids=["desktop", "phone", "dark"])
def test_every_view_is_for_everybody(come: Come, window: dict[str, Any]) -> None:
    """Axe finds nothing serious, nothing is wider than the window, the console is quiet."""
    shown = come(**window)
    shown.put("Linux")
    for path in VIEWS:
        shown.page.goto(shown.url + path)
        expect(shown.page.locator("h1").first).to_be_visible()
        assert serious(shown) == [], path
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert shown.page.evaluate(wide) <= 0, path
        if path == "/":
            shown.screenshot("phone" if "is_mobile" in window else "dark" if window else "list")
    assert [line for line in shown.complaints if "/no" not in line] == []


def test_the_page_is_small_and_does_not_jump(somebody: Visitor) -> None:
    """All of it but the pictures, as it comes over the network; nothing of another host."""
    page = somebody.page
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => { for (const entry of"
        " list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value; })"
        ".observe({ type: 'layout-shift', buffered: true });"
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    somebody.open()
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate(
        "['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))"
        ".filter((entry) => !entry.name.includes('/pictures/')).map((entry) => entry.transferSize)"
    )
    assert 0 < sum(sizes) <= MAX_BYTES
    assert page.evaluate("window.shift") < 0.1
    assert all(one.startswith(somebody.url) for one in asked)


def test_whoever_wants_less_motion_gets_none(come: Come) -> None:
    """Nothing is animated."""
    calm = come(reduced_motion="reduce")
    calm.open()
    assert calm.page.evaluate("document.getAnimations().length") == 0
    moves = (
        "[...document.querySelectorAll('*')]"
        ".some((one) => getComputedStyle(one).transitionDuration !== '0s')"
    )
    assert calm.page.evaluate(moves) is False
