"""The console scripts say whether they would start, with the exit status systemd knows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .test_settings import VALID

PAYMENT = VALID | {
    "REDIS_HOST": "127.0.0.1",
    "REDIS_USER": "payment",
    "REDIS_PASS": "secret",
    "CATALOGUE_URL": "http://127.0.0.1:8081",
    "SHIPPING_URL": "http://127.0.0.1:8085",
    "GATEWAY_WEBHOOK_SECRET": "sixteen characters",
}


def run(service: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    module = service.replace("-", "_")
    source = str(Path(__file__).parents[1] / "src")
    command = [sys.executable, "-c", f"from skillupworks.shop.{module} import main; main()"]
    return subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": source} | environment,
    )


def test_check_config_accepts_a_valid_environment() -> None:
    result = run("order-processor", "--check-config", **VALID)

    assert (0, "configuration ok\n", "") == (result.returncode, result.stdout, result.stderr)


def test_check_config_names_each_wrong_variable_and_ends_with_78() -> None:
    result = run("order-processor", "--check-config", **VALID | {"RABBITMQ_PREFETCH": "many"})

    assert result.returncode == os.EX_CONFIG
    assert result.stderr == "RABBITMQ_PREFETCH: must be between 1 and 2000, got 'many'\n"


def test_the_service_itself_ends_the_same_way() -> None:
    result = run("payment")

    assert result.returncode == os.EX_CONFIG
    events = [json.loads(line)["event"] for line in result.stderr.splitlines()]
    assert "RABBITMQ_HOST: is required" in events


def test_payment_does_not_start_with_a_wrong_shipping_method(tmp_path: Path) -> None:
    methods = tmp_path / "shipping_methods.json"
    methods.write_text(json.dumps({"currency": "INR", "methods": [{"code": "a", "name": "A"}]}))

    result = run("payment", "--check-config", **PAYMENT, SHIPPING_METHODS_FILE=str(methods))

    assert result.returncode == os.EX_CONFIG
    line = f"SHIPPING_METHODS_FILE: {methods}: methods[0].price_minor: Field required\n"
    assert line == result.stderr


def test_payment_accepts_the_shipping_methods_of_the_repository() -> None:
    methods = Path(__file__).parents[2] / "files" / "shipping_methods.json"

    result = run("payment", "--check-config", **PAYMENT, SHIPPING_METHODS_FILE=str(methods))

    assert (0, "configuration ok\n") == (result.returncode, result.stdout)


@pytest.mark.parametrize("service", ["order-processor", "payment"])
def test_a_migration_needs_a_database_and_says_in_one_line_why_it_failed(service: str) -> None:
    # nothing listens on the discard port
    environment = VALID | {"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "9"}

    result = run(service, "--migrate", **environment)

    assert result.returncode == 1
    assert result.stderr.startswith("Error: Can't connect to MySQL server on '127.0.0.1'")
    assert len(result.stderr.splitlines()) == 1


CART = {"REDIS_HOST": "10.0.0.4", "REDIS_USER": "cart", "REDIS_PASS": "s3cret"}


def test_cart_accepts_a_valid_environment() -> None:
    result = run("cart", "--check-config", **CART)

    assert (0, "configuration ok\n", "") == (result.returncode, result.stdout, result.stderr)


def test_cart_names_each_wrong_variable() -> None:
    wrong = {"REDIS_PASS": "", "CATALOGUE_URL": "app1:8081", "CART_TTL_SECONDS": "0"}

    result = run("cart", "--check-config", **CART | wrong)

    assert result.returncode == os.EX_CONFIG
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [
        "REDIS_PASS",
        "CATALOGUE_URL",
        "CART_TTL_SECONDS",
    ]


def test_a_service_without_a_schema_has_nothing_to_migrate() -> None:
    result = run("cart", "--migrate", **CART)

    assert result.returncode == 2  # argparse's
    assert "unrecognized arguments: --migrate" in result.stderr


USER = {
    "MONGODB_HOST": "10.0.0.4",
    "REDIS_HOST": "10.0.0.4",
    "REDIS_USER": "user",
    "REDIS_PASS": "s3cret",
}


def test_user_accepts_a_valid_environment() -> None:
    proxies = {"TRUSTED_PROXIES": "10.0.0.5, 10.1.0.0/16", "COOKIE_SECURE": "false"}

    result = run("user", "--check-config", **USER | proxies)

    assert (0, "configuration ok\n", "") == (result.returncode, result.stdout, result.stderr)


def test_user_names_each_wrong_variable() -> None:
    wrong = {
        "MONGODB_HOST": "",
        "TRUSTED_PROXIES": "nginx",
        "COOKIE_SECURE": "perhaps",
        "LOGIN_ATTEMPTS_ACCOUNT": "0",
        "PASSWORD_MEMORY_KIB": "1",
    }

    result = run("user", "--check-config", **USER | wrong)

    assert result.returncode == os.EX_CONFIG
    assert {line.partition(":")[0] for line in result.stderr.splitlines()} == set(wrong)


def test_user_refuses_sessions_that_would_end_before_they_may() -> None:
    seconds = {"SESSION_IDLE_SECONDS": "61", "SESSION_LONGEST_SECONDS": "60"}

    result = run("user", "--check-config", **USER | seconds)

    assert result.returncode == os.EX_CONFIG
    assert result.stderr.startswith("SESSION_IDLE_SECONDS: must not be more than")


def test_user_needs_its_database_to_be_prepared() -> None:
    # nothing listens on the discard port
    environment = {"MONGODB_HOST": "127.0.0.1", "MONGODB_PORT": "9"}

    result = run("user", "--migrate", **environment)

    assert result.returncode == 1
    assert result.stderr.startswith("Error: MongoDB: 127.0.0.1:9: ")
    assert len(result.stderr.splitlines()) == 1
