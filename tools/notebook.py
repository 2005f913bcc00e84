"""Runs the cells of notebooks in order, without Jupyter, and stores what they display: `notebook.py NOTEBOOK…`."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib import pyplot

Output = dict[str, Any]


def main() -> None:
    """Run the notebooks that are named."""
    for name in sys.argv[1:]:
        notebook = Path(name)
        sys.path.insert(0, str(notebook.parent.resolve()))
        notebook.write_text(run(notebook.read_text()))


def run(text: str) -> str:
    """Return a notebook with the outputs of its cells."""
    notebook = json.loads(text)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, start=1):
        cell["execution_count"] = number
        cell["outputs"] = list(outputs("".join(cell["source"]), namespace, number))
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def outputs(source: str, namespace: dict[str, Any], number: int) -> Iterator[Output]:
    """Run a cell, and yield what it prints, its plots, and the value of its last expression."""
    *statements, last = ast.parse(source).body
    value = None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if isinstance(last, ast.Expr):
            run_module(statements, namespace, number)
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace)  # noqa: S307
        else:
            run_module([*statements, last], namespace, number)
    if printed.getvalue():
        yield {"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(keepends=True)}
    for figure in map(pyplot.figure, pyplot.get_fignums()):
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=100)
        data = {"image/png": base64.b64encode(picture.getvalue()).decode(), "text/plain": ["<Figure>"]}
        yield {"output_type": "display_data", "data": data, "metadata": {}}
    pyplot.close("all")
    if value is not None:
        yield {"output_type": "execute_result", "execution_count": number, "data": shown(value), "metadata": {}}


def run_module(statements: list[ast.stmt], namespace: dict[str, Any], number: int) -> None:
    """Run statements of a cell."""
    exec(compile(ast.Module(statements, []), f"cell {number}", "exec"), namespace)  # noqa: S102


def shown(value: Any) -> dict[str, list[str]]:
    """Return a value as text, and as HTML if it has any."""
    data = {"text/plain": repr(value).splitlines(keepends=True)}
    if html := getattr(value, "_repr_html_", lambda: None)():
        data["text/html"] = html.splitlines(keepends=True)
    return data


if __name__ == "__main__":
    main()
