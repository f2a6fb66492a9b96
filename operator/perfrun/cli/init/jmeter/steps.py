"""HTTP samplers as steps."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote_plus

from perfrun.api import Json
from perfrun.api.names import DEFAULT_PORTS
from perfrun.cli.init.draft import (
    MAX_PATH_LENGTH,
    MAX_STEPS,
    METHODS,
    NotCarried,
    StepDraft,
    first_headers,
)
from perfrun.cli.init.foreign import (
    MAX_BODY_LENGTH,
    ForeignValues,
    SentBody,
    header_of,
    sent_body,
    text_of_parts,
)
from perfrun.cli.init.jmeter.data import DataSets
from perfrun.cli.init.jmeter.elements import JmeterElement, JmeterSampler
from perfrun.cli.init.jmeter.responses import ResponseReader
from perfrun.cli.init.jmeter.values import JmeterValues
from perfrun.cli.init.openapi.bodies import FORM, FormField, multipart
from perfrun.cli.init.texts import (
    Part,
    UniqueNames,
    encoded,
    encoded_value,
    one_line,
    origin_of,
    path_template,
    slug,
    text_template,
    usable_url,
)

Encode = Callable[[str], str]
_IN_PATH = ("GET", "HEAD", "DELETE", "OPTIONS")
_LOST = {
    "HTTPSampler.image_parser": "that embedded resources are fetched",
    "HTTPSampler.md5": "that the response is kept as a hash",
}
_TIMERS = {
    "ConstantTimer": ("ConstantTimer.delay", "", 0.0),
    "UniformRandomTimer": ("ConstantTimer.delay", "RandomTimer.range", 0.5),
    "GaussianRandomTimer": ("ConstantTimer.delay", "", 0.0),
    "PoissonRandomTimer": ("ConstantTimer.delay", "RandomTimer.range", 1.0),
}
"""The properties with a timer's constant delay and with its random part, and the share of that part
that is added on average."""
_MAX_PAUSE_MS = 3_600_000


@dataclass(frozen=True)
class PlacedSampler:
    """An HTTP sampler and the destination of its request."""

    sampler: JmeterSampler
    origin: str
    """``https://shop.example``, or the text with the variables that it consists of."""
    is_known: bool
    path: str
    """As the plan has it."""

    @property
    def shown(self) -> str:
        """How notes call it."""
        return f'sampler "{one_line(self.sampler.element.name, 60)}"'

    @property
    def line(self) -> int:
        """The line in the file."""
        return self.sampler.element.line


class NoSamplerStepError(Exception):
    """Why a sampler cannot be a step."""


def setting_of(sampler: JmeterSampler, name: str) -> str:
    """A property of a sampler; if it has none, that of the nearest request defaults."""
    places = [sampler.element, *reversed(sampler.scope.defaults)]
    return next((text for one in places if (text := one.text(name))), "")


def method_of(sampler: JmeterSampler, values: JmeterValues) -> str:
    """``GET`` where none is set."""
    return values.static(setting_of(sampler, "HTTPSampler.method")).upper() or "GET"


def placed(sampler: JmeterSampler, values: JmeterValues) -> PlacedSampler | None:
    """None if its URL is not an HTTP URL."""
    path = setting_of(sampler, "HTTPSampler.path")
    static = values.static(path)
    if re.match(r"https?://", static):
        if not (origin := origin_of(static)):
            return None
        rest = re.sub(r"https?://[^/?#]*", "", static, count=1)
        return PlacedSampler(sampler, origin, True, rest)
    scheme = values.static(setting_of(sampler, "HTTPSampler.protocol")) or "http"
    host = values.static(setting_of(sampler, "HTTPSampler.domain")).strip()
    port = values.static(setting_of(sampler, "HTTPSampler.port")).strip()
    named = re.match(r"(https?)://(.*?)/*\Z", host)
    scheme, host = (named[1], named[2]) if named else (scheme, host)
    port = "" if port == str(DEFAULT_PORTS.get(scheme)) else port
    origin = f"{scheme}://{host}{f':{port}' if port else ''}"
    if "${" in origin or not host:
        return PlacedSampler(sampler, origin if host else "the server", False, path)
    origin = origin.lower()
    return PlacedSampler(sampler, origin, True, path) if usable_url(origin) else None


