"""The page of a report as tests read it."""

import re

from progsearch.report.html import page


def own(html):
    """The page without the embedded library, which holds any text there is, and page.js."""
    html = re.sub(r'<script type="text/plain" id="plotly">.*?</script>', "", html, flags=re.DOTALL)
    return re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)


def plain(html):
    """The same without links and explanations of terms."""
    return re.sub(r"</?(abbr|a)\b[^>]*>", "", own(html))


def plain_page(report):
    return plain(page(report))
