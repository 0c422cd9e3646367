"""What the commands print: the live view, lines, tables."""
