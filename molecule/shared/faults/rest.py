"""The platform at rest: nothing of a fault is left, nothing is under way, nothing is parked."""

import json
import shlex
import time

from faults.packets import remove_rules
from faults.records import read_waiting
from faults.wire import restore_encryption
from tests.helpers.broker import DEAD_LETTERS, VHOST, Broker
from tests.helpers.parts import Parts
from tests.helpers.waiting import wait_until

# What a fault of this suite may leave behind when its run is killed goes by these names.
POLICY = "fault"
QUEUE = "fault-tap"
RECEIVERS = "fault-receiver-*"
REST_SECONDS = 120.0
ACCOUNT = "skillupworks"

SERVICES = """
units='payment order-processor'
systemctl service-watchdogs yes
for unit in $units; do
  systemctl cat --quiet $unit >/dev/null 2>&1 || continue
  systemctl kill --signal=CONT $unit 2>/dev/null
  if [ -d /run/systemd/system/$unit.service.d ]; then
    rm -r /run/systemd/system/$unit.service.d
    systemctl daemon-reload
    systemctl restart $unit
  fi
  systemctl reset-failed $unit 2>/dev/null
  systemctl start $unit
done
"""
# The limits as the broker's own configuration has them: an amount or a fraction.
LIMITS = {
    "memory": (
        "vm_memory_high_watermark",
        "set_vm_memory_high_watermark absolute",
        "set_vm_memory_high_watermark",
    ),
    "disk": ("disk_free_limit", "set_disk_free_limit", "set_disk_free_limit mem_relative"),
}
CONFIGURATION = "/etc/rabbitmq/rabbitmq.conf"


def heal(parts: Parts) -> None:
    """Undo every fault of the suite, also those of a run that was killed; idempotent."""
    platform = parts.platform

    def tidy(host: str) -> None:
        remove_rules(platform, host)
        platform.run(host, f"systemctl stop '{RECEIVERS}'")

    platform.each(platform.names, tidy)
    restore_encryption(parts)
    parts.on_database(f"systemctl start {parts.database.unit}")
    parts.on_broker("systemctl start rabbitmq-server")
    wait_until("the broker answers", parts.broker.answers, 90)
    _tidy_broker(parts)
    hosts = sorted({parts.payment.host, *(processor.host for processor in parts.processors)})
    platform.each(hosts, lambda host: platform.run(host, f"bash -c {shlex.quote(SERVICES)}"))
    parts.wait_until_ready(90)


def restore_limit(parts: Parts, name: str) -> None:
    """Give the broker back the limit of `memory` or `disk` that is configured."""
    setting, *commands = LIMITS[name]
    for kind, command in zip(("absolute", "relative"), commands, strict=True):
        search = f"sed -n 's/^{setting}.{kind} = //p' {CONFIGURATION}"
        if value := parts.on_broker(search):
            parts.on_broker(f"rabbitmqctl --quiet {command} {value}")


def set_password(broker: Broker, password: str) -> None:
    """Give the services' account a password; its permissions and tags stay."""
    user = broker.get(f"/users/{ACCOUNT}")
    broker.put(f"/users/{ACCOUNT}", {"password": password, "tags": ",".join(user["tags"])})


def alarms(broker: Broker) -> list[str]:
    """Return the alarms in force, such as `memory`."""
    nodes = broker.get("/nodes")
    names = {"mem_alarm": "memory", "disk_free_alarm": "disk"}
    return [name for node in nodes for field, name in names.items() if node.get(field)]


def wait_for_rest(parts: Parts, seconds: float = REST_SECONDS) -> dict[str, int]:
    """Return nothing once nothing is under way; after `seconds`, what still is."""
    deadline = time.monotonic() + seconds
    while (waiting := read_waiting(parts)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return waiting


def check_rest(parts: Parts) -> None:
    """Fail unless the platform is at rest, so that a run can tell what is its own."""
    waiting = wait_for_rest(parts)
    assert not waiting, f"the platform is not at rest before the fault: {json.dumps(waiting)}"
    parked = parts.broker.queue(DEAD_LETTERS)["messages"]
    assert not parked, (
        f"{parked} messages are parked in {DEAD_LETTERS} from before: look at them,"
        " and replay or drop them first"
    )


def empty_dead_letters(parts: Parts) -> None:
    """Drop what is parked; what was looked at a moment ago may not be back yet."""

    def empty() -> bool:
        parts.broker.purge_parked()
        return not parts.broker.queue(DEAD_LETTERS)["messages"]

    wait_until("nothing is parked", empty)


def _tidy_broker(parts: Parts) -> None:
    broker = parts.broker
    for policy in broker.get(f"/policies/{VHOST}"):
        if policy["name"].startswith(POLICY):
            broker.delete(f"/policies/{VHOST}/{policy['name']}")
    for queue in broker.get(f"/queues/{VHOST}?disable_stats=true"):
        if queue["name"] == QUEUE:
            broker.delete(f"/queues/{VHOST}/{QUEUE}")
    for alarm in alarms(broker):
        restore_limit(parts, alarm)
    set_password(broker, parts.platform.secrets["vault_rabbitmq_skillupworks_password"])
