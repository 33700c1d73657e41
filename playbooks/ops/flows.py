#!/usr/bin/env python
"""Print docs/flows.md: who may talk to whom, from the table that the firewalls are made from.

Usage: flows.py

The table's expressions are resolved by Ansible, for an inventory where each group has two hosts
whose address is the name of the group. Needs no host.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
TABLE = PROJECT / "playbooks" / "group_vars" / "all" / "flows.yml"
# Ansible's commands stand beside the Python that runs this.
BIN = Path(sys.executable).parent
OPERATORS, CUSTOMERS = "operators", "customers"

PAGE = """\
# Allowed flows

Written by `make flows` from `playbooks/group_vars/all/flows.yml`, the table that every host's
firewall is made from: what is not in it is refused at once. `test_nmap.py` scans every TCP port
of each host from all others, and compares; no host lets UDP in. Of another lab than
`inventory/lab`, that is

```
ANSIBLE_INVENTORY=inventory/single .venv/bin/pytest molecule/shared/tests/test_nmap.py
```

Names in code style are groups of the inventory; what two of them on one host say to each other
stays inside it. *Operators* are `platform_admin_networks`, *customers* are
`platform_customer_networks`, by default the operators. SSH (22) is open on every host to
`base_ssh_sources`, by default to everybody. What a host opens to the outside itself, such as the
e-mails of the order processor, is not restricted.

| from | to | port | why |
|---|---|---|---|
{rows}
"""


def flows() -> list[dict[str, Any]]:
    """Return the table with names of groups instead of addresses."""
    text = TABLE.read_text(encoding="utf-8")
    groups = set(re.findall(r"platform_addresses\.(\w+)", text))
    groups |= {flow["to"] for flow in yaml.safe_load(text)["platform_common_flows"]}
    inventory = {
        "all": {
            "vars": {
                "platform_admin_networks": [OPERATORS],
                "platform_customer_networks": [CUSTOMERS],
            },
            "children": {
                group: {"hosts": {f"{group}-{place}": {"ansible_host": group} for place in (1, 2)}}
                for group in groups
            },
        }
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(inventory, file)
        file.flush()
        run = subprocess.run(
            [
                *(BIN / "ansible", "-i", file.name, "rabbitmq-1"),
                *("-m", "ansible.builtin.debug", "-a", "var=platform_common_flows"),
                *("--playbook-dir", PROJECT / "playbooks"),
            ],
            cwd=PROJECT,
            env=os.environ
            | {
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            }
            # instead of the timers of ansible.cfg; an empty name is an error
            | {"ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal"},
            check=True,
            capture_output=True,
            text=True,
        )
    task = json.loads(run.stdout)["plays"][0]["tasks"][0]
    found: list[dict[str, Any]] = task["hosts"]["rabbitmq-1"]["platform_common_flows"]
    return found


def row(flow: dict[str, Any]) -> str:
    """Return a flow's line of the page."""
    first, _, last = str(flow["port"]).partition("-")
    port = first if last in ("", first) else f"{first} to {last}"
    sources = ", ".join(_name(source) for source in dict.fromkeys(flow["from"]))
    return f"| {sources} | {_name(flow['to'])} | {port} | {flow['why']} |"


def _name(party: str) -> str:
    return f"*{party}*" if party in (OPERATORS, CUSTOMERS) else f"`{party}`"


if __name__ == "__main__":
    sys.stdout.write(PAGE.format(rows="\n".join(map(row, flows()))))
