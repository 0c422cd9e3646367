"""Reports of a study: as data, tables, figures and a page."""
