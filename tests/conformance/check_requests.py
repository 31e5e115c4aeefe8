"""Checks every Google request in a log of the sandbox with Google's own message classes.

    check_requests.py LOG.json    a log as `GET /admin/requests` answers it, or several of them, one behind the other
    check_requests.py --selftest  good and bad requests made for the purpose

Exit code 0: no violation, and at least one ingest was in the log. 1: violations. 2: not usable.
"""

import collections
import json
import sys

import ads
import ingest
from wire import Report

SERVICES = {"googleAds": ads.check, "dataManager": ingest.check}
INGEST = "IngestEventsRequest"
JSON_TYPE = "application/json"


def read(text):
    """The logs of a file: lists of requests, one behind the other."""
    decoder, at, logs = json.JSONDecoder(), 0, []
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        if not isinstance(value, list):
            raise ValueError("a log must be a list of requests")
        logs.append(value)
    return logs


def check_entry(entry):
    """The type of one request, and its violations."""
    report = Report()
    report.require(entry.get("authorization"), "authorization", "a bearer token is missing")
    if entry["method"] == "POST":
        kind = (entry.get("headers") or {}).get("content-type", "")
        report.require(kind.split(";")[0] == JSON_TYPE, "content-type", f"must be {JSON_TYPE}")
    return SERVICES[entry["service"]](entry, report), report.violations


def check_logs(logs):
    """Counts by type and a line for each violation."""
    counts, lines = collections.Counter(), []
    for number, log in enumerate(logs, 1):
        for entry in log:
            if entry["service"] not in SERVICES:
                continue
            kind, violations = check_entry(entry)
            counts[kind] += 1
            where = f"log {number}, request {entry['number']}" if len(logs) > 1 else f"request {entry['number']}"
            lines.extend(f"{where}, {kind}, {path}: {text}" for path, text in violations)
    return counts, lines


def contents(logs):
    """How many events were in well-formed ingests, and what they had: what the log is a proof for."""
    found = collections.Counter()
    for entry in (entry for log in logs for entry in log if entry["service"] == "dataManager"):
        kind, violations = check_entry(entry)
        if kind == INGEST and not violations:
            found.update(ingest.features(entry["body"]))
    return found


def main(arguments):
    if arguments == ["--selftest"]:
        import samples

        return samples.run(check_entry, check_logs, read)
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            logs = read(file.read())
    except (OSError, ValueError) as error:
        print(f"{arguments[0]} can't be read: {error}", file=sys.stderr)
        return 2
    counts, lines = check_logs(logs)
    for kind, count in sorted(counts.items()):
        print(f"{count:7} {kind}")
    print(f"{'':7} ingested: {', '.join(f'{count} {name}' for name, count in sorted(contents(logs).items()))}")
    for line in lines:
        print(line)
    if not counts[INGEST]:
        print("no ingest was in the log: nothing was proved")
        return 1
    print(f"{len(lines)} violations in {sum(counts.values())} requests")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
