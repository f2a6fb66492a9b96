"""A draft without a source: one GET, to begin with."""

from urllib.parse import urlsplit

from perfrun.cli.init.draft import DEFAULT_URL, Draft, ScenarioDraft, StepDraft
from perfrun.cli.init.load import steady
from perfrun.cli.init.texts import path_template, slug


def starter_draft(*, name: str, url: str) -> Draft:
    """One step that gets ``url``: its path and query are the step's, where the next one goes."""
    parts = urlsplit(url or DEFAULT_URL)
    base = f"{parts.scheme}://{parts.netloc}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    step = StepDraft(name="get", path=path_template([path]))
    scenarios = (ScenarioDraft("read", (step,), 1),)
    return Draft(
        name=name or (slug(parts.hostname or "", 40) if url else "") or "first-test",
        url=base,
        scenarios=scenarios,
        load=steady(scenarios),
        notes=(
            "A first test. From what you have already: perfrun init --openapi, --har or "
            "--access-log.",
        ),
        target_notes=() if url else ("CHANGE THIS: the service that is put under load.",),
        scenario_notes=(
            "What a user does: steps in order; of several scenarios each is chosen by its weight. "
            "$(...) makes data: path: /items/$(int(1, 100)). More: docs/reference/templates.md.",
        ),
    )
