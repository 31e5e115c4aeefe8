"""Requests to the Data Manager API: events to be ingested, and what became of them."""

import base64
import binascii
import math
import re
from urllib.parse import parse_qsl, urlsplit

from google.ads.datamanager_v1 import IngestEventsRequest

from wire import CURRENCY, RFC3339, parse

INGEST, STATUS = "/v1/events:ingest", "/v1/requestStatus:retrieve"
MAX_DESTINATIONS, MAX_EVENTS, MAX_IDENTIFIERS, MAX_TRANSACTION_ID = 10, 2000, 10, 64
CLICK_IDS = ("gclid", "gbraid", "wbraid")
REGION = re.compile(r"[A-Z]{2}\Z")
HEX = re.compile(r"[0-9a-fA-F]{64}\Z")


def check(entry, report):
    """Checks one request; answers its type."""
    url = urlsplit(entry["path"])
    headers = entry.get("headers") or {}
    report.require("login-customer-id" not in headers, "login-customer-id", "accounts go into the body")
    if url.path == STATUS:
        report.require(entry["method"] == "GET", "method", "must be GET")
        names = [name for name, value in parse_qsl(url.query) if value]
        report.require(names == ["requestId"], "path", "exactly the parameter requestId")
        report.require(entry["body"] is None, "$", "a GET has no body")
        return "RetrieveRequestStatusRequest"
    if url.path != INGEST:
        report.add("path", "no path of the Data Manager API that is known here")
        return "unknown"
    report.require(entry["method"] == "POST", "method", "must be POST")
    report.require(not url.query, "path", "takes no parameters")
    if parse(entry["body"], IngestEventsRequest, report):
        request(entry["body"], report)
    return "IngestEventsRequest"


def features(body):
    """What the events of an ingest have, one name for each."""
    for event in body.get("events", []):
        yield "events"
        yield from (name for name in ("conversionValue", "consent") if name in event)
        yield from (name for name in CLICK_IDS if name in event.get("adIdentifiers", {}))
        for identifier in event.get("userData", {}).get("userIdentifiers", []):
            yield from identifier


def request(body, report):
    references = destinations(body.get("destinations", []), report)
    events = body.get("events", [])
    report.require(1 <= len(events) <= MAX_EVENTS, "$.events", f"1 to {MAX_EVENTS} events")
    with_data = any("userData" in event for event in events)
    report.require(with_data == ("encoding" in body), "$.encoding", "there exactly when an event has userData")
    seen = set()
    for index, event in enumerate(events):
        path = f"$.events[{index}]"
        check_event(event, path, body.get("encoding"), report)
        targets = event.get("destinationReferences") or sorted(references) or [None]
        for target in targets:
            report.require(target is None or target in references, path, "refers to no destination of the request")
            key = (target, event.get("transactionId"))
            report.require(key not in seen, f"{path}.transactionId", "twice for one destination in the request")
            seen.add(key)


def destinations(rows, report):
    report.require(1 <= len(rows) <= MAX_DESTINATIONS, "$.destinations", f"1 to {MAX_DESTINATIONS} destinations")
    references = [row["reference"] for row in rows if "reference" in row]
    report.require(len(rows) == 1 or len(references) == len(rows), "$.destinations", "each of several needs a reference")
    report.require(len(set(references)) == len(references), "$.destinations", "a reference is there twice")
    for index, row in enumerate(rows):
        path = f"$.destinations[{index}]"
        report.require("operatingAccount" in row, f"{path}.operatingAccount", "is required")
        report.require("linkedAccount" not in row, f"{path}.linkedAccount", "is for data partners")
        for name in ("operatingAccount", "loginAccount"):
            if name in row:
                account(row[name], f"{path}.{name}", report)
        action = row.get("productDestinationId", "")
        report.require(re.match(r"\d+\Z", action), f"{path}.productDestinationId", "no id of a conversion action")
    return set(references)


def account(value, path, report):
    report.require("product" not in value, f"{path}.product", "deprecated: accountType")
    report.require(value.get("accountType") == "GOOGLE_ADS", f"{path}.accountType", "must be GOOGLE_ADS")
    report.require(re.match(r"\d{10}\Z", value.get("accountId", "")), f"{path}.accountId", "must be ten digits")


def check_event(event, path, encoding, report):
    transaction = event.get("transactionId", "")
    good = 1 <= len(transaction) <= MAX_TRANSACTION_ID
    report.require(good, f"{path}.transactionId", f"1 to {MAX_TRANSACTION_ID} characters")
    stamp = event.get("eventTimestamp", "")
    report.require(RFC3339.match(stamp), f"{path}.eventTimestamp", "must be RFC 3339 with a zone")
    report.require("eventSource" in event, f"{path}.eventSource", "is required")
    clicks = event.get("adIdentifiers", {})
    ids = [name for name in CLICK_IDS if name in clicks]
    report.require(len(ids) <= 1, f"{path}.adIdentifiers", "at most one of gclid, gbraid, wbraid")
    report.require(ids or "userData" in event, path, "neither click id nor userData")
    value = event.get("conversionValue")
    report.require((value is None) == ("currency" not in event), path, "conversionValue and currency go together")
    report.require(value is None or (math.isfinite(value) and value >= 0), f"{path}.conversionValue", "must be 0 or more")
    currency = event.get("currency")
    report.require(currency is None or CURRENCY.match(currency), f"{path}.currency", "no currency code")
    report.require("conversionCount" not in event, f"{path}.conversionCount", "is not for Google Ads")
    if "userData" in event:
        user_data(event["userData"], f"{path}.userData", encoding, report)


def user_data(value, path, encoding, report):
    rows = value.get("userIdentifiers", [])
    good = 1 <= len(rows) <= MAX_IDENTIFIERS
    report.require(good, f"{path}.userIdentifiers", f"1 to {MAX_IDENTIFIERS} identifiers")
    for index, row in enumerate(rows):
        where = f"{path}.userIdentifiers[{index}]"
        for name in ("emailAddress", "phoneNumber"):
            if name in row:
                report.require(is_hash(row[name], encoding), f"{where}.{name}", "no SHA-256 in the request's encoding")
        if "address" in row:
            address(row["address"], f"{where}.address", encoding, report)


def address(value, path, encoding, report):
    for name in ("givenName", "familyName"):
        good = is_hash(value.get(name, ""), encoding)
        report.require(good, f"{path}.{name}", "no SHA-256 in the request's encoding")
    report.require(REGION.match(value.get("regionCode", "")), f"{path}.regionCode", "must be two capitals, plain")
    code = value.get("postalCode", "")
    plain = code and code == code.strip() and not HEX.match(code)
    report.require(plain, f"{path}.postalCode", "must be there, trimmed and plain")


def is_hash(text, encoding):
    """Whether a text is a SHA-256 in the encoding of the request."""
    if encoding == "HEX":
        return bool(HEX.match(text))
    if encoding == "BASE64":
        try:
            return len(base64.b64decode(text, validate=True)) == 32
        except (binascii.Error, ValueError):
            return False
    return False
