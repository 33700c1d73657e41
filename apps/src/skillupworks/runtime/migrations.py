"""Brings a service's schema up to date with Alembic; safe to run twice and in parallel."""

import sqlalchemy as sa

from skillupworks.errors import SkillUpWorksError

__all__ = ["migrate", "run_environment"]

LOCK_SECONDS = 60


def migrate(engine: sa.Engine, schema: str, scripts: str) -> str:
    """Upgrade to the newest revision and return the line that says what was done.

    `scripts` is the folder of revisions as "package:folder". Another run on the same database
    is waited for; SkillUpWorksError when it does not end within a minute.
    """
    # Alembic and what it brings take 12 MB: only for the run that migrates
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", scripts)
    config.set_main_option("path_separator", "os")
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        lock = {"name": f"skillupworks.migrate.{engine.url.database}", "seconds": LOCK_SECONDS}
        if not connection.scalar(sa.text("SELECT GET_LOCK(:name, :seconds)"), lock):
            raise SkillUpWorksError(f"schema {schema}: another migration still runs")
        try:
            if MigrationContext.configure(connection).get_current_revision() == head:
                return f"schema {schema}: up to date at {head}"
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(sa.text("SELECT RELEASE_LOCK(:name)"), {"name": lock["name"]})
    return f"schema {schema}: upgraded to {head}"


def run_environment() -> None:
    """Body of each revision folder's env.py: run on the connection that holds the lock."""
    from alembic import context  # noqa: PLC0415 - see above

    context.configure(connection=context.config.attributes["connection"])
    with context.begin_transaction():
        context.run_migrations()
