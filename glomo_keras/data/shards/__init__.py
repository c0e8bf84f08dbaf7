"""Corpora that do not fit into memory: windows of ids in files of ArrayRecord.

`steps.py` defines the work on a part of a corpus, once; `prepare.py` runs it here and
in other processes, `beam.py` as a pipeline of Apache Beam; `index.py` describes what
comes out, and `batches.py` reads it for training.
"""
