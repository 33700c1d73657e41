"""The one adapter over pika: connection, topology, publisher, consumer and parking.

Nothing outside this package imports pika, and no handler sees a type of it.
"""
