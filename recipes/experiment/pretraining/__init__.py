"""What the pretraining programs share."""
