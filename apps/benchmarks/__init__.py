"""Benchmarks: our consumer, publisher and services beside bare pika and the frameworks.

Runs on this machine (`make bench`) and drives the lab's hosts. What is in `guest` runs on the host
app1, the host that the firewall lets speak to both broker and database.
"""
