"""Pre-trained models: loading, their parts, how blocks are read."""
