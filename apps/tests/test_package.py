"""A service has in its memory what it uses: what others import for nothing is not loaded."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = str(Path(__file__).parents[1] / "src")


def run(program: str) -> str:
    """Run a program in a process of its own and return what it prints."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": SOURCE},
    )
    return result.stdout.strip()


def test_the_order_processor_loads_nothing_for_nothing() -> None:
    unused = ("asyncio.events", "html.entities", "rich", "sqlalchemy", "pydantic_settings")
    others = ("smtplib", "urllib3", "fastapi", "alembic")

    loaded = run(
        "import sys, skillupworks.shop.order_processor\n"
        f"print([name for name in {unused + others} if name in sys.modules])"
    )

    assert loaded == "[]"


def test_what_was_left_out_is_there_for_whoever_uses_it() -> None:
    printed = run(
        "import skillupworks\n"
        "import asyncio, html, logging, rich\n"
        "from asyncio import subprocess\n"
        "from html import entities\n"
        "logging.LogRecord('name', 0, 'path', 0, 'text', (), None)\n"
        "print(asyncio.run(asyncio.sleep(0, 'slept')), html.unescape('&lt;'), bool(rich.__file__))"
    )

    assert printed == "slept < True"
