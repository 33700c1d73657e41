"""The load test of the shop: people who look, fill carts and buy, through nginx, at a planned rate.

An open loop: somebody comes when it is time, whether or not those before were answered, and waits
from then on. `make shop-load` raises the rate step by step up to the knee; with `--soak` it holds
one for a long time, and then accounts for every order and for the memory of every unit.
"""
