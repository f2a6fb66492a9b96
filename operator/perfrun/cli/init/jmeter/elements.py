"""What a test plan consists of: elements, and the samplers of its thread groups."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from perfrun.cli.init.jmeter.xml import XmlElement
from perfrun.cli.init.texts import one_line


@dataclass(frozen=True, eq=False)
class JmeterElement:
    """An element of a plan with its properties."""

    node: XmlElement

    @property
    def kind(self) -> str:
        """``ThreadGroup``; for a plug-in, with its package."""
        return self.node.attributes.get("testclass") or self.node.tag

    @property
    def name(self) -> str:
        """Its name in the plan."""
        return self.node.attributes.get("testname", "")

    @property
    def line(self) -> int:
        """The line in the file."""
        return self.node.line

    @property
    def shown(self) -> str:
        """How notes call it."""
        return f'{one_line(self.kind, 80)} "{one_line(self.name, 60)}"'

    def text(self, name: str) -> str:
        """A property; empty if it does not exist."""
        found = self._property(name)
        return found.text.strip("\r\n") if found is not None else self._number(name)

    def is_set(self, name: str) -> bool:
        """Whether a property is true."""
        return self.text(name).strip().lower() == "true"

    def items(self, name: str) -> list["JmeterElement"]:
        """The elements of a collection, also of one inside an element with that name."""
        found = self._property(name)
        while found is not None and found.tag == "elementProp":
            found = next(found.below("collectionProp"), None)
        return [JmeterElement(one) for one in found.children] if found is not None else []

    def texts(self, name: str) -> list[str]:
        """The strings of a collection."""
        return [one.node.text for one in self.items(name)]

    def part(self, name: str) -> "JmeterElement | None":
        """An element that is a property of this one."""
        found = self._property(name)
        return None if found is None else JmeterElement(found)

    def _number(self, name: str) -> str:
        """A property whose name is an element: a number of older controllers."""
        for one in self.node.below("FloatProperty"):
            named = {child.tag: child.text.strip() for child in one.children}
            if named.get("name") == name:
                return named.get("value", "")
        return ""

    def _property(self, name: str) -> XmlElement | None:
        return next((it for it in self.node.children if it.attributes.get("name") == name), None)


@dataclass(frozen=True)
class JmeterScope:
    """What applies to the samplers at one place of a plan, the outermost first."""

    defaults: tuple[JmeterElement, ...] = ()
    headers: tuple[JmeterElement, ...] = ()
    data: tuple[JmeterElement, ...] = ()
    timers: tuple[JmeterElement, ...] = ()
    checks: tuple[JmeterElement, ...] = ()
    extractors: tuple[JmeterElement, ...] = ()


@dataclass(frozen=True)
class JmeterSampler:
    """A sampler and everything that applies to it."""

    element: JmeterElement
    scope: JmeterScope


@dataclass(frozen=True)
class JmeterPath:
    """One way through a thread group: its samplers in order, and the share of iterations."""

    share: Fraction = Fraction(1)
    samplers: tuple[JmeterSampler, ...] = ()
    name: str = ""
    """Of what was chosen on it."""


@dataclass
class ThreadGroup:
    """A thread group and the ways through it: one, unless controllers choose."""

    element: JmeterElement
    place: str
    """``load``, ``setup`` or ``teardown``."""
    paths: list[JmeterPath] = field(default_factory=lambda: [JmeterPath()])

    @property
    def samplers(self) -> list[JmeterSampler]:
        """All of them, once."""
        found = (sampler for path in self.paths for sampler in path.samplers)
        return list({id(one): one for one in found}.values())

    def go_on(self, ways: Sequence[JmeterPath]) -> None:
        """Behind each of the paths comes each of these."""
        self.paths = [
            JmeterPath(
                path.share * way.share,
                (*path.samplers, *way.samplers),
                " ".join(filter(None, (path.name, way.name))),
            )
            for path in self.paths
            for way in ways
        ]
