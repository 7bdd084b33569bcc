"""Filling in the templates of the pages, with their styles and scripts inside."""

from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dvdgan.reporting.scores import format_number


def fill(template: str, **values: Any) -> str:
    """The page of ``template`` as HTML. Equal values give equal bytes; all text is escaped."""
    environment = Environment(
        loader=PackageLoader("dvdgan.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["format_number"] = format_number
    return environment.get_template(template).render(
        style=_asset("page.css"),
        script=_asset("page.js"),
        chart_style=_asset("uplot/uPlot.min.css"),
        chart_script=_asset("uplot/uPlot.min.js"),
        **values,
    )


def _asset(name: str) -> Markup:
    """A style or script of the package, which is trusted."""
    return Markup(files("dvdgan.reporting").joinpath(name).read_text(encoding="utf-8").strip())
