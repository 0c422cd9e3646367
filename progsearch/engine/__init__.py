"""The training loop of one model and one schedule."""
