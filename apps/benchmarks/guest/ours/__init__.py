"""Our own side: the deployed release, started with the benchmark's handlers."""
