"""Outbox and inbox: exactly-once effects, each in the service's own database transaction."""
