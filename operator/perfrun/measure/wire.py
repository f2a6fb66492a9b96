"""What every wire format shares: a version, strictness, and histograms as HDR V2."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator
from pydantic.alias_generators import to_camel

from perfrun.measure.histogram import Histogram


class Wire(BaseModel):
    """A message between processes of one version of perfrun; anything unknown is refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        serialize_by_alias=True,
    )

    def to_bytes(self) -> bytes:
        """The message as JSON."""
        return self.model_dump_json().encode()


def _decode(value: Any) -> Histogram:
    if isinstance(value, Histogram):
        return value
    if not isinstance(value, dict):
        raise ValueError("a histogram is an object with hdr, total, least, greatest and clamped")
    try:
        return Histogram.decode(
            str(value["hdr"]),
            total=int(value["total"]),
            least=int(value["least"]),
            greatest=int(value["greatest"]),
            clamped=int(value["clamped"]),
        )
    except KeyError as error:
        raise ValueError(f"a histogram without {error}") from error
    except TypeError as error:
        raise ValueError("a histogram with something else than numbers") from error


def _encode(value: Histogram) -> dict[str, Any]:
    return {
        "hdr": value.encode(),
        "total": value.total,
        "least": value.least,
        "greatest": value.greatest,
        "clamped": value.clamped,
    }


WireHistogram = Annotated[Histogram, PlainValidator(_decode), PlainSerializer(_encode)]
