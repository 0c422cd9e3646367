"""What users see of a search: the live view, lines, tables, in terminals and notebooks."""
