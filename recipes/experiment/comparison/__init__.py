"""Arms and seeds of a task, compared: settings, runs, records and tables."""
