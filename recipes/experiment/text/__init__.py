"""Tasks on labelled texts."""
