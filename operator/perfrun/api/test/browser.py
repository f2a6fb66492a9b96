"""Pages: how the browser reaches them, and what a step does in them."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, Rule
from perfrun.api.names import Url
from perfrun.api.quantities import Duration

Selector = Annotated[str, Field(min_length=1, max_length=512)]


class Viewport(ApiModel):
    """Size of the browser window, in CSS pixels."""

    width: Annotated[int, Field(ge=200, le=4096)] = Field(
        default=1280, description="Width of the window, in CSS pixels."
    )
    height: Annotated[int, Field(ge=200, le=4096)] = Field(
        default=720, description="Height of the window, in CSS pixels."
    )


class BrowserTarget(ApiModel):
    """A web site, visited with Chromium. Each iteration is a visit in a new window."""

    url: Url = Field(
        description="URL of the site. Steps append their paths. Example: http://shop:8000."
    )
    timeout: Duration = Field(
        default="30s",
        validate_default=True,
        description="Maximum time of a step, until the page is quiet. Example: 10s.",
    )
    connect_timeout: Duration = Field(
        default="10s",
        validate_default=True,
        description="Maximum time to open a connection for the browser. Example: 2s.",
    )
    cache: Literal["Cold", "Warm"] = Field(
        default="Cold",
        description="State of the browser cache. Cold: empty at the start of each visit. Warm: "
        "each page is loaded once before it is measured.",
    )
    quiet_window: Duration = Field(
        default="1s",
        validate_default=True,
        description="How long a loaded page must have no long task and at most two open requests "
        "to count as interactive. From 100ms to 30s.",
    )
    viewport: Viewport = Viewport()


class Fill(ApiModel):
    """A form field, and the text to type into it."""

    selector: Selector = Field(description="Playwright selector of the field. Example: `#q`.")
    value: Annotated[
        str, Field(max_length=4096, description="Text to type. May contain templates.")
    ]


class BrowserRequest(ApiModel):
    """For a browser target: actions in the page, executed in the order goto, fill, click,
    waitFor."""

    goto: (
        Annotated[
            str,
            Field(pattern=r"^/[^\x00-\x1f\x7f]*$", max_length=2048),
        ]
        | None
    ) = Field(
        default=None,
        description="Path of the page to load, appended to the URL of the target. May contain "
        "templates. Example: /.",
    )
    fill: Annotated[list[Fill], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="Form fields to fill in."
    )
    click: Selector | None = Field(
        default=None,
        description="Playwright selector of the element to click. If that opens a page, its load "
        "is measured too.",
    )
    wait_for: Selector | None = Field(
        default=None,
        description="Playwright selector of an element; the step ends when it is visible.",
    )

    rules = (
        Rule(
            cel="has(self.goto) || has(self.fill) || has(self.click) || has(self.waitFor)",
            holds=lambda step: bool(step.goto or step.fill or step.click or step.wait_for),
            message="a browser step needs at least one of goto, fill, click and waitFor",
        ),
    )
