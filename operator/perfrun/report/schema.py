"""JSON Schemas of what ``--json`` and ``--result`` write, generated from the models: ``python -m
perfrun.report.schema [--check] FOLDER``."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter

from perfrun.api import Json
from perfrun.api.base import ApiModel
from perfrun.api.schema.reference import write_or_check
from perfrun.measure.report import WorkerReport
from perfrun.report.figures import FiguresDocument

STATUS = "As the CRD of PerfRuns describes it, and docs/reference/fields.md: figures as strings."
DRAFT = "https://json-schema.org/draft/2020-12/schema"


class RunDocument(ApiModel):
    """A run as `--json` writes it: the PerfRun, and its figures as numbers."""

    api_version: Literal["perfrun.dev/v1alpha1"]
    kind: Literal["PerfRun"]
    metadata: dict[str, Any] = Field(description="As in Kubernetes: name, namespace, uid, ...")
    spec: dict[str, Any] = Field(description="Of the PerfRun.")
    status: dict[str, Any] = Field(description=STATUS)
    figures: FiguresDocument


class RunListDocument(ApiModel):
    """Several runs, as kubectl reads them."""

    api_version: Literal["v1"]
    kind: Literal["List"]
    metadata: dict[str, Any]
    items: list[RunDocument]


class ResultDocument(ApiModel):
    """A run as `--result` writes it: everything that was measured. Durations of `plan` and `report`
    are in nanoseconds, except names that end in Time where they are points in time: seconds."""

    version: Literal[1]
    perfrun: str = Field(description="Version of perfrun that made it.")
    plan: dict[str, Any] = Field(description="What the workers were given; durations in ns.")
    slos: list[dict[str, Any]] = Field(description="The objectives as written.")
    start_time: str = Field(description="When the load started; empty: never.")
    report: WorkerReport | None = Field(
        description="Of all workers together; histograms in HDR V2, durations in ns. Null where no "
        "worker reported."
    )
    status: dict[str, Any] = Field(description=STATUS)
    figures: FiguresDocument


SCHEMAS: dict[str, tuple[str, Any]] = {
    "run.schema.json": ("What perfrun writes with --json", RunDocument | RunListDocument),
    "result.schema.json": (
        "What perfrun writes with --result",
        ResultDocument | list[ResultDocument],
    ),
}
"""The title and the type of each schema, by file name."""


def schema(name: str) -> Json:
    """One of :data:`SCHEMAS`."""
    title, shape = SCHEMAS[name]
    return {"$schema": DRAFT, "title": title, **TypeAdapter(shape).json_schema(by_alias=True)}


def main(arguments: list[str]) -> int:
    """Write the JSON Schemas, or with --check only compare. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m perfrun.report.schema", description=main.__doc__
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a drift")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    files = {
        options.folder / name: json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"
        for name in SCHEMAS
    }
    return write_or_check(files, check=options.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
