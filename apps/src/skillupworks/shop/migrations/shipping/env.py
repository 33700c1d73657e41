"""Alembic's entry: see runtime/migrations.py."""

from skillupworks.runtime.migrations import run_environment

run_environment()
