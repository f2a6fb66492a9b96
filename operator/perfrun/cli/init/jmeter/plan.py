"""The tree of a test plan: its thread groups, and each sampler with everything that applies to it.

In a JMX file, an element is followed by a hashTree with the elements below it. A configuration, a
timer, an assertion or an extractor applies to all samplers below its own parent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from perfrun.cli.init.draft import NotCarried, SourceError
from perfrun.cli.init.jmeter.xml import XmlElement
from perfrun.cli.init.texts import one_line

HTTP_SAMPLERS = frozenset({"HTTPSamplerProxy", "HTTPSampler", "HTTPSampler2"})
PAUSE = "TestAction"
GROUPS = {
    "ThreadGroup": "load",
    "SetupThreadGroup": "setup",
    "PostThreadGroup": "teardown",
    "com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup": "load",
}
_PASSED_THROUGH = frozenset(
    {
        "GenericController",
        "RecordingController",
        "TransactionController",
        "CriticalSectionController",
        "OnceOnlyController",
        "LoopController",
        "HTTPTestFragmentController",
    }
)
_LOST = {
    "TransactionController": "the time of its requests together",
    "CriticalSectionController": "that one user at a time is in it",
    "OnceOnlyController": "that its requests are sent once: they are sent in each iteration",
}
"""Controllers whose requests are used."""
_SCOPED = {
    "HeaderManager": "headers",
    "CSVDataSet": "data",
    "ConstantTimer": "timers",
    "UniformRandomTimer": "timers",
    "GaussianRandomTimer": "timers",
    "PoissonRandomTimer": "timers",
    "ResponseAssertion": "checks",
    "JSONPathAssertion": "checks",
    "DurationAssertion": "checks",
    "RegexExtractor": "extractors",
    "JSONPostProcessor": "extractors",
    "BoundaryExtractor": "extractors",
}
_GLOBAL = frozenset({"Arguments", "CookieManager", "AuthManager"})
_LISTENERS = ("ResultCollector", "Summariser", "BackendListener", "ResultSaver", "DebugSampler")
_MAX_REPEATED = 10
"""How often a loop is unrolled, including the loops around it."""
_MAX_SCOPED = 100
"""Kinds of elements that apply to samplers."""


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
        return found.text.strip("\r\n") if found is not None else ""

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


@dataclass
class ThreadGroup:
    """A thread group and its samplers in order."""

    element: JmeterElement
    place: str
    """``load``, ``setup`` or ``teardown``."""
    samplers: list[JmeterSampler] = field(default_factory=list)


class JmeterPlan:
    """The contents of a test plan."""

    def __init__(self, root: XmlElement, source: str, not_carried: NotCarried) -> None:
        if root.tag != "jmeterTestPlan":
            raise SourceError(
                f"{source}: not a JMeter test plan: its root is <{one_line(root.tag, 60)}>, and "
                "not <jmeterTestPlan>"
            )
        self.name = ""
        self.groups: list[ThreadGroup] = []
        self.settings: list[JmeterElement] = []
        """What applies to all samplers: variables, cookies, credentials."""
        self.data: list[JmeterElement] = []
        """The CSV data sets."""
        self.serialized = 0
        """The line that says that thread groups run one after another; 0: they run together."""
        self._not_carried = not_carried
        self._group: ThreadGroup | None = None
        self._repeated = 1
        """How often the loops around the current element repeat it."""
        for tree in root.below("hashTree"):
            self._level(tree, JmeterScope())

    def _level(self, tree: XmlElement, scope: JmeterScope) -> JmeterScope:
        """Read one level; returns what applies to it."""
        pairs = [(one, below) for one, below in _pairs(tree) if _is_enabled(one)]
        for element, _ in pairs:
            scope = self._scoped(element, scope)
        for element, below in pairs:
            self._element(element, below, scope)
        return scope

    def _scoped(self, element: JmeterElement, scope: JmeterScope) -> JmeterScope:
        kind = element.kind
        if _is_defaults(element):
            return replace(scope, defaults=(*scope.defaults, element))
        if kind == "CSVDataSet":
            self.data.append(element)
        if kind in _SCOPED:
            known = getattr(scope, _SCOPED[kind])
            if len(known) == _MAX_SCOPED:
                what = f"{kind}: more than {_MAX_SCOPED} apply to a sampler"
                self._not_carried.add(what, element.line)
                return scope
            return replace(scope, **{_SCOPED[kind]: (*known, element)})
        if kind in _GLOBAL:
            self.settings.append(element)
        return scope

    def _element(self, element: JmeterElement, below: XmlElement, scope: JmeterScope) -> None:
        kind = element.kind
        if kind in _SCOPED or kind in _GLOBAL or _is_defaults(element):
            return
        if kind == "TestPlan":
            self._test_plan(element)
            self._level(below, scope)
        elif kind in GROUPS and self._group is None:
            self._group = ThreadGroup(element, GROUPS[kind])
            self.groups.append(self._group)
            self._level(below, scope)
            self._group = None
        elif kind in HTTP_SAMPLERS or kind == PAUSE:
            self._sampler(element, below, scope)
        elif kind in _PASSED_THROUGH:
            self._controller(element, below, scope)
        else:
            self._left_out(element, below)

    def _test_plan(self, element: JmeterElement) -> None:
        self.name = element.name
        if element.part("TestPlan.user_defined_variables") is not None:
            self.settings.append(element)
        if element.is_set("TestPlan.serialize_threadgroups"):
            self.serialized = element.line

    def _sampler(self, element: JmeterElement, below: XmlElement, scope: JmeterScope) -> None:
        if self._group is None:
            self._not_carried.add(f"{element.shown}: it is in no thread group", element.line)
            return
        group, scope = self._group, self._level(below, scope)
        group.samplers.append(JmeterSampler(element, scope))

    def _controller(self, element: JmeterElement, below: XmlElement, scope: JmeterScope) -> None:
        times = 1
        if element.kind == "LoopController":
            loops = element.text("LoopController.loops").strip()
            times = int(loops) if re.fullmatch("[0-9]{1,3}", loops) else 0
            if not 0 < times * self._repeated <= _MAX_REPEATED:
                what = f"{element.shown}: its {one_line(loops, 30)} repetitions: there is one"
                self._not_carried.add(what, element.line)
                times = 1
        if lost := _LOST.get(element.kind):
            self._not_carried.add(f"{element.shown}: {lost}", element.line)
        self._repeated *= times
        for _ in range(times):
            self._level(below, scope)
        self._repeated //= times

    def _left_out(self, element: JmeterElement, below: XmlElement) -> None:
        if element.kind.endswith(_LISTENERS):
            self._not_carried.add(
                f"listeners of the kind {one_line(element.kind, 80)}", element.line
            )
            return
        samplers = sum(kind in HTTP_SAMPLERS for kind in _kinds(below))
        with_them = f", with {samplers} HTTP samplers" if samplers else ""
        self._not_carried.add(f"{element.shown}{with_them}", element.line)


def _pairs(tree: XmlElement) -> Iterator[tuple[JmeterElement, XmlElement]]:
    """Each element and the hashTree that follows it."""
    nothing = XmlElement("hashTree", {}, tree.line)
    for one, behind in pairwise([*tree.children, nothing]):
        if one.tag != "hashTree":
            yield JmeterElement(one), behind if behind.tag == "hashTree" else nothing


def _is_defaults(element: JmeterElement) -> bool:
    """Whether it is an HTTP Request Defaults element."""
    is_http = "Http" in element.node.attributes.get("guiclass", "")
    return element.kind == "ConfigTestElement" and is_http


def _is_enabled(element: JmeterElement) -> bool:
    return element.node.attributes.get("enabled", "true").lower() != "false"


def _kinds(tree: XmlElement) -> Iterator[str]:
    """All enabled elements below it."""
    for element, below in _pairs(tree):
        if _is_enabled(element):
            yield element.kind
            yield from _kinds(below)
