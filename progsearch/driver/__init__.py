"""A search or a confirmation from its first to its last trial."""
