"""Names that cannot be looked up."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from perfrun.logic.network import ANYWHERE, Fence
from perfrun.measure.plan import NetworkRule
from perfrun.reach.errors import ErrorClass, OpenError
from perfrun.reach.resolver import Resolver

LAB = Fence([NetworkRule(policy="lab", hosts=["*.example.org"], allow=None, deny=[])], "shop")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize(
    ("host", "fence"),
    [
        pytest.param("a" * 64 + ".example.org", ANYWHERE, id="a label of 64 characters"),
        pytest.param("a" * 64 + ".example.org", LAB, id="one that the policies let through"),
        pytest.param("é" * 64 + ".example.org", ANYWHERE, id="a label that IDNA makes longer"),
        pytest.param("a..example.org", ANYWHERE, id="an empty label"),
    ],
)
def test_what_is_no_name_is_not_resolved(
    host: str, fence: Fence, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    async def looked_up() -> OpenError:
        with pytest.raises(OpenError, match="could not be resolved") as caught:
            await Resolver(host, 80, fence).candidates()
        return caught.value

    error = run(looked_up())
    assert error.reason == ErrorClass.DNS
    assert host in error.message
