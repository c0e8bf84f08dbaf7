"""Corpora that do not fit into memory: windows of ids in files of ArrayRecord.

`steps.py` defines the work on a part of a corpus, once; `prepare.py` has it run by
`processes.py` on this machine, or by `beam.py` as a pipeline of Apache Beam; `index.py`
describes what comes out, and `batches.py` reads it for training.
"""
