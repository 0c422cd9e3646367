"""A study on disk: its folder, its trials, its front, its confirmed runs."""
