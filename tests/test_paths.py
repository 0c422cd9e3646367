"""Paths are checked before anything is written, and the check leaves nothing behind."""

import errno
import os

import pytest

from progsearch.errors import ConfigError
from progsearch.paths import (
    check_writable_file,
    check_writable_folder,
    is_of_a_place,
)

LONG = "n" * 300


@pytest.fixture
def file(tmp_path):
    (tmp_path / "file").write_text("kept")
    return tmp_path / "file"


@pytest.fixture
def read_only(monkeypatch, tmp_path):
    """A folder in which no user can create anything, with the error of its file system."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    opens, makes = os.open, os.mkdir

    def refuse(original):
        def call(path, *arguments, **settings):
            if str(folder) in os.fsdecode(path):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
            return original(path, *arguments, **settings)

        return call

    monkeypatch.setattr(os, "open", refuse(opens))
    monkeypatch.setattr(os, "mkdir", refuse(makes))
    return folder


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path):
    check_writable_folder(tmp_path / "a" / "b", "--out")
    check_writable_folder(tmp_path, "--out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_can_be_written_is_left_as_it_was(tmp_path, file):
    check_writable_file(tmp_path / "new", "--out")
    check_writable_file(file, "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "kept"


@pytest.mark.parametrize("inner", ["", "below", "below/further"])
def test_a_file_in_the_way_of_a_folder_is_named(file, inner):
    with pytest.raises(ConfigError, match=f"^--out: .* cannot be written: {file} is a file; "):
        check_writable_folder(file / inner, "--out")


def test_names_that_are_too_long(tmp_path):
    for folder in (tmp_path / LONG, tmp_path / "made" / LONG, tmp_path / LONG / "inner"):
        with pytest.raises(ConfigError, match="File name too long"):
            check_writable_folder(folder, "--out")
    with pytest.raises(ConfigError, match="File name too long"):
        check_writable_file(tmp_path / LONG, "--out")
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_place(read_only):
    for folder in (read_only, read_only / "new"):
        with pytest.raises(ConfigError, match="Read-only file system"):
            check_writable_folder(folder, "--out")
    with pytest.raises(ConfigError, match="Read-only file system"):
        check_writable_file(read_only / "new", "--out")


def test_a_folder_where_a_file_is_to_be_and_a_link_to_nothing(tmp_path):
    with pytest.raises(ConfigError, match="it is a folder"):
        check_writable_file(tmp_path, "--out")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "model")
    with pytest.raises(ConfigError, match="cannot be written"):
        check_writable_folder(tmp_path / "link", "--out")


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    check_writable_file(tmp_path / "pipe", "--out")
    check_writable_file("/dev/null", "--out")


def test_errors_of_a_place_are_told_from_bugs():
    assert is_of_a_place(OSError(errno.ENOSPC, "No space left on device"))
    assert is_of_a_place(PermissionError(errno.EACCES, "Permission denied"))
    assert not is_of_a_place(FileNotFoundError(errno.ENOENT, "No such file or directory"))
    assert not is_of_a_place(ConnectionResetError(errno.ECONNRESET, "reset"))
