"""What libraries do not promise: private names and patched attributes, one file per library.

Each use has a test in ``tests/internals`` that fails by name when an upgrade moves it.
"""
