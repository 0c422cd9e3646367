"""Optimisations that do not change the result; each is a `Shortcut` and can be left out."""
