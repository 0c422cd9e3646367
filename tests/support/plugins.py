"""Packages of others, installed for a test."""


def write_plugin(folder, group, entries):
    """A package of entry points in ``folder``; what they name must lie on Python's path."""
    info = folder / "progsearch_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: progsearch-plugin\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
