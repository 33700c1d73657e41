"""The services: their units, their secrets, their release, and what their journal carries."""

import re
import shlex

import pytest

from tests.helpers.ansible import variable
from tests.helpers.broker import Broker
from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.services import (
    Service,
    carts,
    catalogues,
    order_processors,
    payments,
    shippings,
    users,
)
from tests.helpers.shop import Shop
from tests.helpers.waiting import wait_until

RELEASES = "/opt/skillupworks/releases"
MOST_EXPOSURE = 1.5
PROCESSED = "skillupworks_consumer_processed_total"
# of these, one order that nothing goes wrong with is one
OF_EACH_ORDER = (
    "skillupworks_consumer_received_total",
    PROCESSED,
    "skillupworks_consumer_handler_seconds_count",
    "skillupworks_order_seconds_count",
)
GREP = "grep --text --count --fixed-strings --file=/dev/fd/9"


@pytest.fixture(scope="module", name="services")
def _services(platform: Platform) -> list[Service]:
    """Return every service of ours on every host."""
    ours = order_processors(platform) + payments(platform) + shippings(platform)
    return ours + carts(platform) + catalogues(platform) + users(platform)


def test_a_unit_is_the_one_of_the_guide(services: list[Service]) -> None:
    """User, restart policy and journal identifier are what the guide's unit says."""
    for service in services:
        shown = service.show("User", "Restart", "RestartUSec", "SyslogIdentifier", "UnitFileState")
        assert shown == {
            "User": "skillupworks",
            "Restart": "always",
            "RestartUSec": "10s",
            "SyslogIdentifier": service.unit,
            "UnitFileState": "enabled",
        }, str(service)


