#!/usr/bin/env python
"""Place an order over HTTP and show what the order processor's journal says about it.

Usage: place_order.py [-i INVENTORY] [SKU ...]

It buys as a browser does, through the storefront's host, as a guest and with a test card of the
simulated gateway. Needs the addresses of the inventory, a connection to that host (the inventory's
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
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

PROCESSED_WITHIN_SECONDS = 30.0
POLL_SECONDS = 0.1
# Ansible's commands stand beside the Python that runs this.
BIN = Path(sys.executable).parent
# the gateway's card that is charged at once
CARD = "4242 4242 4242 4242"
# a request that is not decided yet is repeated for so long: longer than the gateway may take
DECIDED_WITHIN_SECONDS = 60.0
DECISION_POLL_SECONDS = 0.5


def shop_url(inventory: str) -> str:
    """Return the shop's address: the first host of the inventory's group `frontend`."""
    listing = subprocess.run(
        [BIN / "ansible-inventory", "-i", inventory, "--list"],
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


def begin_guest(shop: httpx.Client) -> None:
    """Begin a guest's session, whose the requests of this client are from then on."""
    body = {"delivery": "token"}
    print(f"$ curl {shop.base_url}user/guests --json '{json.dumps(body)}'")
    answer = shop.post("user/guests", json=body)
    if answer.status_code != httpx.codes.CREATED:
        print(f"{answer.status_code} {answer.text}\n")
        sys.exit(1)
    guest = answer.json()
    # whoever has the token is this guest
    print(f"{answer.status_code} {json.dumps(guest | {'token': '…'}, ensure_ascii=False)}\n")
    shop.headers["Authorization"] = f"Bearer {guest['token']}"


def place(shop: httpx.Client, skus: list[str]) -> dict[str, Any]:
    """Place and pay one order for the given products, with shipping; return the answer."""
    key = str(uuid.uuid4())
    order = {
        "sessionId": f"user-session-{key[:8]}",
        "items": [{"sku": sku, "quantity": count} for sku, count in Counter(skus).items()],
        "shipping": {"method": "standard"},
        "card": {"number": CARD},
    }
    print(
        f"$ curl {shop.base_url}payment/payments -H 'Authorization: Bearer …'"
        f" -H 'Idempotency-Key: {key}'"
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
    body: dict[str, Any] = answer.json()
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
            *(BIN / "ansible", "-i", inventory, "order_processor", "--become"),
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
        begin_guest(shop)
        order_id = place(shop, arguments.skus)["orderId"]
        seconds = wait_until_processed(shop, order_id)
    for host, lines in journal(arguments.inventory, order_id).items():
        print(f"{host}$ journalctl -t order-processor -o cat ORDER_ID={order_id}")
        print(lines)
    print(f"\n{order_id} was processed within {seconds * 1000:.0f} ms of its answer.")
    print(f"The shop, for your browser: {url}/")


if __name__ == "__main__":
    main()
