"""Rules for the packets of a host: what is dropped, reset or marked, and how many it met."""

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.helpers.hosts import Platform

TABLE = "fault"
AMQP = 5672
MYSQL = 3306
DROP = "counter drop"
RESET = "counter reject with tcp reset"
HALF = "numgen random mod 100 < 50 counter drop"

# A firewalld host has this module; not every one has the program `nft`.
RUN = """
import sys, nftables
nft = nftables.Nftables()
nft.set_json_output(sys.argv[1] == "json")
status, output, error = nft.cmd(sys.argv[2])
print(output)
sys.exit(error if status else 0)
"""


@dataclass(frozen=True)
class Rule:
    """A match and what is done, for packets that come (`input`) or go (`output`)."""

    hook: str
    text: str


@dataclass(frozen=True)
class Packets:
    """The rules in force on one host, in a table of their own."""

    platform: Platform
    host: str

    def counts(self) -> list[int]:
        """Return how many packets each rule has met: first those of `input`, then `output`."""
        return [
            expression["counter"]["packets"]
            for rule in self._listed("rule")
            for expression in rule["expr"]
            if "counter" in expression
        ]

    def count(self) -> int:
        """Return how many packets all rules together have met."""
        return sum(self.counts())

    def marked(self) -> list[int]:
        """Return the ports in the set `marked`."""
        (ports,) = self._listed("set")
        return [
            element if isinstance(element, int) else element["elem"]["val"]
            for element in ports.get("elem", [])
        ]

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        listing = json.loads(nft(self.platform, self.host, f"list table inet {TABLE}", form="json"))
        return [item[kind] for item in listing["nftables"] if kind in item]


@contextmanager
def rules(platform: Platform, host: str, *given: Rule) -> Iterator[Packets]:
    """Put rules in force on a host, before the firewall's; they are gone at the end.

    They may use the set `marked`, which takes local ports.
    """
    nft(platform, host, _table(given))
    try:
        yield Packets(platform, host)
    finally:
        remove_rules(platform, host)


@contextmanager
def rules_on(
    platform: Platform, hosts: Sequence[str], *given: Rule
) -> Iterator[dict[str, Packets]]:
    """Put the same rules in force on several hosts at the same time."""
    platform.each(hosts, lambda host: nft(platform, host, _table(given)))
    try:
        yield {host: Packets(platform, host) for host in hosts}
    finally:
        platform.each(hosts, lambda host: remove_rules(platform, host))


def remove_rules(platform: Platform, host: str) -> None:
    """Remove all rules of this module; nothing happens where there are none."""
    nft(platform, host, f"table inet {TABLE}; delete table inet {TABLE}")


def nft(platform: Platform, host: str, commands: str, form: str = "text") -> str:
    """Run commands of nftables on a host; return what it lists."""
    words = ["python3", "-c", RUN, form, commands]
    return platform.run(host, " ".join(map(shlex.quote, words)))


def query(word: str) -> str:
    """Match a packet that carries a statement which begins with these letters.

    MySQL's protocol sends length (3 bytes), number, the command 3, and the statement as text.
    """
    letters = word.encode()
    return f"@ih,40,{8 * len(letters)} 0x{letters.hex()}"


def _table(given: Sequence[Rule]) -> str:
    chains = [
        f"chain {hook} {{ type filter hook {hook} priority -300; "
        + "".join(f"{rule.text}; " for rule in given if rule.hook == hook)
        + "}"
        for hook in ("input", "output")
    ]
    ports = "set marked { type inet_service; size 65535; flags dynamic; }"
    return "\n".join([f"table inet {TABLE} {{", ports, *chains, "}"])
