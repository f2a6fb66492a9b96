"""From ``spec.observe`` to what a worker observes."""

import ssl
from urllib.parse import urlsplit

from perfrun.api.names import port_of
from perfrun.api.test.observe import Observed, ObservedPrometheus
from perfrun.logic.plan.network import Fence
from perfrun.measure.plan import RunPlan
from perfrun.observe.prometheus import PrometheusSource
from perfrun.observe.source import ObservedSource, Unseen
from perfrun.observe.sql import METRICS, SqlSource
from perfrun.reach.dsn import parse_dsn
from perfrun.reach.errors import DataError
from perfrun.reach.resolver import Resolver
from perfrun.reach.values import Values, value_of

_WHERE = "spec.observe[{}]"


def sources_of(plan: RunPlan, values: Values) -> dict[str, ObservedSource]:
    """Databases and queries, by name; what a value is missing for says so at each look."""
    return {
        thing.name: _source(thing, plan, values) for thing in plan.observe if thing.workload is None
    }


def _source(thing: Observed, plan: RunPlan, values: Values) -> ObservedSource:
    fence = Fence(plan.network, plan.namespace)
    try:
        if thing.prometheus is not None:
            return _prometheus(thing.name, thing.prometheus, fence, values)
        assert thing.sql is not None
        where, ref = f"{_WHERE.format(thing.name)}.sql.dsnFrom", thing.sql.dsn_from.secret_key_ref
        dsn = parse_dsn(values.secret(ref.name, ref.key, where), where)
        return SqlSource(dsn, Resolver(dsn.host, dsn.port, fence), plan.user_agent)
    except DataError as error:
        metrics = METRICS if thing.sql is not None else PrometheusSource.metrics
        return Unseen(metrics, error.message)


def _prometheus(
    name: str, asked: ObservedPrometheus, fence: Fence, values: Values
) -> ObservedSource:
    where, token = f"{_WHERE.format(name)}.prometheus", None
    if asked.token_from is not None:
        ref = asked.token_from.secret_key_ref
        token = values.secret(ref.name, ref.key, f"{where}.tokenFrom")
        if not token.isascii() or not token.isprintable():
            raise DataError(
                f"{where}.tokenFrom: the token has characters that are not allowed in a header"
            )
    parts = urlsplit(asked.url)
    resolver = Resolver(parts.hostname or "", port_of(parts), fence)
    verify = _verify(asked, parts.scheme, f"{where}.caFrom", values)
    return PrometheusSource(asked.url, asked.query, resolver, verify, token)


def _verify(
    asked: ObservedPrometheus, scheme: str, field: str, values: Values
) -> ssl.SSLContext | bool:
    if scheme != "https":
        return False
    if asked.ca_from is None:
        return ssl.create_default_context()
    pem, _ = value_of(asked.ca_from, values, field)
    try:
        return ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise DataError(f"{field}: it contains no certificate in PEM") from error
