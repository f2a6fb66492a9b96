"""What workers may connect to: normalised hosts and addresses, compared with the policies' rules.

A name says nothing about where it leads, and an address can be written in many ways. So names are
compared as names, and every address that a worker really connects to is compared as an address.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from perfrun.measure.plan import NetworkRule

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address, and lead there."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""RFC 8215: each network places the IPv4 address where it likes."""
_COMPATIBLE = IPv6Network("::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


class NotAllowedError(Exception):
    """A policy does not allow this connection; the text is for the user."""


class Fence:
    """The network rules of a run."""

    def __init__(self, rules: Sequence[NetworkRule], namespace: str) -> None:
        """``namespace`` is the test's own: a name without a dot is a Service in it."""
        self._rules = rules
        self._namespace = namespace

    def name(self, host: str) -> str:
        """The name to look up for ``host``. Raises NotAllowedError.

        ``api.shop`` may be a Service or an internet name; only the resolver can tell. If only the
        Service is allowed, only the Service is looked up.
        """
        if not self._rules:
            return host
        literal = address_of(host)
        if literal is not None:
            for rule in self._rules:
                if rule.allow is None and not _matches(rule, str(literal)):
                    raise _refused_host(rule, str(literal))
            self.address(str(literal))
            return str(literal)
        readings = list(_readings(host, self._namespace))
        for reading in readings:
            if all(_matches(rule, reading) for rule in self._rules):
                return reading
        first = readings[0]
        raise _refused_host(next(rule for rule in self._rules if not _matches(rule, first)), first)

    def canonical(self, name: str, found: str, search: Sequence[str]) -> None:
        """Raises NotAllowedError if a Service is an alias of a name that is not allowed.

        ``name`` was looked up, and DNS returned ``found``: the name itself, or the target of an
        ExternalName. ``search`` are the domains that the resolver appends to a name. Internet names
        lead wherever their owners say.
        """
        if not self._rules or not name.endswith(".svc"):
            return
        reached = normal_host(found)
        domains = [domain.lower().strip(".") for domain in search]
        if reached in (name, *(f"{name}.{domain}" for domain in domains)):
            return
        for domain in domains:
            if f"svc.{domain}" in domains:  # the cluster's own
                reached = reached.removesuffix(f".{domain}")
        for rule in self._rules:
            if not _matches(rule, reached):
                why = f"{name} points to {reached} (ExternalName): {_refused_host(rule, reached)}"
                raise NotAllowedError(why)

    def address(self, text: str) -> None:
        """Raises NotAllowedError for an address that no connection may go to."""
        if not self._rules:
            return
        address = _parsed(text)
        found = [*_may_lead_to(address), *_leads_to(address)]
        for rule in self._rules:
            for index, cidr in enumerate(rule.deny):
                if any(_within(address, cidr) for address in found):
                    raise _denied(rule, text, index)
            if rule.allow is not None and not any(_within(found[-1], cidr) for cidr in rule.allow):
                raise _not_listed(rule, found[-1])


ANYWHERE = Fence([], "")
"""If no policy says otherwise."""


def normal_host(host: str) -> str:
    """A host name in lower case and ASCII, without a final dot and without ``.cluster.local``.

    Raises ValueError for a text that cannot be a name.
    """
    text = host if host.isascii() else host.encode("idna").decode("ascii")
    return text.lower().rstrip(".").removesuffix(".cluster.local")


def service_of(host: str, namespace: str) -> tuple[str, str] | None:
    """The namespace and name of the Service that a host may name, as pods of ``namespace`` resolve
    it; None: it cannot.

    The name of a pod behind a headless Service counts as its Service. Raises NotAllowedError for a
    text that cannot be a name.
    """
    if address_of(host) is not None:
        return None
    *_, reading = _readings(host, namespace)
    labels = reading.split(".")
    return (labels[-2], labels[-3]) if labels[-1] == "svc" and len(labels) >= 3 else None


def address_of(host: str) -> Address | None:
    """The address that a host stands for, in any spelling that resolvers accept; None for a name.

    ``127.1``, ``0x7f000001``, ``2130706433``, ``[::ffff:7f00:1]`` and ``127.0.0.1`` are the same.
    """
    bare = host.strip("[]").partition("%")[0].rstrip(".")
    try:
        return list(_leads_to(ip_address(bare)))[-1]
    except ValueError:
        pass
    return _by_inet_aton(bare)


def _by_inet_aton(text: str) -> IPv4Address | None:
    """As inet_aton(3) reads it, and with it getaddrinfo(3): one to four numbers, decimal, octal or
    hexadecimal, of which the last one fills all remaining bytes.
    """
    numbers = []
    for part in text.split("."):
        base = 16 if part[:2].lower() == "0x" else 8 if part[:1] == "0" else 10
        digits = part[2:] if base == 16 else part
        if not digits.isalnum() or not digits.isascii():
            return None
        try:
            numbers.append(int(digits, base))
        except ValueError:
            return None
    *first, last = numbers
    if (
        len(numbers) > 4
        or any(number > 255 for number in first)
        or last >= 256 ** (5 - len(numbers))
    ):
        return None
    whole = last
    for place, number in enumerate(first):
        whole += number << (24 - 8 * place)
    return IPv4Address(whole)


def patch(policy: str, *operations: Mapping[str, object]) -> str:
    """The shell command that changes a policy; it is quoted, because it may contain a tenant's
    text.
    """
    return f"kubectl patch perfpolicy {policy} --type=json -p {shlex.quote(json.dumps(operations))}"


def _readings(host: str, namespace: str) -> Iterator[str]:
    """The names that a host may stand for; messages use the first one. If it may be a Service, that
    is the last one.
    """
    try:
        name = normal_host(host)
    except (ValueError, UnicodeError):
        raise NotAllowedError(f"{host!r} is not a valid host name") from None
    labels = name.count(".") + 1
    if labels == 1 and name != "localhost":
        yield f"{name}.{namespace}.svc"
        return
    yield name
    if labels == 2:
        yield f"{name}.svc"


def _matches(rule: NetworkRule, name: str) -> bool:
    if rule.hosts is None:
        return True
    return any(_matches_one(pattern, name) for pattern in rule.hosts)


def _matches_one(pattern: str, name: str) -> bool:
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and len(name) > len(pattern) - 1
    return name == pattern


def _leads_to(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 address embedded in it, last."""
    yield address
    if isinstance(address, IPv6Address):
        behind = address.ipv4_mapped or address.sixtofour
        if behind is None and address in _NAT64:
            behind = IPv4Address(int(address) & 0xFFFF_FFFF)
        if behind is not None:
            yield behind


def _may_lead_to(address: Address) -> Iterator[IPv4Address]:
    """Further IPv4 addresses that a network may route a connection to: only denials check them."""
    if not isinstance(address, IPv6Address):
        return
    bits = int(address)
    last = IPv4Address(bits & 0xFFFF_FFFF)
    if address in _COMPATIBLE or (bits >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield last
    if address in _LOCAL_NAT64:
        yield last
        # RFC 6052, 2.2: after a prefix of 48, 56 or 64 bits, around bits 64 to 71, which are 0.
        without = (bits >> 64 << 56) | (bits & (1 << 56) - 1)
        for prefix in (48, 56, 64):
            yield IPv4Address((without >> (120 - prefix - 32)) & 0xFFFF_FFFF)
    if address.teredo is not None:
        yield from address.teredo


def _parsed(text: str) -> Address:
    return ip_address(text.partition("%")[0])


def _within(address: Address, cidr: str) -> bool:
    return address in ip_network(cidr)


def _refused_host(rule: NetworkRule, name: str) -> NotAllowedError:
    listed = ", ".join(rule.hosts or []) or "none"
    add = {"op": "add", "path": "/spec/allow/hosts/-", "value": name}
    return NotAllowedError(
        f"PerfPolicy {rule.policy} (allow.hosts: {listed}) does not allow connections to {name}; "
        + _remedy(name, patch(rule.policy, add))
    )


def _denied(rule: NetworkRule, text: str, index: int) -> NotAllowedError:
    path = f"/spec/deny/cidrs/{index}"
    remove: list[Mapping[str, object]] = [
        {"op": "test", "path": path, "value": rule.deny[index]},
        {"op": "remove", "path": path},
    ]
    return NotAllowedError(
        f"PerfPolicy {rule.policy} (deny.cidrs: {rule.deny[index]}) does not allow connections to "
        f"{text}; " + _remedy(text, patch(rule.policy, *remove))
    )


def _not_listed(rule: NetworkRule, address: Address) -> NotAllowedError:
    add = {
        "op": "add",
        "path": "/spec/allow/cidrs/-",
        "value": f"{address}/{address.max_prefixlen}",
    }
    listed = ", ".join(rule.allow or []) or "none"
    return NotAllowedError(
        f"PerfPolicy {rule.policy} (allow.cidrs: {listed}) does not allow connections to "
        f"{address}; " + _remedy(str(address), patch(rule.policy, add))
    )


def _remedy(host: str, change: str) -> str:
    """What to do about a refusal. No policy could make a worker's own pod the intended target."""
    if is_own(host):
        return "in a cluster this is the worker's own pod: use the name of the target's Service"
    return f"to allow it: {change}"


def is_own(host: str) -> bool:
    """Whether a host or an address leads back to the client itself."""
    address = address_of(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
