"""Checks the machines of a search: versions, paths, disk, memory, GPUs, limits and clocks."""
