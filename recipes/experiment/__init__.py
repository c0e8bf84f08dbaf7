"""What the programs share, and nobody else needs.

- `comparison`: arms x seeds of a task: settings, runs, records, tables.
- `text`, `images`: the tasks themselves, their arrays and models.
- `pretraining`: settings, runs with their logs, and streams of batches.
- `folders`: folders that one process holds, settings and records that are read back.
- `process`: what a program sets before it imports Keras, and errors in one line.
"""
