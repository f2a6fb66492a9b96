"""Self-contained HTML pages: one run, or a comparison of several runs.

A page needs no network and no script: the script only helps to read single points of a chart.
"""

from perfrun.report.html.comparison import comparison_page
from perfrun.report.html.index import run_pages
from perfrun.report.html.run import run_page

__all__ = ["comparison_page", "run_page", "run_pages"]
