"""Studies on disk: folder, trials, front and confirmed runs."""
