"""The tree of a test plan: its thread groups, and each sampler with everything that applies to it.

In a JMX file, an element is followed by a hashTree with the elements below it. A configuration, a
timer, an assertion or an extractor applies to all samplers below its own parent.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import groupby, pairwise

from perfrun.cli.init.draft import MAX_SCENARIOS, NotCarried, SourceError
from perfrun.cli.init.jmeter.elements import (
    JmeterElement,
    JmeterPath,
    JmeterSampler,
    JmeterScope,
    ThreadGroup,
)
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
        "RandomOrderController",
    }
)
_CHOOSING = frozenset(
    {"RandomController", "InterleaveControl", "SwitchController", "ThroughputController"}
)
"""Controllers of which an iteration runs one part, or none."""
_SHARES = "ThroughputController"
_LOST = {
    "TransactionController": "the time of its requests together",
    "CriticalSectionController": "that one user at a time is in it",
    "OnceOnlyController": "that its requests are sent once: they are sent in each iteration",
    "RandomOrderController": "its random order: its requests are sent in the order of the plan",
    "InterleaveControl": "that its parts take turns: each has the same share, at random",
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


class NoChoiceError(Exception):
    """Why a controller cannot be expressed by weights."""


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
        pairs = list(_pairs(tree))
        for element, _ in pairs:
            scope = self._scoped(element, scope)
        for kind, together in groupby(pairs, lambda pair: pair[0].kind):
            if kind in _CHOOSING:
                self._choosing(kind, list(together), scope)
                continue
            for element, below in together:
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
        group.go_on([JmeterPath(samplers=(JmeterSampler(element, scope),))])

    def _choosing(
        self, kind: str, together: list[tuple[JmeterElement, XmlElement]], scope: JmeterScope
    ) -> None:
        """Controllers of one kind that follow each other: throughput controllers share out the
        iterations together, each of the others chooses by itself."""
        for elements in [together] if kind == _SHARES else [[one] for one in together]:
            try:
                ways = self._ways_through(elements, scope)
            except NoChoiceError as reason:
                for element, below in elements:
                    self._left_out(element, below, f": {reason}")
                continue
            assert self._group is not None, "else there are no ways"
            if lost := _LOST.get(kind):
                first = elements[0][0]
                self._not_carried.add(f"{first.shown}: {lost}", first.line)
            self._group.go_on(ways)

    def _ways_through(
        self, elements: list[tuple[JmeterElement, XmlElement]], scope: JmeterScope
    ) -> list[JmeterPath]:
        """The ways through one controller, or through several throughput controllers. Raises
        NoChoiceError."""
        if self._group is None or self._group.place != "load":
            raise NoChoiceError("only the requests of a load have weights")
        first, below = elements[0]
        if first.kind == _SHARES:
            ways = self._shared(elements, scope)
        else:
            ways = self._ways(first, below, scope)
        if len(self._group.paths) * len(ways) > MAX_SCENARIOS:
            raise NoChoiceError(f"a test has at most {MAX_SCENARIOS} scenarios")
        return ways

    def _shared(
        self, elements: list[tuple[JmeterElement, XmlElement]], scope: JmeterScope
    ) -> list[JmeterPath]:
        """The ways through throughput controllers: one of them, by its percentage, or none.
        Raises NoChoiceError."""
        shares = [_percentage(element) for element, _ in elements]
        if sum(shares) > 1:
            raise NoChoiceError("its percentage and those beside it are more than 100")
        if len(elements) > 1:
            what = "that one iteration may run several throughput controllers: it runs one"
            self._not_carried.add(what, elements[1][0].line)
        ways: list[JmeterPath] = []
        for (element, below), share in zip(elements, shares, strict=True):
            with self._inside() as inner:
                self._level(below, scope)
            if share:
                ways += _chosen(element, inner.paths, share)
        rest = 1 - sum(shares, Fraction())
        return [*ways, JmeterPath(rest)] if rest else ways

    def _ways(
        self, element: JmeterElement, below: XmlElement, scope: JmeterScope
    ) -> list[JmeterPath]:
        """The ways through a controller that runs one of its parts. Raises NoChoiceError."""
        if element.text("InterleaveControl.style").strip() == "1":
            raise NoChoiceError("it chooses among the parts of its parts")
        pairs = list(_pairs(below))
        for one, _ in pairs:
            scope = self._scoped(one, scope)
        parts = []
        for one, its in pairs:
            with self._inside() as inner:
                self._level_of(one, its, scope)
            if inner.samplers:
                parts.append((one, inner.paths))
        if element.kind == "SwitchController":
            parts = _switched(element, parts)
        share = Fraction(1, len(parts) or 1)
        return [way for one, found in parts for way in _chosen(one, found, share)] or [JmeterPath()]

    def _level_of(self, element: JmeterElement, below: XmlElement, scope: JmeterScope) -> None:
        """One element, as if it were a level."""
        if element.kind in _CHOOSING:
            self._choosing(element.kind, [(element, below)], scope)
        else:
            self._element(element, below, scope)

    @contextmanager
    def _inside(self) -> Iterator[ThreadGroup]:
        """Whatever is read in this context goes into a group of its own."""
        outer = self._group
        assert outer is not None
        self._group = ThreadGroup(outer.element, outer.place)
        try:
            yield self._group
        finally:
            self._group = outer

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

    def _left_out(self, element: JmeterElement, below: XmlElement, why: str = "") -> None:
        if element.kind.endswith(_LISTENERS):
            self._not_carried.add(
                f"listeners of the kind {one_line(element.kind, 80)}", element.line
            )
            return
        samplers = sum(kind in HTTP_SAMPLERS for kind in _kinds(below))
        with_them = f", with {samplers} HTTP samplers" if samplers else ""
        self._not_carried.add(f"{element.shown}{with_them}{why}", element.line)


def _chosen(
    element: JmeterElement, ways: Sequence[JmeterPath], share: Fraction
) -> list[JmeterPath]:
    """The ways through a part that a controller runs in this share of its iterations."""
    return [
        replace(way, share=way.share * share, name=f"{element.name} {way.name}".strip())
        for way in ways
    ]


def _percentage(element: JmeterElement) -> Fraction:
    """The share of iterations that a throughput controller runs in. Raises NoChoiceError."""
    if element.text("ThroughputController.style").strip() != "1":
        raise NoChoiceError("it counts executions: only percentages have weights")
    text = element.text("ThroughputController.percentThroughput").strip()
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) or Fraction(text) > 100:
        raise NoChoiceError(f"its percentage {one_line(text, 30)} is not fixed")
    return Fraction(text) / 100


def _switched(
    element: JmeterElement, parts: Sequence[tuple[JmeterElement, list[JmeterPath]]]
) -> list[tuple[JmeterElement, list[JmeterPath]]]:
    """The part that a switch controller runs, as JMeter finds it. Raises NoChoiceError."""
    value = element.text("SwitchController.value").strip()
    if "${" in value:
        raise NoChoiceError(f"its value {one_line(value, 60)} is not fixed")
    if not value or value.isdecimal():
        return list(parts[int(value[:6] or "0") :][:1] or parts[:1])
    named = [part for part in parts if part[0].name == value]
    return (named or [part for part in parts if part[0].name.lower() == "default"])[:1]


def _pairs(tree: XmlElement) -> Iterator[tuple[JmeterElement, XmlElement]]:
    """Each enabled element and the hashTree that follows it."""
    nothing = XmlElement("hashTree", {}, tree.line)
    for one, behind in pairwise([*tree.children, nothing]):
        if one.tag != "hashTree" and one.attributes.get("enabled", "true").lower() != "false":
            yield JmeterElement(one), behind if behind.tag == "hashTree" else nothing


def _is_defaults(element: JmeterElement) -> bool:
    """Whether it is an HTTP Request Defaults element."""
    is_http = "Http" in element.node.attributes.get("guiclass", "")
    return element.kind == "ConfigTestElement" and is_http


def _kinds(tree: XmlElement) -> Iterator[str]:
    """All enabled elements below it."""
    for element, below in _pairs(tree):
        yield element.kind
        yield from _kinds(below)
