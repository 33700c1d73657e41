"""What the tests of live hosts share: how to reach a host, a service, the broker, the database."""
