"""No password that somebody could guess opens anything."""

import httpx
import pytest

from tests.helpers.hosts import Platform
from tests.helpers.services import Service

GUESSES = [
    ("guest", "guest"),
    ("admin", "Admin@123"),
    ("admin", "admin"),
    ("skillupworks", "skillupworks@123"),
]

AMQP_LOGIN = """
import json, logging, os, pika
logging.disable()
answers = []
for user, password in {guesses!r}:
    parameters = pika.ConnectionParameters(
        os.environ["RABBITMQ_HOST"], credentials=pika.PlainCredentials(user, password))
    try:
        pika.BlockingConnection(parameters)
        answers.append("let in")
    except pika.exceptions.ProbableAuthenticationError:
        answers.append("refused")
print(json.dumps(answers))
"""

MYSQL_LOGIN = """
import json, os, pymysql
answers = []
for user, password in {guesses!r}:
    try:
        pymysql.connect(host=os.environ["MYSQL_HOST"], user=user, password=password)
        answers.append("let in")
    except pymysql.err.OperationalError as error:
        answers.append(error.args[0])
print(json.dumps(answers))
"""
ACCESS_DENIED = (1045, 1698)


def test_the_broker_has_no_user_guest(platform: Platform) -> None:
    """The package's own user, whose password everybody knows, is gone."""
    assert "guest" not in platform.run(platform.only("rabbitmq"), "rabbitmqctl list_users")


@pytest.mark.parametrize(("user", "password"), GUESSES)
def test_the_management_interface_refuses(platform: Platform, user: str, password: str) -> None:
    """Default passwords, and those of the runbook's example, are refused."""
    address = platform.address(platform.only("rabbitmq"))
    answer = httpx.get(f"http://{address}:15672/api/whoami", auth=(user, password))
    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_the_broker_refuses_them_over_amqp(processors: list[Service]) -> None:
    """The same from a host that may connect."""
    answers = processors[0].python(AMQP_LOGIN.format(guesses=GUESSES))
    assert answers == ["refused"] * len(GUESSES)


def test_the_database_refuses_root_and_nobody_over_the_network(processors: list[Service]) -> None:
    """Root has no password and comes through the socket; there is no anonymous user."""
    guesses = [("root", ""), ("root", "root"), ("", ""), ("mysql", ""), ("order_processor", "")]
    answers = processors[0].python(MYSQL_LOGIN.format(guesses=guesses))
    assert all(answer in ACCESS_DENIED for answer in answers), answers


def test_root_of_the_database_is_root_of_its_host_only(platform: Platform) -> None:
    """Another account of the host is refused through the socket as well."""
    data = platform[platform.only("mysql")]
    answer = data.run("runuser -u skillupworks -- mysql --user=root -e 'SELECT 1'")
    assert answer.rc != 0
    assert "Access denied" in answer.stderr
