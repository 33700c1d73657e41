"""The fault suite: orders come at a steady rate, something breaks, and then all is accounted for.

    make faults                                   every fault, three seeds each
    make faults ARGS="-k broker_kill" SEEDS=7-9   one fault, other seeds

A test is one fault: `test_*.py`. What it may use is `scene.py`: customers who order all the time
(`customers.py`), who write down what they were told (`ledger.py`), and who at the end are compared
with what the platform has recorded (`records.py`, `accounting.py`).
"""
