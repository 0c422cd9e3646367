"""The report of a study as files in its folder."""

from __future__ import annotations

import json

from progsearch.report.data import StudyReport, study_report
from progsearch.report.html import write_page
from progsearch.study import remote
from progsearch.study.confirmed_runs import read_confirmed
from progsearch.study.folder import StudyFolder

# The files that `write_report` writes into the study's folder.
REPORT_FILES = ("report.html", "report.json")


def report_of(folder: StudyFolder) -> StudyReport:
    """The report of a study in its current state, with its runs on new seeds."""
    return study_report(folder.study, read_confirmed(folder.path))


def write_report(folder: StudyFolder) -> StudyReport:
    """Write ``report.html`` and ``report.json`` into the study's folder."""
    report = report_of(folder)
    page, data = (folder.path / name for name in REPORT_FILES)
    write_page(report, page, folder.path.parent)
    text = json.dumps(report.to_dict(), indent=2, allow_nan=False)
    data.write_text(text + "\n", encoding="utf-8")
    remote.send(folder.path)
    return report
