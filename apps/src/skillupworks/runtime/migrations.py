"""Brings a service's schema up to date with Alembic; safe to run twice and in parallel."""

from typing import TYPE_CHECKING

from skillupworks.errors import SkillUpWorksError
from skillupworks.runtime.settings import DatabaseSettings

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["migrate", "run_environment"]

CONNECT_SECONDS = 5
# another migration is waited for so long, and so is a service that is in the middle of a
# transaction with a table that is to be changed
LOCK_SECONDS = 60


def migrate(settings: DatabaseSettings, schema: str, scripts: str) -> str:
    """Upgrade to the newest revision and return the line that says what was done.

    `scripts` is the folder of revisions as "package:folder". Another run on the same database
    is waited for; SkillUpWorksError when it does not end within a minute.
    """
    # Alembic and SQLAlchemy take 25 MB: only for the run that migrates
    import sqlalchemy as sa  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", scripts)
    config.set_main_option("path_separator", "os")
    head = ScriptDirectory.from_config(config).get_current_head()
    engine = _engine(settings)
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


def _engine(settings: DatabaseSettings) -> "sa.Engine":
    import sqlalchemy as sa  # noqa: PLC0415 - see above

    url = sa.URL.create(
        "mysql+pymysql",
        username=settings.mysql_user,
        password=settings.mysql_pass.get_secret_value(),
        host=settings.mysql_host,
        port=settings.mysql_port,
        database=settings.mysql_database,
        query={"charset": "utf8mb4"},
    )
    return sa.create_engine(
        url,
        hide_parameters=True,
        poolclass=sa.NullPool,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "init_command": f"SET time_zone='+00:00', lock_wait_timeout={LOCK_SECONDS}",
        },
    )


def run_environment() -> None:
    """Body of each revision folder's env.py: run on the connection that holds the lock."""
    from alembic import context  # noqa: PLC0415 - see above

    context.configure(connection=context.config.attributes["connection"])
    with context.begin_transaction():
        context.run_migrations()
