"""What scripts of Postman express that a step can express too: statements of a few known forms.

A script is a program, and is never run. Unknown statements are reported, including everything
inside them: something that happens only sometimes must not be taken for something that always
happens.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from perfrun.api import Json

_MAX_LENGTH = 64 * 1024
_STRING = r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`$\\]*`)"""
_NAME = r"[A-Za-z_$][\w$]*"
_JSON = r"(?:pm\.response\.json\(\)|JSON\.parse\(\s*(?:responseBody|pm\.response\.text\(\))\s*\))"
_ACCESS = rf"""(?:\s*\??\.\s*{_NAME}|(?:\?\.)?\[\s*(?:\d+|'[^'\n]*'|"[^"\n]*")\s*\])"""
_SOURCE = rf"(?:{_JSON}|(?!pm\b|postman\b){_NAME}){_ACCESS}*"
_HEADER = (
    rf"(?:pm\.response\.headers\.get|postman\.getResponseHeader)\(\s*(?P<header>{_STRING})\s*\)"
)
_REPLACED = rf"pm\.variables\.replaceIn\(\s*(?P<replaced>{_STRING})\s*\)"
_CODE = r"(?:pm\.response\.code|responseCode\.code)"
_PLAIN = rf"(?P<plain>{_STRING}|-?\d+(?:\.\d+)?|true|false)"
_EQUAL = r"\.to(?:\.be)?(?:\.deep)?\.(?:equals?|eql|eq)"
_END = r"\s*(?=[;,\n})]|//|\Z)"
_SKIPPED = re.compile(r"(?:[\s;]|//[^\n]*|/\*.*?\*/|\}\s*\)|\}|\))+", re.DOTALL)
_STEP = re.compile(
    rf"""\s*\??\.\s*({_NAME})|(?:\?\.)?\[\s*(?:(\d+)|'([^'\n]*)'|"([^"\n]*)")\s*\]"""
)
_SUCCESS = (200, 201, 202, 203, 204, 205, 206, 207, 208, 226)


@dataclass
class ScriptEffects:
    """What a script does, as far as it is understood."""

    status: set[int] | None = None
    """The status codes that pass; None: not checked."""
    expect_json: dict[str, Any] = field(default_factory=dict)
    extract: dict[str, Json] = field(default_factory=dict)
    """Extractions by the name of the variable in Postman."""
    values: dict[str, str] = field(default_factory=dict)
    """Texts that it assigns to variables; they may contain variables."""
    fresh: set[str] = field(default_factory=set)
    """Those of ``values`` whose variables are replaced once, when they are set."""
    max_ms: int = 0
    """How long a response may take; 0: not checked."""
    unknown: list[str] = field(default_factory=list)
    """Statements that are not carried over."""
    conditions: list[str] = field(default_factory=list)
    """Conditions around statements that are carried over; the conditions are not."""


@lru_cache(maxsize=256)
def effects_of(script: str) -> ScriptEffects:
    """What a script does; the same object for the same script."""
    if len(script) > _MAX_LENGTH:
        return ScriptEffects(unknown=["a script of more than 64 KiB"])
    return _Reader(script).effects


