"""Names of runs and jobs. A name is a lock: whoever creates it first has the run."""

import base64
import hashlib
from datetime import datetime

from perfrun.api.names import RUN_NAME_MAX, TEST_NAME_MAX

HASH_LENGTH = 10


def short_hash(*parts: str) -> str:
    """Ten lowercase base32 characters (50 bits) that depend on the parts and their order."""
    # The separator keeps ("ab", "c") and ("a", "bc") apart; no part may contain it.
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return base64.b32encode(digest).decode("ascii").lower()[:HASH_LENGTH]


def scheduled_run_name(test: str, tick: datetime) -> str:
    """The name of the run of a scheduled time: ``<test>-<unix minute>``.

    ``tick`` must have a time zone; the same minute gives the same name in every zone.
    """
    if tick.tzinfo is None:
        raise ValueError("a scheduled time needs a time zone")
    return _checked(test, f"{int(tick.timestamp()) // 60}")


def change_run_name(test: str, what_runs_hash: str, generation: int) -> str:
    """The name of the run of a change: ``<test>-c<hash>``.

    The hash includes the generation, so that going back to an earlier spec is a change too.
    """
    return _checked(test, f"c{short_hash(what_runs_hash, str(generation))}")


def requested_run_name(test: str, value: str) -> str:
    """The name of the run that the annotation asked for: ``<test>-r<hash of its value>``."""
    return _checked(test, f"r{short_hash(value)}")


def rollout_run_name(test: str, before: str, state: str) -> str:
    """The name of the run of a rollout from one state to another: ``<test>-o<hash>``."""
    return _checked(test, f"o{short_hash(before, state)}")


def retry_prefix(test: str) -> str:
    """The prefix of the names of all retries of a test."""
    return f"{test}-k"


def retry_run_name(test: str, first: str, number: int) -> str:
    """The name of the ``number``-th retry of a run: ``<test>-k<hash of its uid>-<number>``."""
    return _checked(test, f"k{first}-{number}")


def confirmation_run_name(test: str, suspect: str, number: int) -> str:
    """The name of the ``number``-th run that checks a suspicion: ``<test>-k<hash>-<number>``."""
    return _checked(test, f"k{suspect}-{number}")


def job_name(run_uid: str) -> str:
    """The name of a run's Job and of its ConfigMaps: ``pr-<hash of the run's uid>``."""
    return f"pr-{short_hash(run_uid)}"


def teardown_job_name(run_uid: str) -> str:
    """The name of the Job that only runs the teardown: ``pr-<hash of the run's uid>-t``."""
    return f"{job_name(run_uid)}-t"


def _checked(test: str, suffix: str) -> str:
    if len(test) > TEST_NAME_MAX:
        raise ValueError(f"test name {test} has more than {TEST_NAME_MAX} characters")
    name = f"{test}-{suffix}"
    assert len(name) <= RUN_NAME_MAX
    return name
