import logging
import warnings
from contextlib import contextmanager

from progsearch.workers import logs
from progsearch.workers.logs import log_to, name_trial, study_log


def test_what_libraries_say_goes_to_the_file_from_the_start(tmp_path, capsys):
    file = tmp_path / "progsearch.log"
    ray, own = logging.getLogger("ray.tune"), logging.getLogger("progsearch.api")
    before = logging.getLogger("ray").handlers
    with study_log() as log:
        ray.warning("before there is a file")
        log.write_to(file)
        own.info("a remark")
        ray.info("chatter")
        warnings.warn("an old name", DeprecationWarning, stacklevel=1)
        assert "a remark" in file.read_text()
    text = file.read_text()
    assert text.index("before there is a file") < text.index("a remark")
    assert "an old name" in text
    assert "chatter" not in text
    assert logging.getLogger("ray").handlers is before
    ray.warning("after the search")
    assert "after the search" not in file.read_text()
    output = capsys.readouterr()
    assert "a remark" not in output.out + output.err


def test_messages_of_rays_daemon_are_logged(tmp_path, monkeypatch):
    told = []

    @contextmanager
    def daemon_messages(tell):
        told.append(tell)
        yield

    monkeypatch.setattr("progsearch.workers.logs.daemon_messages", daemon_messages)
    with study_log() as log:
        log.write_to(tmp_path / "progsearch.log")
        told[0]("raylet", "A worker died")
    assert "raylet: A worker died" in (tmp_path / "progsearch.log").read_text()


def test_a_worker_on_another_machine_keeps_its_own_log(tmp_path):
    before = logging.getLogger("progsearch").handlers
    log_to(str(tmp_path / "not-here" / "progsearch.log"))
    assert logging.getLogger("progsearch").handlers is before


def test_what_is_logged_in_a_worker_names_its_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(logs._Formatter, "trial", "")
    file = tmp_path / "progsearch.log"
    with study_log() as log:
        log.write_to(file)
        logging.getLogger("progsearch.api").warning("before a trial")
        name_trial(7)
        logging.getLogger("progsearch.store").warning("not kept")
        warnings.warn("an old name", DeprecationWarning, stacklevel=1)
    first, second, third, *_ = file.read_text().splitlines()
    assert first.endswith("WARNING progsearch.api: before a trial")
    assert second.endswith("WARNING progsearch.store: #7 not kept")
    assert "WARNING py.warnings: #7 " in third and "an old name" in third