def test_a_process_belongs_to_the_account_without_a_shell(services: list[Service]) -> None:
    """All processes of the service do, and have no capability left."""
    for service in services:
        status = service.run(f"cat /proc/{service.pid}/status")
        user = service.run("id --user skillupworks")
        assert re.search(rf"^Uid:\t{user}\t{user}\t{user}\t{user}$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)


def test_the_exposure_of_a_service_is_low(services: list[Service]) -> None:
    """Systemd's own judge."""
    for service in services:
        judged = service.run(f"systemd-analyze security --no-pager {service.unit} | tail --lines=1")
        score = float(re.findall(r"exposure level for \S+: (\d+\.\d+)", judged)[0])
        assert score <= MOST_EXPOSURE, str(service)


def test_systemd_watches_the_service_and_is_told_that_it_works(services: list[Service]) -> None:
    """The watchdog is on and was fed lately, and the status line says what goes on."""
    for service in services:
        shown = service.show(
            "Type", "WatchdogUSec", "WatchdogTimestampMonotonic", "NRestarts", "StatusText"
        )
        assert (shown["Type"], shown["WatchdogUSec"]) == ("notify", "30s")
        uptime = float(service.run("cut --delimiter=' ' --fields=1 /proc/uptime"))
        assert uptime - int(shown["WatchdogTimestampMonotonic"]) / 1e6 < 30
        assert re.search("connected|listening", shown["StatusText"]), str(service)


def test_no_order_line_is_dropped_by_a_rate_limit(services: list[Service]) -> None:
    """The journal knows the services' limit, which is out of reach, and not only systemd does."""
    for service in services:
        told = "/run/systemd/units/log-rate-limit"
        for limit, expected in (("interval", "1000000"), ("burst", "1000000")):
            assert service.run(f"readlink {told}-{limit}:{service.unit}.service") == expected


def test_a_service_cannot_take_all_of_a_host(services: list[Service]) -> None:
    """Files, memory and threads are limited."""
    for service in services:
        assert service.show("LimitNOFILE", "MemoryMax", "TasksMax") == {
            "LimitNOFILE": "8192",
            "MemoryMax": str(512 * 1024**2),
            "TasksMax": "128",
        }


def test_secrets_are_in_a_file_that_only_root_can_read(services: list[Service]) -> None:
    """The file holds all passwords of the service and nothing else."""
    for service in services:
        file = service.platform[service.host].file(f"/etc/skillupworks/{service.unit}.env")
        assert (oct(file.mode), file.user, file.group) == ("0o600", "root", "root")
        names = re.findall(r"^(\w+)=", file.content_string, re.MULTILINE)
        documents = service.platform.system(service.platform.only("mongodb"))
        documents_pass = {"MONGODB_PASS"} if documents.documents_have_accounts else set()
        # these have nothing to do with the broker
        expected = {
            "shipping": {"MYSQL_PASS"},
            "cart": {"REDIS_PASS"},
            "catalogue": documents_pass,
            "user": {"REDIS_PASS"} | documents_pass,
            "payment": {"MYSQL_PASS", "RABBITMQ_PASS", "REDIS_PASS", "GATEWAY_WEBHOOK_SECRET"},
        }
        assert set(names) == expected.get(service.unit, {"MYSQL_PASS", "RABBITMQ_PASS"})


def test_no_secret_is_anywhere_else_on_a_host(platform: Platform) -> None:
    """Not in a unit, not in what systemd shows, not among the processes, not in the journal."""
    places = (
        "cat /etc/systemd/system/*.service; systemctl show '*'; ps axww; cat /var/log/*.log;"
        " cat /var/log/*/*.log; journalctl --quiet --boot --output=export;"
        " find /tmp /var/tmp /opt/skillupworks/current/ -type f -exec cat {} +"
    )
    # The secrets are grep's patterns: they come through its input, and the places through a pipe.
    search = f"bash -c {shlex.quote(f'exec 9<&0; {{ {places}; }} 2>&1 </dev/null | {GREP}')}"

    def lines_with_secrets(host: str) -> str:
        return platform.feed(host, search, "\n".join(platform.secrets.values()) + "\n")

    assert len(platform.secrets) >= 7
    found = platform.each(platform.names, lines_with_secrets)
    assert found == dict.fromkeys(platform.names, "0")


def test_another_account_cannot_read_the_secrets_of_a_service(services: list[Service]) -> None:
    """Not from the file, and not from the environment of the process."""
    for service in services:
        look = f"cat /etc/skillupworks/{service.unit}.env /proc/{service.pid}/environ"
        answer = service.platform[service.host].run(f"runuser -u nobody -- {look}")
        assert answer.stdout == ""
        assert answer.stderr.count("Permission denied") == 2


def test_the_release_is_the_one_that_was_built(services: list[Service]) -> None:
    """`current` leads to the version of the deployment, and the service runs from there."""
    versions = variable("app_release_version")
    for service in services:
        version = versions[service.host]
        assert service.run("readlink /opt/skillupworks/current") == f"releases/{version}"
        assert service.run(f"readlink /proc/{service.pid}/cwd") == f"{RELEASES}/{version}"
        environment = service.show("Environment")["Environment"].split()
        assert f"SKILLUPWORKS_RELEASE={version}" in environment


def test_releases_belong_to_root_and_few_are_kept(services: list[Service]) -> None:
    """The services cannot change their own code; nothing is left of an installation."""
    for service in services:
        assert service.run("find /opt/skillupworks ! -user root -o -perm /022 ! -type l") == ""
        assert 1 <= len(service.run(f"ls {RELEASES}").split()) <= 3
        assert service.run(f"find {RELEASES} -mindepth 1 -maxdepth 1 ! -type d") == ""
        assert not service.platform[service.host].file("/opt/skillupworks/incoming").exists
        assert not service.platform[service.host].file("/app").exists


def test_consumers_on_all_hosts_share_the_queue(broker: Broker, platform: Platform) -> None:
    """Each takes as many messages at a time as the setting says, and acknowledges them."""
    consumers = broker.consumers()
    peers = sorted(consumer["channel_details"]["peer_host"] for consumer in consumers)
    hosts = platform.group("order_processor")
    assert peers == sorted(platform.address(name) for name in hosts)
    assert {consumer["prefetch_count"] for consumer in consumers} == {200}
    assert {consumer["ack_required"] for consumer in consumers} == {True}


def test_orders_are_shared_between_the_hosts(
    shop: Shop, journal: Journal, platform: Platform
) -> None:
    """Of many orders each host processes some; each is processed by one, whoever sends its mail."""
    order_ids = [shop.place("Linux")["orderId"] for _ in range(10)]
    shop.wait_until_processed(*order_ids)
    hosts = {
        order_id: {e["_HOSTNAME"] for e in journal.of_order(order_id) if "OUTCOME" in e}
        for order_id in order_ids
    }
    assert all(len(found) == 1 for found in hosts.values()), hosts
    assert set().union(*hosts.values()) == set(platform.group("order_processor"))


def test_an_order_can_be_followed_by_its_id_through_the_journal(
    shop: Shop, journal: Journal
) -> None:
    """Beside the lines for people stand fields for machines."""
    order = shop.buy("Git", "Git", "Linux")
    block = journal.block(order["orderId"])
    assert block[3:7] == [
        "Total: ₹3597.00",
        "Items: 2",
        "  - Git x 2 = ₹1598",
        "  - Linux x 1 = ₹1999",
    ]
    entries = journal.of_order(order["orderId"])
    assert {entry["_SYSTEMD_UNIT"] for entry in entries} == {"order-processor.service"}
    (result,) = [entry for entry in entries if "OUTCOME" in entry]
    assert result["MESSAGE"] == "✅ Order processed successfully!"
    assert (result["OUTCOME"], result["ATTEMPT"]) == ("processed", "1")
    assert float(result["DURATION_MS"]) > 0


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_a_service_tells_monitoring_how_it_is(services: list[Service], path: str) -> None:
    """On its own host, every service answers; metrics are Prometheus's text."""
    for service in services:
        head, _, body = service.http(path).partition("\r\n\r\n")
        assert " 200 " in head.splitlines()[0], str(service)
        if path == "/metrics":
            assert "# TYPE skillupworks_" in body


def test_an_order_is_counted_where_it_is_relayed_and_where_it_is_processed(
    shop: Shop, payment: Service, processors: list[Service]
) -> None:
    """Once on its way, on whichever host; and what says how a service is now says so."""
    relayed, before = payment.metrics(), processed(processors)
    shop.buy("Linux")
    wait_until("it is counted", lambda: processed(processors)[PROCESSED] > before[PROCESSED])
    after = processed(processors)
    grown = {name: after[name] - before[name] for name in before}
    # as many calls of the handler as there were orders, since there was no other
    assert grown == dict.fromkeys(before, 1)

    published = relayed["skillupworks_outbox_published_total"] + 1
    wait_until(
        "its message is counted as confirmed, and no other waits",
        lambda: (
            payment.metrics()["skillupworks_outbox_published_total"] == published
            and payment.metrics()["skillupworks_outbox_depth"] == 0
        ),
    )
    assert payment.metrics()["skillupworks_outbox_broker_connected"] == 1
    for service in processors:
        wait_until(f"{service} has nothing in hand", lambda each=service: not in_hand(each))  # type: ignore[misc]
        assert service.metrics()["skillupworks_consumer_connected"] == 1, str(service)


def processed(services: list[Service]) -> dict[str, float]:
    """Return what order processors count of each order, over all of them."""
    counted = [service.metrics() for service in services]
    return {name: sum(each[name] for each in counted) for name in OF_EACH_ORDER}


def in_hand(service: Service) -> float:
    """Return how many messages a consumer has, and how many wait for one."""
    metrics = service.metrics()
    names = ("skillupworks_consumer_in_flight", "skillupworks_consumer_queue_length")
    assert set(names) <= set(metrics)
    return sum(metrics[name] for name in names)
