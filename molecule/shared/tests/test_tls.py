"""The shop over TLS: with a certificate that is made on the host, and with a given one.

Both are deployed onto the running platform, which is put back as it was.
"""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.helpers import ansible
from tests.helpers.hosts import Platform
from tests.helpers.parts import Parts

CERTIFICATE = "/etc/nginx/tls/certificate.pem"
# what goes by frontend_tls: the firewall, nginx, and the cookies of the user service
HERE = ("base", "shop", "--limit=frontend:user")
HSTS_SECONDS = 600
POLICY = "openssl ciphers PROFILE=SYSTEM"


@pytest.fixture(scope="module")
def host(platform: Platform, parts: Parts) -> Iterator[str]:
    """Return the frontend's host, which is as the inventory says afterwards."""
    name = platform.group("frontend")[0]
    if platform.system(name).crypto_policies and platform[name].run(POLICY).rc != 0:
        pytest.skip("the OpenSSL of this contract host has no crypto policies")
    yield name
    ansible.playbooks(*HERE)
    platform.run(name, "rm -rf /etc/nginx/tls")
    parts.wait_until_ready()


@pytest.fixture(scope="module")
def selfsigned(host: str) -> str:
    """Deploy with a certificate that is made on the host; return the host."""
    ansible.playbooks(*HERE, variables={"frontend_tls": "selfsigned"})
    return host


@pytest.fixture(scope="module")
def given(
    selfsigned: str, platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, ansible.Run]:
    """Deploy twice with a certificate of our own; return host, certificate, and the second run."""
    folder = tmp_path_factory.mktemp("tls")
    address = platform.address(selfsigned)
    made = platform.run(
        selfsigned,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        f" -subj /CN=shop.example -addext subjectAltName=IP:{address} -keyout /dev/stdout"
        " 2>/dev/null",
    )
    key, certificate = (folder / name for name in ("key.pem", "certificate.pem"))
    end = made.index("-----BEGIN CERTIFICATE-----")
    key.write_text(made[:end])
    certificate.write_text(made[end:])
    variables = {
        "frontend_tls": "files",
        "frontend_tls_certificate": str(certificate),
        "frontend_tls_key": str(key),
        "frontend_hsts_seconds": HSTS_SECONDS,
    }
    frontend = ("shop", "--limit=frontend")
    ansible.playbooks(*frontend, variables=variables)
    return selfsigned, certificate, ansible.playbooks(*frontend, variables=variables)


def trusting(platform: Platform, host: str) -> ssl.SSLContext:
    """Return a client's context that trusts the host's certificate and no other."""
    return ssl.create_default_context(cadata=platform.run(host, f"cat {CERTIFICATE}"))


def agreed(platform: Platform, host: str, context: ssl.SSLContext) -> tuple[str, str]:
    """Begin to talk; return the version of TLS and the protocol in it."""
    address = platform.address(host)
    with (
        socket.create_connection((address, 443), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=address) as talk,
    ):
        return talk.version() or "", talk.selected_alpn_protocol() or ""


def test_a_made_certificate_is_for_the_shops_address(platform: Platform, selfsigned: str) -> None:
    """Who trusts it gets the shop, by HTTP/2 and the current TLS."""
    context = trusting(platform, selfsigned)
    url = f"https://{platform.address(selfsigned)}/"
    answer = httpx.get(url, verify=context, trust_env=False, timeout=20)
    assert answer.status_code == 200
    # it is not known for how long a certificate of this kind is kept
    assert "strict-transport-security" not in answer.headers
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"

    context.set_alpn_protocols(["h2", "http/1.1"])
    assert agreed(platform, selfsigned, context) == ("TLSv1.3", "h2")
    assert platform.run(selfsigned, "stat -c %a /etc/nginx/tls/key.pem").strip() == "600"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1])
def test_old_versions_of_tls_are_not_spoken(
    platform: Platform, selfsigned: str, version: ssl.TLSVersion
) -> None:
    """Although this client would."""
    context = trusting(platform, selfsigned)
    context.minimum_version = version
    context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        agreed(platform, selfsigned, context)


def test_who_comes_without_tls_is_led_to_it(platform: Platform, selfsigned: str) -> None:
    """To the same place with the same method; only the health of nginx can be asked for."""
    address = platform.address(selfsigned)
    with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=20) as client:
        answer = client.post("/api/cart/x?a=b%20c")
        assert answer.status_code == 308
        assert answer.headers["location"] == f"https://{address}/api/cart/x?a=b%20c"
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "evil.example:80", "evil.example.", "x@y"])
def test_nobody_is_led_to_another_site(platform: Platform, selfsigned: str, name: str) -> None:
    """Whatever shop a client, or what stands before it, says that it wants."""
    address = platform.address(selfsigned)
    answer = httpx.get(
        f"http://{address}/cart?a=b", headers={"Host": name}, trust_env=False, timeout=20
    )
    if answer.status_code != 400:
        assert answer.status_code == 308
        assert answer.headers["location"] == f"https://{address}/cart?a=b"


def test_one_of_the_shops_names_is_kept(platform: Platform, selfsigned: str) -> None:
    """Others than the first, too, however they are written; an unknown one becomes the first."""
    address = platform.address(selfsigned)
    names = ["shop.example", "www.shop.example"]
    ansible.playbooks(
        *("shop", "--limit=frontend"),
        variables={"frontend_tls": "selfsigned", "frontend_tls_names": names},
    )
    try:
        for asked, led in [
            ("www.shop.example", "www.shop.example"),
            ("WWW.Shop.example:80", "www.shop.example"),
            ("shop.example", "shop.example"),
            (address, "shop.example"),
            ("evil.example", "shop.example"),
        ]:
            answer = httpx.get(
                f"http://{address}/", headers={"Host": asked}, trust_env=False, timeout=20
            )
            assert answer.headers["location"] == f"https://{led}/", asked
    finally:
        ansible.playbooks("shop", "--limit=frontend", variables={"frontend_tls": "selfsigned"})


def test_cookies_are_sent_over_tls_only(platform: Platform, selfsigned: str) -> None:
    """Nor can scripts read them, or other sites have them sent."""
    address = platform.address(selfsigned)
    answer = httpx.post(
        f"https://{address}/api/user/guests",
        json={},
        headers={"Origin": f"https://{address}", "X-Requested-With": "shop"},
        verify=trusting(platform, selfsigned),
        trust_env=False,
        timeout=20,
    )
    assert answer.status_code == 201, answer.text
    cookie = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
    assert {"secure", "httponly"} <= cookie
    assert cookie & {"samesite=lax", "samesite=strict"}


def test_a_given_certificate_replaces_the_made_one(
    platform: Platform, given: tuple[str, Path, ansible.Run]
) -> None:
    """And browsers are told to come by TLS only; deploying it again changes nothing."""
    host, certificate, again = given
    assert platform.run(host, f"cat {CERTIFICATE}").strip() == certificate.read_text().strip()
    answer = httpx.get(
        f"https://{platform.address(host)}/",
        verify=ssl.create_default_context(cafile=str(certificate)),
        trust_env=False,
        timeout=20,
    )
    assert answer.headers["strict-transport-security"] == f"max-age={HSTS_SECONDS}"
    assert again.changed == []