class _Reader:
    """Reads a script statement by statement."""

    def __init__(self, script: str) -> None:
        self.effects = ScriptEffects()
        self._paths: dict[str, str] = {}
        """JSONPath by the name of the variable in the script that has the value."""
        self._texts: dict[str, str] = {}
        """Results of replaceIn(), by the name of the variable."""
        at = 0
        while at < len(script):
            if skipped := _SKIPPED.match(script, at):
                at = skipped.end()
                continue
            at = self._statement(script, at)

    def _statement(self, script: str, at: int) -> int:
        for pattern, take in _FORMS:
            found = pattern.match(script, at)
            if found is not None and take(self, found):
                return found.end()
        end = _end_of_statement(script, at)
        self.effects.unknown.append(" ".join(script[at:end].split())[:120])
        return end

    def _path(self, source: str) -> str | None:
        """The JSONPath of an expression; None if it is not a part of the response."""
        root = re.match(rf"{_JSON}|{_NAME}", source)
        if root is None:
            return None
        path = "$" if re.fullmatch(_JSON, root[0]) else self._paths.get(root[0])
        return None if path is None else path + _json_path(source[root.end() :])

    def _test(self, _found: re.Match[str]) -> bool:
        return True

    def _guard(self, found: re.Match[str]) -> bool:
        sources = [one.strip() for one in found["guard"].split("&&")]
        if any(self._path(one) is None for one in sources):
            return False
        return self._condition(found)

    def _condition(self, found: re.Match[str]) -> bool:
        self.effects.conditions.append(" ".join(found[0].strip("{ \n").split())[:120])
        return True

    def _status(self, found: re.Match[str]) -> bool:
        codes = {int(one) for one in re.findall(r"\d+", found["codes"])}
        return self._allow(codes)

    def _success(self, found: re.Match[str]) -> bool:
        return self._allow({200} if found["what"] == "ok" else set(_SUCCESS))

    def _allow(self, codes: set[int]) -> bool:
        known = self.effects.status
        both = codes if known is None else known & codes
        if not both or not all(100 <= one <= 599 for one in codes) or len(codes) > 20:
            return False
        self.effects.status = both
        return True

    def _time(self, found: re.Match[str]) -> bool:
        limit = int(found["ms"][:9])
        self.effects.max_ms = min(self.effects.max_ms or limit, limit)
        return limit > 0

    def _alias(self, found: re.Match[str]) -> bool:
        path = self._path(found["source"])
        if path is None:
            return False
        self._paths[found["name"]] = path
        return True

    def _names(self, found: re.Match[str]) -> bool:
        path = self._path(found["source"])
        names = [one.strip() for one in found["names"].split(",") if one.strip()]
        if path is None or not all(re.fullmatch(_NAME, one) for one in names):
            return False
        self._paths |= {one: f"{path}{_key(one)}" for one in names}
        return True

    def _replaced(self, found: re.Match[str]) -> bool:
        self._texts[found["name"]] = _unquoted(found["replaced"])
        return True

    def _set_found(self, found: re.Match[str]) -> bool:
        name = _unquoted(found["name"])
        source = found["source"]
        if source in self._texts:
            self.effects.values[name] = self._texts[source]
            self.effects.fresh.add(name)
            return True
        path = self._path(source)
        if path is None or path == "$":
            return False
        self.effects.extract[name] = {"json": path}
        return True

    def _set_header(self, found: re.Match[str]) -> bool:
        self.effects.extract[_unquoted(found["name"])] = {"header": _unquoted(found["header"])}
        return True

    def _set_plain(self, found: re.Match[str]) -> bool:
        self.effects.values[_unquoted(found["name"])] = _unquoted(found["plain"])
        return True

    def _set_replaced(self, found: re.Match[str]) -> bool:
        name = _unquoted(found["name"])
        self.effects.values[name] = _unquoted(found["replaced"])
        self.effects.fresh.add(name)
        return True

    def _equal(self, found: re.Match[str]) -> bool:
        path, plain = self._path(found["source"]), found["plain"]
        if path is None or path == "$":
            return False
        quoted = plain[0] in "\"'`"
        number = float(plain) if not quoted and plain[0] in "-0123456789" else None
        if number is not None:
            self.effects.expect_json[path] = int(number) if number == int(number) else number
        else:
            self.effects.expect_json[path] = _unquoted(plain) if quoted else plain == "true"
        return True


