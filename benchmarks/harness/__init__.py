"""What the speed benchmarks share.

- `work.py`: a piece of work, and the contenders that do it.
- `frameworks.py`: steps of functions on TensorFlow, JAX and PyTorch.
- `worker.py`: the process of one contender.
- `contest.py`: contenders in turn, each in a process of its own.
- `machine.py`: what the machine can do, and what it is.
- `records.py`: JSON lines, the table, the comparison with an earlier one.
"""
