"""The catalogue's stock before and after a load, written by a program on the catalogue's host."""

import json
import shlex
from pathlib import Path

__all__ = ["PROGRAM", "command", "shipped"]

# read by the command from its standard input
PROGRAM = (Path(__file__).parent / "guest" / "put_stock.py").read_text(encoding="utf-8")
FILE = Path(__file__).resolve().parents[2] / "files" / "catalogue" / "products.json"
# the secrets stay on the host
RUN = (
    "set -a; . /etc/skillupworks/catalogue.env;"
    " export $(systemctl show catalogue --property=Environment --value);"
    " exec /opt/skillupworks/current/bin/python -"
)


def shipped() -> dict[str, int]:
    """Return by sku how many the project's files deliver."""
    products = json.loads(FILE.read_text(encoding="utf-8"))
    return {product["sku"]: product["stock"] for product in products}


def command(stock: dict[str, int]) -> str:
    """Return the shell command for the catalogue's host that writes these numbers by sku."""
    return f"sudo bash -ec {shlex.quote(f'{RUN} {shlex.quote(json.dumps(stock))}')}"
