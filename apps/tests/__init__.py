"""Unit tests of the services: no broker and no database, stand-ins for our own interfaces only."""
