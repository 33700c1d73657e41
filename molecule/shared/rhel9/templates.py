"""The roles' templates as they are on a host with RHEL 9."""

from __future__ import annotations

import re

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rhel9.claims import variables
from rhel9.paths import ROLES


def rendered(role: str, name: str, **values: object) -> str:
    """Return a role's template with its variables on RHEL and the given ones.

    Knows Jinja's own filters and tests and Ansible's test `match`; raises jinja2.TemplateError
    for others, and for what has no value.
    """
    # autoescape is for web pages; these are settings of programs
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(ROLES / role / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.tests["match"] = lambda text, pattern: re.match(pattern, text) is not None
    return environment.get_template(name).render({**variables(role), **values})
