"""How Sphinx makes the documentation, of these pages and the packages' docstrings."""

import inspect
import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

from pryv import __version__

DOCS = Path(__file__).resolve().parent
REPOSITORY = "https://github.com/pryv/lib-python"
MODULES = (
    "pryv",
    "pryv.addons",
    "pryv.auth",
    "pryv.cli",
    "pryv.frames",
    "pryv.oauth",
    "pryv.resources",
    "pryv.types",
    "pryv.utils",
    "pryv_socket_io",
    "pryv_monitor",
    "pryv_monitor.mirrors",
    "pryv_monitor.testing",
    "pryv_encryption",
    "pryv_backup",
    "pryv_fleet",
    "pryv_sandbox",
)

project = "Pryv.io SDK for Python"
project_copyright = "2026, the authors; BSD-3-Clause"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
default_role = "py:obj"
highlight_language = "text"
myst_heading_anchors = 3

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_type_aliases = {
    name: name
    for name in (
        *("CallLike", "CallTimeout", "Data", "DestinationT"),
        *("EventT", "T", "Timeout"),
    )
}
maximum_signature_line_length = 80
napoleon_use_ivar = True
napoleon_use_rtype = False
python_use_unqualified_type_names = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!pryv\w*\.).*"),  # names of others, whose documentation is elsewhere
    ("py:.*", r".*\._.*"),  # private names
]

html_title = project
html_theme = "furo"
pygments_dark_style = "github-dark"  # the default underlines modules, like links
html_theme_options = {
    "source_repository": f"{REPOSITORY}/",
    "source_branch": "main",
    "source_directory": "docs/",
    "light_css_variables": {
        "color-brand-primary": "#0f766e",
        "color-brand-content": "#0b6b64",
        "color-brand-visited": "#4c5f8a",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5eead4",
        "color-brand-content": "#5eead4",
        "color-brand-visited": "#a5b4fc",
    },
}
html_logo = html_favicon = "_static/mark.svg"
html_search_scorer = str(DOCS / "_static" / "scorer.js")
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False

_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")
_ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
_CALL_S = re.compile(r"Call(?=Timeout = DEFAULT)|[~\w.]*Default \| (?=None = DEFAULT)")
_METHODS = (FunctionType, classmethod, property, staticmethod)
_log = logging.getLogger(__name__)


def lead_links(text: str, directory: Path, page: Path) -> str:
    """Return text for a page, its links out of the pages led to the repository."""

    def led(link: re.Match[str]) -> str:
        target = (directory / link[1]).resolve()
        if target.is_relative_to(DOCS) or not target.exists():
            return f"]({os.path.relpath(target, page.parent)}"
        kind = "tree" if target.is_dir() else "blob"
        return f"]({REPOSITORY}/{kind}/main/{target.relative_to(DOCS.parent)}"

    return _LINK.sub(led, text)


def read_page(app: Sphinx, name: str, content: list[str]) -> None:
    """Lead the links of a page."""
    page = Path(app.env.doc2path(name))
    content[0] = lead_links(content[0], page.parent, page)


def read_included(app: Sphinx, path: Path, name: str, content: list[str]) -> None:
    """Lead the links of a file included in a page."""
    content[0] = lead_links(
        content[0], (DOCS / path).resolve().parent, Path(app.env.doc2path(name))
    )


def shorten_signature(
    _app: Sphinx,
    what: str,
    _name: str,
    _obj: Any,
    _options: Any,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Name types by their aliases, and the default that stands for another limit.

    That of an exception is left out: nobody but the packages makes one.
    """
    if what == "exception":
        return signature and "", None
    if signature is not None:
        signature = _CALL_S.sub("", _ALIAS.sub(r"\1", signature))
    return signature, returned


def link_guides(
    _app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]
) -> None:
    """Link the titles of guides in a docstring."""
    lines[:] = [
        line.replace("*Errors and retries*", ":doc:`/guides/errors`") for line in lines
    ]


def describe_required_keys() -> None:
    """Document the required keys of typed dicts, which are in private bases.

    Those of data to send are marked.
    """
    analyzer = ModuleAnalyzer.for_module("pryv.types")
    analyzer.analyze()
    for base, key in list(analyzer.annotations):
        if not (base.startswith("_") and base.endswith("Required")):
            continue
        cls = base[1:].removesuffix("Required")
        text = " ".join(analyzer.attr_docs.get((base, key), ())).strip()
        if cls.endswith(("Create", "Tree", "Request")):
            text = f"Required. {text}"
        analyzer.attr_docs[cls, key] = [text, ""]
        analyzer.tagorder[f"{cls}.{key}"] = analyzer.tagorder[f"{base}.{key}"]


def check_reference(_app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each public name that has no docstring, or no place in the reference."""
    documented = env.domains.python_domain.objects
    for name in public_names():
        if name not in documented:
            _log.warning("%s has no docstring, or no place in the reference", name)


def public_names() -> Iterator[str]:
    """Yield what the packages offer, by its first name, and what classes do."""
    seen: list[Any] = []
    for module_name in MODULES:
        module = import_module(module_name)
        own = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module_name
        ]
        for name in getattr(module, "__all__", own):
            value = getattr(module, name)
            if (
                name.startswith("_")
                or inspect.ismodule(value)
                or any(value is one for one in seen)
            ):
                continue
            seen.append(value)
            yield f"{module_name}.{name}"
            for member, does in (
                vars(value).items() if issubclass(type(value), type) else ()
            ):
                if isinstance(does, _METHODS) and not member.startswith("_"):
                    yield f"{module_name}.{name}.{member}"


def setup(app: Sphinx) -> None:
    """Register what is done on the way."""
    describe_required_keys()
    app.connect("source-read", read_page)
    app.connect("include-read", read_included)
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("autodoc-process-docstring", link_guides)
    app.connect("env-check-consistency", check_reference)
