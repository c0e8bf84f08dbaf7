"""Work that is timed, a module a kind: `WORKS` by name, see `harness/work.py`."""

MODULES = (
    "attention",
    "pretraining",
    "parts",
    "extraction",
    "mixing",
    "likelihood",
    "transfer",
    "downstream",
)
