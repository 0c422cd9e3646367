"""A study whose disk is full or read-only, and journals that are damaged."""

import errno
import os
import re
import shlex
import subprocess

import pytest

from progsearch.errors import ConfigError, StudyError
from progsearch.study.folder import open_study
from progsearch.study.progress import interrupt_running
from tests.support.fakes import new_folder, recipe, run_all, source_of, space_of

GIVEN = recipe(study="fake", sampler="random", budget=4, space="quick")
SPACE = space_of(GIVEN)


def results(folder):
    return [(t.key, t.frozen.values) for t in folder.trials() if t.is_complete]


def finished(folder, expected):
    """Finish a search that lost nothing; returns how many results it had."""
    before = results(folder)
    assert before == expected[: len(before)]
    assert len(before) < len(expected)
    run_all(source_of(folder, SPACE))
    found = results(folder)
    assert found[: len(before)] == before
    # Which others a resumed search draws depends on when it was resumed.
    assert len({key for key, _ in found}) == len(found) == len(expected)
    return len(before)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = new_folder(tmp_path_factory.mktemp("whole"), GIVEN, SPACE)
    run_all(source_of(folder, SPACE))
    return results(folder)


@pytest.mark.parametrize("free", [20_480, 28_672])
def test_a_search_on_a_full_disk_ends_and_loses_nothing(small_disk, expected, free):
    disk = small_disk(free)
    with pytest.raises(OSError) as error:
        folder = new_folder(disk, GIVEN, SPACE)
        run_all(source_of(folder, SPACE))
    assert error.value.errno == errno.ENOSPC
    os.truncate(disk / "ballast", 0)
    folder = open_study("fake", disk)
    interrupt_running(folder)
    finished(folder, expected)


def test_a_full_disk_leaves_the_recipe(small_disk):
    disk = small_disk(60_000)
    folder = new_folder(disk, GIVEN, SPACE)
    with pytest.raises(OSError):
        (disk / "more").write_bytes(bytes(2**22))
    text = (folder.path / "study.yaml").read_text()
    with pytest.raises(OSError):
        folder.set_budget(9)
    assert (folder.path / "study.yaml").read_text() == text
    os.truncate(disk / "more", 0)
    (folder.path / "study.yaml").chmod(0o644)
    folder.set_budget(9)
    assert open_study("fake", disk).recipe.budget == 9
    assert (folder.path / "study.yaml").stat().st_mode & 0o777 == 0o644


def test_a_read_only_disk_is_said_before_any_work_and_can_be_read(small_disk, expected):
    disk = small_disk(2**22)
    run_all(source_of(new_folder(disk, GIVEN, SPACE), SPACE))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, timeout=10)
    with pytest.raises(
        ConfigError, match="study fake: .* cannot be written: Read-only file system"
    ):
        open_study("fake", disk)
    assert results(open_study("fake", disk, read_only=True)) == expected


@pytest.mark.parametrize("damage", [b"garbage", b"null", b"\0\0"])
def test_a_damaged_line_is_named_and_what_is_before_can_be_kept(tmp_path, expected, damage):
    folder = new_folder(tmp_path, GIVEN, SPACE)
    run_all(source_of(folder, SPACE))
    lines = folder.journal.read_bytes().splitlines()
    lines[40] = damage
    folder.journal.write_bytes(b"\n".join(lines) + b"\n")
    for read_only in (True, False):
        with pytest.raises(StudyError, match=r"line 41 of .*journal\.log is damaged") as error:
            open_study("fake", tmp_path, read_only=read_only)
    cure, resume = re.findall("`(.*?)`", str(error.value))
    assert shlex.split(resume)[:3] == ["progsearch", "resume", "fake"]
    subprocess.run(cure, shell=True, check=True, timeout=10)
    again = open_study("fake", tmp_path)
    interrupt_running(again)
    assert finished(again, expected) > 0
