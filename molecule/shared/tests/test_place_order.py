"""The script that ends `make demo`: it buys as a browser does, and shows each step."""

import re
import subprocess
import sys

from tests.helpers import ansible

SCRIPT = ansible.PROJECT / "playbooks" / "ops" / "place_order.py"


def place(*skus: str) -> subprocess.CompletedProcess[str]:
    """Run it for these products."""
    environment = ansible.environment()
    return subprocess.run(
        [sys.executable, SCRIPT, "-i", environment[ansible.INVENTORY], *skus],
        cwd=ansible.PROJECT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_two_products_are_bought_and_followed_into_the_journal() -> None:
    """By cookie, cart, quote and address; nobody who reads along gets the session."""
    run = place("Linux", "Ansible")
    assert run.returncode == 0, run.stdout + run.stderr
    asked = re.findall(r"^\$ curl \S*/api/([a-z]+/[a-z]+)", run.stdout, re.MULTILINE)
    assert asked == [
        "user/guests",
        *["cart/carts"] * 2,
        "shipping/cities",
        "shipping/quotes",
        "payment/payments",
    ]
    assert '"expectedTotalMinor":' in run.stdout
    assert "Bearer" not in run.stdout
    assert re.search(
        r"^(ORD-\d+) was processed within \d+ ms of its answer\.$", run.stdout, re.MULTILINE
    )
    assert re.search(r"^\S+\$ journalctl .* ORDER_ID=ORD-\d+$", run.stdout, re.MULTILINE)


def test_what_is_not_sold_is_said_and_ends_it() -> None:
    """With a status for scripts."""
    run = place("Cobol")
    assert run.returncode == 1
    assert "there is no product" in run.stdout
