"""Pages for paper and browser: Jinja2 templates, printed on A4 by WeasyPrint. The same input gives the same bytes."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
_pages = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=["jinja2.ext.loopcontrols"],
)


def html(template: str, **values: Any) -> str:
    """``template`` (a file of this folder) with ``values``, everything escaped."""
    return _pages.get_template(template).render(**values)


def pdf(page: str) -> bytes:
    """``page`` as PDF. Nothing is fetched: a page holds all that it needs."""
    from weasyprint import HTML  # a second of loading, for those who print only

    return HTML(string=page, url_fetcher=_refuse).write_pdf(pdf_identifier=sha256(page.encode()).digest()[:16])


def _refuse(url: str, *_: Any, **__: Any) -> dict[str, Any]:
    raise ValueError(f"a page that is printed fetches nothing, but asks for {url[:80]}")
