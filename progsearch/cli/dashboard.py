"""`progsearch dashboard`: Optuna's dashboard on a study."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from progsearch.cli import options
from progsearch.errors import ConfigError
from progsearch.paths import check_writable_folder


def dashboard(
    study: options.Study,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen on.")
    ] = "localhost",
    port: Annotated[int, typer.Option(metavar="PORT", help="The port to listen on.")] = 8080,
    studies_dir: options.StudiesDir = options.STUDIES,
) -> None:
    """Start Optuna's dashboard on a study.

    The study may be running. Ctrl-C stops the dashboard.

    Examples:
        progsearch dashboard reviews --port 8081
    """
    from progsearch.study.folder import open_study

    folder = open_study(study, studies_dir, read_only=True)
    _check_port(host, port)

    import optuna_dashboard
    from optuna.artifacts import FileSystemArtifactStore

    from progsearch.report.dashboard_storage import DashboardStorage

    artifacts = folder.path / "artifacts"
    advice = "make it writable, or copy the study to a place that is"
    check_writable_folder(artifacts, f"study {folder.name}", advice)
    artifacts.mkdir(exist_ok=True)
    optuna_dashboard.run_server(
        DashboardStorage(folder.storage),
        host=host,
        port=port,
        artifact_store=FileSystemArtifactStore(artifacts),
    )


def _check_port(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise ConfigError(
            "--port", [("", f"cannot listen on {host}:{port}: {error.strerror}; choose another")]
        ) from None
