"""What mkdocs does not do by itself for the site of docs/ (mkdocs.yml names this file).

Links to files of the repository that are no pages, as ``../../examples/x.yaml``, lead to the
repository. Every decision is in the navigation, and has to be linked in the list of decisions.
"""

import logging
import os
import re
from pathlib import Path
from typing import Any

_log = logging.getLogger("mkdocs.hooks.site_links")
_LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]*)")
_DECISIONS = "decisions/README.md"


def on_config(config: Any) -> Any:
    """Adds the pages of decisions/ to the navigation, by name."""
    (project,) = (tab["Project"] for tab in config.nav if "Project" in tab)
    (pages,) = (entry["Decisions"] for entry in project if "Decisions" in entry)
    folder = Path(config.docs_dir, "decisions")
    pages += sorted(f"decisions/{p.name}" for p in folder.glob("*.md") if p.name != "README.md")
    return config


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Leads links that leave docs/ to the repository; warns of those that lead nowhere."""
    del files
    root = Path(config.config_file_path).parent
    here = Path(config.docs_dir, page.file.src_uri).parent
    if page.file.src_uri == _DECISIONS:
        _warn_of_unlisted(markdown, here)

    def lead(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(here / link[1]))
        if target.is_relative_to(config.docs_dir):
            return link[1]
        if not target.exists():
            _log.warning("%s links to %s, which does not exist", page.file.src_uri, link[1])
        kind = "tree" if target.is_dir() else "blob"
        return f"{config.extra['repository']}/{kind}/main/{target.relative_to(root).as_posix()}"

    return _LINK.sub(lead, markdown)


def _warn_of_unlisted(markdown: str, folder: Path) -> None:
    for path in sorted(folder.glob("*.md")):
        if path.name != "README.md" and f"]({path.name})" not in markdown:
            _log.warning("%s does not list %s", _DECISIONS, path.name)
