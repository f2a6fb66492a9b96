"""Pages: how the browser comes to them, and what a step does in it."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, Rule
from perfrun.api.names import Url
from perfrun.api.quantities import Duration

Selector = Annotated[str, Field(min_length=1, max_length=512)]


class Viewport(ApiModel):
    """The size of the window, in CSS pixels."""

    width: Annotated[int, Field(ge=200, le=4096)] = 1280
    height: Annotated[int, Field(ge=200, le=4096)] = 720


class BrowserTarget(ApiModel):
    """A web site, seen by Chromium. An iteration is a visit, in a window of its own."""

    url: Url
    timeout: Duration = Field(
        default="30s", validate_default=True, description="Of a step, until the page is quiet."
    )
    connect_timeout: Duration = Field(default="10s", validate_default=True)
    cache: Literal["Cold", "Warm"] = Field(
        default="Cold",
        description="Cold: each visit begins with nothing stored. Warm: a page that a step goes to "
        "is loaded once before, which is not measured.",
    )
    quiet_window: Duration = Field(
        default="1s",
        validate_default=True,
        description="How long a loaded page has to be without a long task, and with at most two "
        "requests open, to count as interactive. 100ms to 30s.",
    )
    viewport: Viewport = Viewport()


class Fill(ApiModel):
    """A field of the page, and what is typed into it."""

    selector: Selector
    value: Annotated[str, Field(max_length=4096, description="May hold templates.")]


class BrowserRequest(ApiModel):
    """What a step does in the page, in this order: goto, fill, click, waitFor."""

    goto: (
        Annotated[
            str,
            Field(pattern=r"^/[^\x00-\x1f\x7f]*$", max_length=2048),
        ]
        | None
    ) = Field(
        default=None,
        description="Appended to the target's url and loaded, to its load event. May hold "
        "templates.",
    )
    fill: Annotated[list[Fill], Field(min_length=1, max_length=50)] | None = None
    click: Selector | None = Field(
        default=None, description="What is clicked; a page that this leads to is loaded too."
    )
    wait_for: Selector | None = Field(
        default=None, description="What has to be seen in the page for the step to be over."
    )

    rules = (
        Rule(
            cel="has(self.goto) || has(self.fill) || has(self.click) || has(self.waitFor)",
            holds=lambda step: bool(step.goto or step.fill or step.click or step.wait_for),
            message="a step of browser needs goto, fill, click or waitFor",
        ),
    )
