"""Ablations of the method: what a row changes, its runs, and the tables of them."""
