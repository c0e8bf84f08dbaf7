"""The label of every word's relation to its head: trees that graphs are judged by."""