class JmeterSteps:
    """Creates steps; later steps may use the values that earlier ones extract."""

    def __init__(
        self,
        foreign: ForeignValues,
        values: JmeterValues,
        data: DataSets,
        not_carried: NotCarried,
    ) -> None:
        self._foreign = foreign
        self._values = values
        self._data = data
        self._not_carried = not_carried
        self._responses = ResponseReader(values, not_carried)
        self._names = UniqueNames()

    def scenario(self, wanted: str) -> str:
        """The name of a scenario; steps and scenarios share one set of names."""
        self._values.begin()
        return self._names.take(slug(wanted, 40), "users")

    def steps(self, samplers: Sequence[JmeterSampler | PlacedSampler]) -> list[StepDraft]:
        """The steps of a thread group, with their pauses."""
        made: list[StepDraft] = []
        pauses: list[int] = []
        waiting = 0
        for one in samplers:
            if isinstance(one, JmeterSampler):
                waiting += self._pause(one)
                continue
            if len(made) == MAX_STEPS:
                what = f"{one.shown}: more than {MAX_STEPS} steps, the limit of a scenario"
                self._not_carried.add(what, one.line)
                continue
            try:
                step = self._step(one)
            except NoSamplerStepError as reason:
                self._not_carried.add(f"{one.shown}: {reason}", one.line)
                continue
            made.append(step)
            pauses.append(waiting + self._timers(one.sampler))
            waiting = 0
        if not made:
            return []
        # JMeter waits before a request, a step waits after it; a pause before the first request
        # comes after the last step.
        after = [*pauses[1:], pauses[0] + waiting]
        return [
            replace(step, think_ms=min(pause, _MAX_PAUSE_MS))
            for step, pause in zip(made, after, strict=True)
        ]

    def _step(self, one: PlacedSampler) -> StepDraft:
        element, values = one.sampler.element, self._values
        values.line = element.line
        self._data.apply(one.sampler.scope.data)
        for name, lost in _LOST.items():
            if setting_of(one.sampler, name) == "true":
                self._not_carried.add(lost, one.line)
        method = method_of(one.sampler, values)
        if method not in METHODS:
            raise NoSamplerStepError(f"the method {one_line(method, 30)}")
        if any(file.text("File.path") for file in element.items("HTTPsampler.Files")):
            raise NoSamplerStepError("it sends a file")
        headers = self._headers(one)
        arguments = list(self._arguments(one.sampler))
        is_raw = setting_of(one.sampler, "HTTPSampler.postBodyRaw") == "true" or (
            bool(arguments) and not any(argument.text("Argument.name") for argument in arguments)
        )
        in_path = not is_raw and method in _IN_PATH
        path = path_template(self._path(one, arguments if in_path else []))
        if len(path) > MAX_PATH_LENGTH:
            raise NoSamplerStepError("its path is too long")
        body = SentBody()
        if arguments and not in_path:
            body = self._raw(arguments, headers) if is_raw else self._form(one, arguments, headers)
        judged = self._responses.read(one.sampler)
        plain = slug(f"{method} {one.path.partition('?')[0]}")
        return StepDraft(
            name=self._names.take(slug(element.name), plain or method.lower()),
            path=path if path.startswith("/") else f"/{path}",
            method=method,
            headers=tuple(first_headers(headers.values(), one.shown, one.line, self._not_carried)),
            json=body.json,
            body=body.text,
            status=tuple(sorted(judged.status or ())),
            expect_json=judged.expect_json,
            extract=judged.extract,
            max_ms=judged.max_ms,
        )

    def _headers(self, one: PlacedSampler) -> dict[str, Json]:
        """The headers of the nearest header manager take precedence."""
        found: dict[str, Json] = {}
        for manager in one.sampler.scope.headers:
            for header in manager.items("HeaderManager.headers"):
                name = self._values.static(header.text("Header.name")).strip()
                if not name:
                    continue
                value = self._values.split(header.text("Header.value"))
                if made := header_of(self._foreign, name, value):
                    found[name.lower()] = made
                else:
                    self._not_carried.add(f"header {one_line(name, 60)}", header.line)
        return found

    def _arguments(self, sampler: JmeterSampler) -> Iterator[JmeterElement]:
        """The fields of request defaults come first."""
        for place in (*sampler.scope.defaults, sampler.element):
            for one in place.items("HTTPsampler.Arguments"):
                if one.text("Argument.name") or one.text("Argument.value"):
                    yield one

    def _path(self, one: PlacedSampler, arguments: Sequence[JmeterElement]) -> list[Part]:
        path, mark, query = one.path.partition("#")[0].partition("?")
        parts: list[Part] = self._values.split(path) if path else ["/"]
        if isinstance(parts[0], str) and not parts[0].startswith("/"):
            parts = ["/", *parts]
        pairs: list[list[Part]] = [
            [name, equals, *self._foreign.hidden(name, self._values.split(value))]
            for name, equals, value in (pair.partition("=") for pair in query.split("&") if mark)
        ]
        pairs += [self._pair(argument, encoded_value) for argument in arguments]
        for index, pair in enumerate(pairs):
            parts += ["&" if index else "?", *pair]
        return parts

    def _pair(self, argument: JmeterElement, encode: Encode) -> list[Part]:
        name, value = argument.text("Argument.name"), argument.text("Argument.value")
        hidden = self._foreign.hidden(name, self._values.split(value))
        # An argument that must not be encoded is already encoded.
        if not argument.is_set("HTTPArgument.always_encode"):
            encode = str
        equals = "=" if value or argument.text("HTTPArgument.use_equals") != "false" else ""
        return [
            *encoded(self._values.split(name), encode),
            equals,
            *encoded(hidden, encode),
        ]

    def _raw(self, arguments: Sequence[JmeterElement], headers: dict[str, Json]) -> SentBody:
        text = "".join(one.text("Argument.value") for one in arguments)
        if len(text) > MAX_BODY_LENGTH:
            raise NoSamplerStepError("its body is too long")
        kind = headers.get("content-type", {}).get("value", "")
        return sent_body(self._foreign, kind, text.replace("\r\n", "\n"), self._values.split)

    def _form(
        self, one: PlacedSampler, arguments: Sequence[JmeterElement], headers: dict[str, Json]
    ) -> SentBody:
        if setting_of(one.sampler, "HTTPSampler.DO_MULTIPART_POST") == "true":
            fields = [
                FormField(
                    name := argument.text("Argument.name"),
                    text_of_parts(
                        self._foreign, name, self._values.split(argument.text("Argument.value"))
                    ),
                )
                for argument in arguments
            ]
            kind, text = multipart(fields)
            headers["content-type"] = {"name": "Content-Type", "value": kind}
            return SentBody(text=text)
        headers.setdefault("content-type", {"name": "Content-Type", "value": FORM})
        pairs = [self._pair(argument, quote_plus) for argument in arguments]
        return SentBody(text="&".join(text_template(pair) for pair in pairs))

    def _pause(self, sampler: JmeterSampler) -> int:
        """The pause of a flow control action, in ms."""
        element = sampler.element
        if element.text("ActionProcessor.action") not in ("", "1"):
            self._not_carried.add(f"{element.shown}: it stops or skips something", element.line)
            return 0
        duration = self._values.number(element.text("ActionProcessor.duration"))
        if duration is None:
            self._not_carried.add(f"{element.shown}: its duration is not fixed", element.line)
        return max(duration or 0, 0) + self._timers(sampler)

    def _timers(self, sampler: JmeterSampler) -> int:
        """The average pause of timers before a request, in ms."""
        whole = 0.0
        for one in sampler.scope.timers:
            fixed, varying, share = _TIMERS[one.kind]
            delay = self._milliseconds(one, fixed)
            spread = self._milliseconds(one, varying) if varying else 0.0
            if one.kind != "ConstantTimer":
                self._not_carried.add(
                    f"{one.shown}: its pauses are random, those of a step are always the average",
                    one.line,
                )
            whole += delay + spread * share
        return round(whole)

    def _milliseconds(self, one: JmeterElement, name: str) -> float:
        text = self._values.static(one.text(name)).strip()
        try:
            return min(max(float(text or 0), 0.0), _MAX_PAUSE_MS)
        except ValueError:
            self._not_carried.add(f"{one.shown}: {one_line(text, 60)} is not fixed", one.line)
            return 0.0
