"""Packages of others, installed for a test."""


def install_plugin(folder, monkeypatch, group, **entries):
    """Make entry points known to this process and to those that it starts."""
    info = folder / "progsearch_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: progsearch-plugin\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))
    monkeypatch.syspath_prepend(folder)
