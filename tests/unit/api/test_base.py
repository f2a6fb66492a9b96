"""What every model shares."""

from perfrun.api.base import StatusModel


class Inner(StatusModel):
    text: str = ""
    table: dict[str, int] = {}


class Outer(Inner):
    inner: Inner = Inner()
    items: list[int] = []
    count: int = 0
    flag: bool = False


def test_a_status_has_no_empty_texts_and_maps() -> None:
    assert Outer().model_dump(mode="json", by_alias=True) == {
        "items": [],
        "count": 0,
        "flag": False,
    }


def test_what_is_said_stays_and_reads_back_as_it_was() -> None:
    said = Outer(text="a", table={"b": 1}, inner=Inner(text="c"))
    dumped = said.model_dump(mode="json", by_alias=True)
    assert dumped["inner"] == {"text": "c"}
    assert Outer.model_validate(dumped) == said
    assert Outer.model_validate(Outer().model_dump()) == Outer()
