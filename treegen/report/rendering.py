"""Reports and comparisons as HTML and Markdown, from the Jinja templates beside this module."""

import base64
import hashlib
import re
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from treegen import __version__
from treegen.clip.metrics.accuracy import beyond_error
from treegen.history.score_document import as_tested
from treegen.report.comparison import ComparisonDocument, entry_label, shared_images, summary
from treegen.report.document import Report, anchor_of
from treegen.text import counted, p_value, points, printable
from treegen.workflow.luck import luck_words
from treegen.workflow.verdict import against, scope_sentence, spread_words, test_name

#: The start of every page: an existing file that begins like this may be replaced by a new page.
MARK: Final = "<!doctype html>\n<!-- treegen "
MARK_MARKDOWN: Final = "<!-- treegen "
_JOINERS: Final = "\u200c\u200d\u00a0\n"  # joiners belong to the spelling of Persian and of emoji
_SIGNIFICANT: Final = 0.05
_LONGEST: Final = 1_000  # characters of a text; longer ones are cut


def report_html(report: Report) -> str:
    """Return the report as one self-contained page, which loads nothing."""
    return _page("report.html.jinja", report=report, score=report.score, tested=as_tested(report.score))


def report_markdown(report: Report) -> str:
    """Return the report as Markdown for a pull request: without pictures, and shorter."""
    tested = as_tested(report.score)
    return (
        _environment(html=False)
        .get_template("report.md.jinja")
        .render(mark=MARK_MARKDOWN, report=report, score=report.score, tested=tested)
    )


def comparison_html(comparison: ComparisonDocument) -> str:
    """Return a comparison as one self-contained page."""
    return _page("comparison.html.jinja", comparison=comparison)


def comparison_markdown(comparison: ComparisonDocument) -> str:
    """Return a comparison as Markdown for a pull request."""
    template = _environment(html=False).get_template("comparison.md.jinja")
    return template.render(mark=MARK_MARKDOWN, comparison=comparison)


def _page(template: str, **values: Any) -> str:
    environment = _environment(html=True)
    loader = environment.loader
    assert loader is not None
    style, script = (loader.get_source(environment, name)[0].strip() for name in ("page.css", "page.js"))
    return environment.get_template(template).render(
        mark=Markup(MARK),
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}",
        **values,
    )


def _hash(text: str) -> str:
    """Return the source expression by which a policy allows exactly this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("treegen.report"),
        autoescape=html,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": _percent,
        "points": _points,
        "p": p_value,
        "interval": _interval,
        "verdict": against,
        "gain": lambda paired: _points(paired["difference"]) if beyond_error(paired) else "none",
        "test_name": test_name,
        "spread": spread_words,
        "scope": scope_sentence,
        "luck": luck_words,
        "name": _isolated if html else _code,
        "text": _isolated if html else _plain_markdown,
        "level": _level,
        "index_of": lambda value, wanted: value.index(wanted),
    }
    environment.globals |= {
        "counted": counted,
        "anchor_of": anchor_of,
        "entry_label": entry_label,
        "shared_images": shared_images,
        "summary": summary,
        "version": __version__,
        "significant": _SIGNIFICANT,
    }
    return environment


def _visible(value: Any) -> Any:
    """Show control characters and those that reorder text, instead of passing them on."""
    if not isinstance(value, str):
        return value
    shown = printable(value, keep=_JOINERS)
    return Markup(shown) if isinstance(value, Markup) else shown


def _isolated(text: str) -> Markup:
    """Isolate a name that may be written from right to left from the text around it."""
    shown = _visible(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
    return escape(shown) if shown.isascii() else Markup("<bdi>{}</bdi>").format(shown)


def _code(text: str) -> str:
    """Return a name as a code span of Markdown, in which nothing is markup, a mention or a link."""
    shown = printable(text).replace("|", "\\|")
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}" if "`" in shown else f"{fence}{shown}{fence}"


def _plain_markdown(text: str) -> str:
    """Return a sentence in which nothing is markup, a mention of a person, a number of an issue, or a link."""
    shown = re.sub(r"([\\`*_{}\[\]<>|~])", r"\\\1", printable(text))
    return re.sub(r"(?i)(@|#(?=\d)|:(?=//)|www(?=\.))", r"\1<!-- -->", shown)


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _points(difference: float) -> str:
    return points(difference).replace("-", "\N{MINUS SIGN}")


def _interval(bounds: "tuple[float, float] | list[float] | None") -> str:
    return "" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"


def _level(share: float, *bounds: float) -> int:
    """Return in which of the steps between the bounds a share lies, from 1."""
    return 1 + sum(share > bound for bound in bounds)
