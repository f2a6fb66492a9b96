"""A draft from a JMeter test plan."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from perfrun.api import Json
from perfrun.api.names import DEFAULT_PORTS
from perfrun.cli.init.draft import (
    CHANGES_DATA,
    MAX_SCENARIOS,
    Draft,
    NotCarried,
    ScenarioDraft,
    SourceError,
    StepDraft,
    is_read,
    left_out_notes,
    with_common_headers,
)
from perfrun.cli.init.foreign import ForeignValues, limits_of, of_one_target
from perfrun.cli.init.jmeter.data import DataSets
from perfrun.cli.init.jmeter.elements import (
    JmeterElement,
    JmeterPath,
    JmeterSampler,
    ThreadGroup,
)
from perfrun.cli.init.jmeter.groups import load_of, threads_of, weights_of, whole_weights
from perfrun.cli.init.jmeter.plan import HTTP_SAMPLERS, JmeterPlan
from perfrun.cli.init.jmeter.steps import JmeterSteps, PlacedSampler, method_of, placed, setting_of
from perfrun.cli.init.jmeter.values import JmeterValues
from perfrun.cli.init.jmeter.xml import XmlElement, read_xml
from perfrun.cli.init.secrets import fill_note, secret_ref
from perfrun.cli.init.texts import counted, one_line, slug

_MAX_MS = 600_000
_MAX_AROUND = 20


def jmeter_draft(data: bytes, source: str, *, name: str, url: str, writes: bool) -> Draft:
    """The draft of a test plan. Raises SourceError."""
    root = read_xml(data, source)
    first = _Drafting(root, source, name, url, (), writes=writes)
    draft = first.draft()
    if not (secret := first.foreign.found_secret):
        return draft
    return _Drafting(root, source, name, url, secret, writes=writes).draft()


@dataclass(frozen=True)
class _Group:
    """A thread group and its samplers for the target, with their pauses."""

    group: ThreadGroup
    path: JmeterPath
    samplers: tuple[JmeterSampler | PlacedSampler, ...]


class _Drafting:
    """Reads a plan once."""

    def __init__(
        self,
        root: XmlElement,
        source: str,
        name: str,
        url: str,
        secret: Iterable[str],
        *,
        writes: bool,
    ) -> None:
        self._source, self._url, self._writes = source, url, writes
        self._left_out = 0
        self._not_carried = NotCarried()
        self._plan = JmeterPlan(root, source, self._not_carried)
        self._name = name or slug(self._plan.name, 40) or "plan"
        self.foreign = ForeignValues(self._name, secret)
        known = dict(_variables(self._plan.settings))
        self._values = JmeterValues(self.foreign, known, self._not_carried)
        self._data = DataSets(
            self._plan.data, self._name, self.foreign, self._values, self._not_carried
        )
        self._http: Json = {"connections": "PerUser"}
        self._target_notes: list[str] = []

    def draft(self) -> Draft:
        """Raises SourceError."""
        for group in self._plan.groups:
            for sampler in group.samplers:
                for one in sampler.scope.extractors:
                    self._reserve(one)
        target, notes, groups = self._placed()
        left_out = left_out_notes({CHANGES_DATA: self._left_out})
        steps = JmeterSteps(self.foreign, self._values, self._data, self._not_carried)
        setup = self._around(groups, "setup", steps)
        self._values.keep()
        scenarios, of_load = self._scenarios(groups, steps)
        teardown = self._around(groups, "teardown", steps)
        if not scenarios:
            reasons = self._not_carried.reasons(*left_out)
            raise SourceError(f"{self._source}: no HTTP sampler can be used: {reasons}")
        self._target(groups)
        if not (setup or teardown):  # they do not send what all steps of the load send
            headers, scenarios = with_common_headers(scenarios)
            if headers:
                self._http["headers"] = headers
        if self._plan.serialized and len(scenarios) > 1:
            what = "that thread groups run one after another: they are scenarios of one load"
            self._not_carried.add(what, self._plan.serialized)
        groups_of_load = list({id(one.group): one.group for one in of_load}.values())
        threads = [threads_of(one, self._values, self._not_carried) for one in groups_of_load]
        of_groups = {
            id(group): weight
            for group, weight in zip(groups_of_load, weights_of(threads), strict=True)
        }
        weights = whole_weights([one.path.share * of_groups[id(one.group)] for one in of_load])
        scenarios = [
            replace(one, weight=weight) for one, weight in zip(scenarios, weights, strict=True)
        ]
        load = load_of(groups_of_load, threads, scenarios, self._not_carried)
        slos = limits_of(scenarios, self._not_carried)
        taken = sum(len(one.steps) for one in scenarios) + len(setup) + len(teardown)
        return Draft(
            name=self._name,
            url=target,
            scenarios=tuple(scenarios),
            load=replace(load, slos=(*load.slos, *slos)),
            http=self._http,
            variables=self.foreign.variables.values,
            feeds=(*self.foreign.feeds, *self._data.feeds),
            setup=setup,
            teardown=teardown,
            notes=(
                f"From {one_line(self._source, 80)}: {counted(taken, 'step')}.",
                *left_out,
                *self._not_carried.notes(),
            ),
            target_notes=(*notes, *self._target_notes),
            data_notes=(*self.foreign.notes, *self._data.notes),
            scenario_notes=("Thread groups. A request that fails ends its iteration.",),
        )

    def _reserve(self, extractor: JmeterElement) -> None:
        for prop in ("RegexExtractor.refname", "BoundaryExtractor.refname"):
            if name := extractor.text(prop):
                self.foreign.extracted(name)
        for name in extractor.text("JSONPostProcessor.referenceNames").split(";"):
            if name.strip():
                self.foreign.extracted(name.strip())

    def _placed(self) -> tuple[str, tuple[str, ...], list[_Group]]:
        """The URL of the target, notes about it, and the samplers for it."""
        found: dict[int, PlacedSampler] = {}
        for group in self._plan.groups:
            for sampler in group.samplers:
                if sampler.element.kind not in HTTP_SAMPLERS:
                    continue
                one = placed(sampler, self._values)
                if not (self._writes or is_read(method_of(sampler, self._values))):
                    self._left_out += 1
                elif one is None:
                    shown = one_line(sampler.element.name, 60)
                    what = f'sampler "{shown}": it has no HTTP URL'
                    self._not_carried.add(what, sampler.element.line)
                else:
                    found[id(sampler)] = one
        target, notes, mine = of_one_target(list(found.values()), self._url, self._not_carried)
        kept = {id(one.sampler): one for one in mine}
        groups = [
            _Group(
                group,
                path,
                tuple(
                    kept.get(id(sampler), sampler)
                    for sampler in path.samplers
                    if id(sampler) in kept or sampler.element.kind not in HTTP_SAMPLERS
                ),
            )
            for group in self._plan.groups
            for path in group.paths
        ]
        return target, notes, groups

    def _around(
        self, groups: Sequence[_Group], place: str, steps: JmeterSteps
    ) -> tuple[StepDraft, ...]:
        """The steps of a setup or a teardown."""
        made: list[StepDraft] = []
        self._values.begin()
        for one in groups:
            if one.group.place == place:
                made += steps.steps(one.samplers)
                threads = threads_of(one.group, self._values, NotCarried())
                if threads is None or threads.users * max(threads.loops, 1) != 1:
                    what = f"{one.group.element.shown}: its steps are run once"
                    self._not_carried.add(what, one.group.element.line)
        for step in made[_MAX_AROUND:]:
            self._not_carried.add(f"{place}: more than {_MAX_AROUND} steps, from {step.name}")
        return tuple(made[:_MAX_AROUND])

    def _scenarios(
        self, groups: Sequence[_Group], steps: JmeterSteps
    ) -> tuple[list[ScenarioDraft], list[_Group]]:
        """The scenarios, and the way through a thread group that each of them is."""
        scenarios: list[ScenarioDraft] = []
        of_load: list[_Group] = []
        for one in groups:
            element = one.group.element
            if one.group.place != "load":
                continue
            if len(scenarios) == MAX_SCENARIOS:
                self._not_carried.add(f"{element.shown}: more than {MAX_SCENARIOS}", element.line)
                continue
            if not any(isinstance(sampler, PlacedSampler) for sampler in one.samplers):
                what = (
                    "its iterations without requests"
                    if one.path.share < 1
                    else "it has no requests"
                )
                self._not_carried.add(f"{element.shown}: {what}", element.line)
                continue
            name = steps.scenario(f"{element.name} {one.path.name}".strip())
            if made := steps.steps(one.samplers):
                scenarios.append(ScenarioDraft(name, tuple(made)))
                of_load.append(one)
        return scenarios, of_load

    def _target(self, groups: Sequence[_Group]) -> None:
        """Fields of the target that a plan has for each sampler, and those that apply to all."""
        here = [one for it in groups for one in it.samplers if isinstance(one, PlacedSampler)]
        samplers, origins = [one.sampler for one in here], {one.origin for one in here}
        follows = [
            "true"
            in (setting_of(one, f"HTTPSampler.{how}_redirects") for how in ("follow", "auto"))
            for one in samplers
        ]
        if not all(follows):
            self._http["redirects"] = 0
        for one, does in zip(samplers, follows, strict=True):
            if does and not all(follows):
                what = "that some samplers follow redirects: no step does"
                self._not_carried.add(what, one.element.line)
        for name, field in (("response", "timeout"), ("connect", "connectTimeout")):
            self._timeout(samplers, f"HTTPSampler.{name}_timeout", field)
        for setting in self._plan.settings:
            if setting.kind == "CookieManager":
                self._http["cookies"] = True
                if setting.items("CookieManager.cookies"):
                    self._not_carried.add(f"{setting.shown}: cookies of its own", setting.line)
            elif setting.kind == "AuthManager":
                self._credentials(setting, origins)

    def _timeout(self, samplers: Sequence[JmeterSampler], name: str, field: str) -> None:
        texts = {self._values.static(setting_of(one, name)).strip(): one for one in samplers}
        given = {text: one for text, one in texts.items() if text not in ("", "0")}
        if len(texts) == 1 and given:
            (text,) = given
            if text.isdecimal() and int(text[:9]) <= _MAX_MS:
                self._http[field] = f"{int(text[:9])}ms"
                return
        for text, one in given.items():
            what = f"{field} of {one_line(text, 30)} ms: all steps have the same"
            self._not_carried.add(what, one.element.line)

    def _credentials(self, one: JmeterElement, origins: Set[str]) -> None:
        entries = one.items("AuthManager.auth_list")
        kinds = [entry.text("Authorization.mechanism") for entry in entries]
        if (
            len(entries) != 1
            or kinds[0] not in ("", "BASIC", "BASIC_DIGEST")
            or "auth" in self._http
        ):
            self._not_carried.add(f"{one.shown}: a target has one name and password", one.line)
            return
        of_whom = self._values.static(entries[0].text("Authorization.url")).strip()
        if of_whom and origin_in(of_whom) not in origins:
            what = f"{one.shown}: it is for {one_line(of_whom, 80)}, not for the target"
            self._not_carried.add(what, one.line)
            return
        secret = f"{self._name}-credentials"
        keys = ["username", "password"]
        refs = {f"{key}From": secret_ref(secret, key) for key in keys}
        self._http["auth"] = {"basic": refs}
        self._target_notes.append(fill_note(secret, keys))


def origin_in(url: str) -> str:
    """Scheme, host and port of a URL, as samplers have them; empty if it is not a URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    shown = "" if port is None or port == DEFAULT_PORTS.get(parts.scheme) else f":{port}"
    return f"{parts.scheme}://{parts.hostname}{shown}"


def _variables(settings: Iterable[JmeterElement]) -> Iterable[tuple[str, str]]:
    for one in settings:
        name = (
            "TestPlan.user_defined_variables" if one.kind == "TestPlan" else "Arguments.arguments"
        )
        if one.kind in ("TestPlan", "Arguments"):
            for argument in one.items(name):
                if argument.text("Argument.name"):
                    yield argument.text("Argument.name"), argument.text("Argument.value")
