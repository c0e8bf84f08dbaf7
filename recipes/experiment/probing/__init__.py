"""Graphs against annotated trees: which head reads which relation."""