_SET = (
    r"(?:pm\.(?:environment|collectionVariables|globals|variables)\.set"
    rf"|postman\.set(?:Environment|Global)Variable)\(\s*(?P<name>{_STRING})\s*,\s*"
)
_TEST = (
    rf"(?:pm\.test|it|describe)\(\s*{_STRING}\s*,\s*(?:async\s+)?"
    rf"(?:function\s*\w*\s*\(\s*\w*\s*\)|\(\s*\w*\s*\)\s*=>|\w+\s*=>)\s*\{{?"
)
_ONE_OF = rf"{_CODE}\s*={{2,3}}\s*\d{{3}}"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[_Reader, re.Match[str]], bool]], ...] = tuple(
    (re.compile(pattern), take)
    for pattern, take in (
        (_TEST, _Reader._test),
        (rf"if\s*\(\s*{_ONE_OF}(?:\s*\|\|\s*{_ONE_OF})*\s*\)\s*\{{?", _Reader._condition),
        (rf"if\s*\(\s*(?P<guard>{_SOURCE}(?:\s*&&\s*{_SOURCE})*)\s*\)\s*\{{?", _Reader._guard),
        (r"pm\.response\.to\.have\.status\(\s*(?P<codes>\d{3})\s*\)", _Reader._status),
        (
            rf"pm\.expect\(\s*{_CODE}\s*(?:,\s*{_STRING}\s*)?\){_EQUAL}\(\s*(?P<codes>\d{{3}})\s*\)",
            _Reader._status,
        ),
        (
            rf"pm\.expect\(\s*{_CODE}\s*\)\.to\.be\.oneOf\(\s*\[(?P<codes>[\d,\s]+)\]\s*\)",
            _Reader._status,
        ),
        (
            rf"tests\[\s*{_STRING}\s*\]\s*=\s*{_CODE}\s*={{2,3}}\s*(?P<codes>\d{{3}}){_END}",
            _Reader._status,
        ),
        (r"pm\.response\.to\.be\.(?P<what>ok|success)\b(?!\w|\()", _Reader._success),
        (
            r"pm\.expect\(\s*(?:pm\.response\.)?responseTime\s*\)\.to\.be\.(?:below|lessThan)"
            r"\(\s*(?P<ms>\d+)\s*\)",
            _Reader._time,
        ),
        (
            rf"tests\[\s*{_STRING}\s*\]\s*=\s*responseTime\s*<\s*(?P<ms>\d+){_END}",
            _Reader._time,
        ),
        (rf"(?:const|let|var)\s+(?P<name>{_NAME})\s*=\s*{_REPLACED}{_END}", _Reader._replaced),
        (
            rf"(?:(?:const|let|var)\s+)?(?P<name>{_NAME})\s*=\s*(?P<source>{_SOURCE}){_END}",
            _Reader._alias,
        ),
        (
            rf"(?:const|let|var)\s*\{{(?P<names>[\w$,\s]+)\}}\s*=\s*(?P<source>{_SOURCE}){_END}",
            _Reader._names,
        ),
        (rf"{_SET}{_PLAIN}\s*\)", _Reader._set_plain),
        (rf"{_SET}{_HEADER}\s*\)", _Reader._set_header),
        (rf"{_SET}{_REPLACED}\s*\)", _Reader._set_replaced),
        (rf"{_SET}(?P<source>{_SOURCE})\s*\)", _Reader._set_found),
        (rf"pm\.expect\(\s*(?P<source>{_SOURCE})\s*\){_EQUAL}\(\s*{_PLAIN}\s*\)", _Reader._equal),
    )
)


def _end_of_statement(script: str, at: int) -> int:
    """The end of the statement that begins there, with all its blocks."""
    depth = 0
    for position, char in _signs(script, at):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0:
                return max(position, at + 1)
            if depth == 0 and char == "}" and not _goes_on(script, position + 1):
                return position + 1
        elif depth == 0 and (char == ";" or (char == "\n" and not _is_open(script, at, position))):
            return position + 1
    return len(script)


def _is_open(script: str, at: int, end: int) -> bool:
    """Whether a statement continues after a line break, as an ``if`` without braces does."""
    before = script[at:end].rstrip()
    headless = re.match(r"(?:else\b|if\b|for\b|while\b)[^\n]*\)\Z|else\Z", before)
    return headless is not None or before[-1:] in "=(,+-&|?:>" or _goes_on(script, end)


def _goes_on(script: str, at: int) -> bool:
    """Whether what follows belongs to the same statement."""
    return (
        re.match(r"\s*(?:[.?:)\],|&]|else\b|catch\b|finally\b)", script[at : at + 200]) is not None
    )


def _signs(script: str, at: int) -> Iterator[tuple[int, str]]:
    """The characters outside of strings and comments."""
    token = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?\*/|`(?:[^`\\]|\\.)*`|(.)", re.DOTALL)
    for found in token.finditer(script, at):
        if found[1] is not None:
            yield found.start(), found[1]


def _json_path(access: str) -> str:
    return "".join(
        f"[{found[2]}]" if found[2] else _key(found[1] or found[3] or found[4] or "")
        for found in _STEP.finditer(access)
    )


def _key(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        return f".{name}"
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"


def _unquoted(text: str) -> str:
    if text[0] not in "\"'`":
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1])
