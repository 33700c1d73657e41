#!/usr/bin/env python
"""Buy over HTTP as a browser does, and show what the order processor's journal says about it.

Usage: place_order.py [-i INVENTORY] [SKU ...]

Through the storefront's host, as a guest with a cookie: each product into the cart, a city and what
shipping to it costs, then a payment of that total with an address and a test card of the simulated
gateway. Needs the addresses of the inventory, a connection to that host (the inventory's
platform_customer_networks, or else platform_admin_networks) and SSH to the order processors'
hosts. Exits with 1 when the order is refused or is not processed in time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

PROCESSED_WITHIN_SECONDS = 30.0
POLL_SECONDS = 0.1
# Ansible's commands stand beside the Python that runs this.
BIN = Path(sys.executable).parent
# the gateway's card that is charged at once
CARD = "4242 4242 4242 4242"
COUNTRY, CITY = "IN", "Mumbai"
ADDRESS = {
    "name": "Asha Rao",
    "street": "12 Hill Road",
    "postalCode": "400050",
    "phone": "+91 98200 12345",
}
# a request that is not decided yet is repeated for so long: longer than the gateway may take
DECIDED_WITHIN_SECONDS = 60.0
DECISION_POLL_SECONDS = 0.5

Json = dict[str, Any]


def sources(inventory: str) -> list[str]:
    """Return the options of Ansible's commands for an inventory, or for several with commas."""
    return [word for path in inventory.split(",") for word in ("-i", path)]


def shop_url(inventory: str) -> str:
    """Return the shop's address: the first host of the inventory's group `frontend`."""
    listing = subprocess.run(
        [BIN / "ansible-inventory", *sources(inventory), "--list"],
        check=True,
        capture_output=True,
        text=True,
    )
    hosts = json.loads(listing.stdout)
    try:
        host = hosts["_meta"]["hostvars"][hosts["frontend"]["hosts"][0]]
        address = host["ansible_host"]
    except (KeyError, IndexError):
        sys.exit(f"place_order: the inventory {inventory} has no group `frontend` with a host")
    tls = host.get("frontend_tls", "none") != "none"
    return f"http{'s' if tls else ''}://{address}"


def ask(shop: httpx.Client, method: str, path: str, body: Json | None = None) -> Json:
    """Send a request and show it; return the answer, or end the program when it is none."""
    sent = f" --json '{json.dumps(body, ensure_ascii=False)}'" if body is not None else ""
    print(f"$ curl '{shop.base_url}{path}'{sent}")
    answer = shop.request(method, path, json=body)
    print(f"{answer.status_code} {answer.text}\n")
    if not answer.is_success:
        sys.exit(1)
    found: Json = answer.json()
    return found


def fill_cart(shop: httpx.Client, owner: str, skus: list[str]) -> Json:
    """Put the products into the guest's cart, one after the other; return the cart."""
    cart: Json = {}
    for sku in skus:
        cart = ask(shop, "POST", f"cart/carts/{owner}/items", {"sku": sku, "quantity": 1})
    return cart


def quote(shop: httpx.Client, items: list[Json]) -> Json:
    """Return what it costs to ship this to the city."""
    cities = ask(shop, "GET", f"shipping/cities?country={COUNTRY}&q={CITY}&limit=1")["cities"]
    if not cities:
        sys.exit(f"place_order: nothing is shipped to {CITY}")
    grams = 0
    for item in items:
        answer = shop.get(f"catalogue/products/{item['sku']}")
        grams += answer.raise_for_status().json()["weightGrams"] * item["quantity"]
    return ask(shop, "GET", f"shipping/quotes?city={cities[0]['id']}&weight={grams}")


def place(shop: httpx.Client, cart: Json) -> Json:
    """Pay for the cart with shipping, at the total that a page would show; return the answer."""
    key = str(uuid.uuid4())
    shipping = quote(shop, cart["items"])
    order = {
        "sessionId": f"user-session-{key[:8]}",
        "items": [{"sku": line["sku"], "quantity": line["quantity"]} for line in cart["items"]],
        "shipping": {"city": shipping["city"]["id"], "address": ADDRESS},
        "expectedTotalMinor": cart["totalMinor"] + shipping["priceMinor"],
        "card": {"number": CARD},
    }
    print(
        f"$ curl {shop.base_url}payment/payments -H 'Idempotency-Key: {key}'"
        f" --json '{json.dumps(order)}'"
    )
    deadline = time.monotonic() + DECIDED_WITHIN_SECONDS
    while True:
        answer = shop.post("payment/payments", json=order, headers={"Idempotency-Key": key})
        # the same request again asks what became of it, and charges nothing
        if answer.status_code != httpx.codes.ACCEPTED or time.monotonic() > deadline:
            break
        time.sleep(DECISION_POLL_SECONDS)
    print(f"{answer.status_code} {answer.text}\n")
    if answer.status_code != httpx.codes.CREATED:
        sys.exit(1)
    body: Json = answer.json()
    return body


def wait_until_processed(shop: httpx.Client, order_id: str) -> float:
    """Poll the order's state until it is `processed`; return the seconds that it took."""
    start = time.monotonic()
    while time.monotonic() - start < PROCESSED_WITHIN_SECONDS:
        state = shop.get(f"payment/orders/{order_id}").json().get("state")
        if state == "processed":
            return time.monotonic() - start
        time.sleep(POLL_SECONDS)
    sys.exit(f"place_order: {order_id} is still {state} after {PROCESSED_WITHIN_SECONDS:.0f} s")


def journal(inventory: str, order_id: str) -> dict[str, str]:
    """Return the journal's lines about the order by host, of the hosts that have any."""
    run = subprocess.run(
        [
            *(str(BIN / "ansible"), *sources(inventory), "order_processor", "--become"),
            *("-m", "ansible.builtin.command"),
            *("-a", f"journalctl --quiet -t order-processor -o cat ORDER_ID={order_id}"),
        ],
        env=os.environ
        | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"}
        # instead of the timers of ansible.cfg; an empty name is an error
        | {"ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.json"},
        check=True,
        capture_output=True,
        text=True,
    )
    # one for all hosts or one for each, as the strategy has it
    tasks = json.loads(run.stdout)["plays"][0]["tasks"]
    return {
        host: result["stdout"]
        for task in tasks
        for host, result in task["hosts"].items()
        if result["stdout"]
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Place an order and follow it.")
    parser.add_argument("-i", "--inventory", default="inventory/lab")
    parser.add_argument("skus", nargs="*", metavar="SKU", default=["Linux"])
    arguments = parser.parse_args()

    url = shop_url(arguments.inventory)
    # a certificate that the host has made itself is nobody's to check
    with httpx.Client(base_url=f"{url}/api/", timeout=20, trust_env=False, verify=False) as shop:  # noqa: S501
        # what a page of the shop's own sends along; without it a cookie counts for nothing
        shop.headers.update({"Origin": url, "X-Requested-With": "place_order"})
        # the cookie is this client's from then on, and is not shown
        guest = ask(shop, "POST", "user/guests", {"delivery": "cookie"})
        order_id = place(shop, fill_cart(shop, guest["id"], arguments.skus))["orderId"]
        seconds = wait_until_processed(shop, order_id)
    for host, lines in journal(arguments.inventory, order_id).items():
        print(f"{host}$ journalctl -t order-processor -o cat ORDER_ID={order_id}")
        print(lines)
    print(f"\n{order_id} was processed within {seconds * 1000:.0f} ms of its answer.")
    print(f"The shop, for your browser: {url}/")


if __name__ == "__main__":
    main()
