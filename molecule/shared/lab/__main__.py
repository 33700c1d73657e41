"""Run the lab with ``python -m lab``."""

import signal
import sys

from lab.cli import main

if __name__ == "__main__":
    # a shell without job control starts what runs in the background deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
