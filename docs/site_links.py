"""What mkdocs does not do by itself for the site of docs/ (mkdocs.yml names this file).

Files of the repository that a page links to, such as ``../../examples/x.yaml``, become a part of
the site. Every decision is in the navigation, and has to be linked in the list of decisions.
"""

import logging
import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

_log = logging.getLogger("mkdocs.hooks.site_links")
_LINK = re.compile(r"\]\((\.\./[^)#\s]*)((?:#[^)\s]*)?)(?=\))")
_DECISIONS = "decisions/README.md"


def on_config(config: Any) -> Any:
    """Adds the pages of decisions/ to the navigation, by name."""
    (project,) = (tab["Project"] for tab in config.nav if "Project" in tab)
    (pages,) = (entry["Decisions"] for entry in project if "Decisions" in entry)
    folder = Path(config.docs_dir, "decisions")
    pages += sorted(f"decisions/{p.name}" for p in folder.glob("*.md") if p.name != "README.md")
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the files outside of docs/ that pages link to; warns of those that do not exist."""
    for page in files.documentation_pages():
        for link in _LINK.finditer(page.content_string):
            target = _outside(page, link[1], config)
            if target is None:
                continue
            shown = _shown(target)
            if shown is None:
                _log.warning("%s links to %s, which cannot be shown", page.src_uri, link[1])
            elif files.get_file_from_path(_uri(shown, config)) is None:
                content = shown.read_bytes()
                files.append(File.generated(config, _uri(shown, config), content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Leads links that leave docs/ to those files; warns of decisions that are not listed."""
    del files
    if page.file.src_uri == _DECISIONS:
        _warn_of_unlisted(markdown, Path(config.docs_dir, "decisions"))

    def lead(link: re.Match[str]) -> str:
        target = _outside(page.file, link[1], config)
        shown = target and _shown(target)
        if shown is None:
            return link[0]
        return f"]({os.path.relpath(_uri(shown, config), Path(page.file.src_uri).parent)}"

    return _LINK.sub(lead, markdown)


def _outside(page: Any, link: str, config: Any) -> Path | None:
    """Where a link leads, if that is not in docs/."""
    target = Path(os.path.normpath(Path(config.docs_dir, page.src_uri).parent / link))
    return None if target.is_relative_to(config.docs_dir) else target


def _shown(target: Path) -> Path | None:
    """A folder is shown by its README."""
    found = target / "README.md" if target.is_dir() else target
    return found if found.is_file() else None


def _uri(path: Path, config: Any) -> str:
    """Markdown is shown as text: as a page, it would need its own place in the navigation."""
    uri = path.relative_to(Path(config.config_file_path).parent).as_posix()
    return f"files/{uri}" + (".txt" if path.suffix == ".md" else "")


def _warn_of_unlisted(markdown: str, folder: Path) -> None:
    for path in sorted(folder.glob("*.md")):
        if path.name != "README.md" and f"]({path.name})" not in markdown:
            _log.warning("%s does not list %s", _DECISIONS, path.name)
