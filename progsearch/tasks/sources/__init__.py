"""Where data comes from: GLUE, files, the hub, the embedded demo."""
