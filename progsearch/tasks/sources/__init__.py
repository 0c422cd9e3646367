"""Sources of data: GLUE, files, the hub, the embedded demo."""
