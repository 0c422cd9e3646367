"""Pre-trained models: loading, finding their parts, reading the states of blocks."""
