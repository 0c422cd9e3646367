"""The notebook of the docs runs as it stands, and shows what it says."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"


def test_the_notebook_is_stored_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


def outputs(cell, kind):
    return ["".join(o["data"][kind]) for o in cell.outputs if kind in o.get("data", {})]


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, minilm):
    nbclient = pytest.importorskip("nbclient", reason="the extra 'test' is not installed")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("accelerate", reason="transformers.Trainer needs accelerate")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    kernel = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=kernel).execute()
    code = {cell.source: cell for cell in notebook.cells if cell.cell_type == "code"}

    (search,) = (cell for source, cell in code.items() if "study = search(" in source)
    (progress,) = outputs(search, "text/html")
    text = re.sub("<[^>]+>", "", progress)
    assert "loading train and minilm-l6" not in text, "preparations are not kept"
    assert "the budget is spent" in text
    assert not [o for o in search.outputs if o.output_type == "stream"], "the output is one cell"

    (shown,) = outputs(code["study"], "text/html")
    assert "<table>" in shown
    for figure in ("study.plot_front()", "study.plot_schedules()"):
        assert outputs(code[figure], "application/vnd.plotly.v1+json") or code[figure].outputs
    assert (tmp_path / "best.yaml").exists()
    assert (tmp_path / "studies" / "headlines" / "report.html").exists()
    (trained,) = (cell for source, cell in code.items() if "trainer.train()" in source)
    assert any("eval_accuracy" in text for text in outputs(trained, "text/plain"))
