"""What the programs share, and nobody else needs.

- `comparison`: arms x seeds of a task: settings, runs, records, tables.
- `text`, `images`: the tasks themselves, their arrays and models.
- `pretraining`: options, streams of batches and progress of pretraining.
- `process`: what a program sets before it imports Keras.
"""
