"""Runs of pretraining: what the command `pretrain` and the recipes have in common."""
