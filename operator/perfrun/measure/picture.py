"""A small picture of the worst visit."""

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, Field

from perfrun.measure.wire import Wire

MAX_BYTES = 100 * 1024
"""Maximum size of a picture; as text it is a third larger. It is stored with the run."""
_BEGINS = b"\xff\xd8\xff"


def _jpeg(text: str) -> str:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a picture that is not base64") from error
    if not data.startswith(_BEGINS):
        raise ValueError("a picture that is not a JPEG")
    return text


class Picture(Wire):
    """How a page looked at the end of a visit."""

    scenario: str = Field(max_length=63)
    step: str = Field(max_length=63)
    """The last step of the visit."""
    error: str = Field(default="", max_length=64)
    """The class that the step failed with; empty: the visit succeeded."""
    took: int = Field(ge=0)
    """Duration of the whole visit, ns."""
    jpeg: Annotated[str, Field(max_length=-(-MAX_BYTES // 3) * 4), AfterValidator(_jpeg)]
    """In base64."""

    def is_worse(self, other: "Picture | None") -> bool:
        """A failure is worse than a success; of two successes the slower one is worse, of two
        failures the first."""
        return other is None or is_worse(bool(self.error), self.took, other)


def is_worse(failed: bool, took: int, than: Picture) -> bool:
    """Whether a visit's picture should replace that of another one."""
    if failed or than.error:
        return failed and not than.error
    return took > than.took
