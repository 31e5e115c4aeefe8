"""Requests to the Google Ads API: the message by the path, and the rules that the messages can't express."""

import re

from google.ads.googleads.v26.services.types.conversion_action_service import MutateConversionActionsRequest
from google.ads.googleads.v26.services.types.conversion_adjustment_upload_service import (
    UploadConversionAdjustmentsRequest,
)
from google.ads.googleads.v26.services.types.conversion_upload_service import UploadClickConversionsRequest
from google.ads.googleads.v26.services.types.customer_conversion_goal_service import (
    MutateCustomerConversionGoalsRequest,
)
from google.ads.googleads.v26.services.types.google_ads_service import (
    SearchGoogleAdsRequest,
    SearchGoogleAdsStreamRequest,
)

import gaql
from wire import CURRENCY, fields_of, leaf, leaves, parse, repeated

VERSION = "v26"
PATH = re.compile(r"/(?P<version>v\d+)/customers/(?P<customer>\d{10})(?P<method>[/:][A-Za-z:]+)\Z")
ACTION = re.compile(r"customers/(\d{10})/conversionActions/\d+\Z")
GOAL = re.compile(r"customers/(\d{10})/customerConversionGoals/[A-Z_]+~[A-Z_]+\Z")
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d\Z")
SHA256_HEX = re.compile(r"[0-9a-f]{64}\Z")
MAX_OPERATIONS, MAX_ROWS, MAX_IDENTIFIERS, MAX_ORDER_ID = 100, 2000, 5, 64
FIXED = {"resourceName", "id", "type", "origin", "ownerCustomer", "tagSnippets", "includeInConversionsMetric"}
GOAL_FIXED = {"resourceName", "category", "origin"}


def check(entry, report):
    """Checks one request; answers its type."""
    match = PATH.match(entry["path"])
    if not match:
        report.add("path", "no path of the Google Ads API that is known here")
        return "unknown"
    report.require(match["version"] == VERSION, "path", f"the classes are those of {VERSION}")
    report.require(entry["method"] == "POST", "method", "must be POST")
    headers = entry.get("headers") or {}
    login = headers.get("login-customer-id")
    report.require(login is None or re.match(r"\d{10}\Z", login), "login-customer-id", "must be ten digits")
    found = METHODS.get(match["method"])
    if found is None:
        report.add("path", f"the method {match['method']} is not known here")
        return "unknown"
    message, rules = found
    body = entry["body"]
    if isinstance(body, dict):
        report.require("customerId" not in body and "customer_id" not in body, "$", "customerId is in the path already")
    if parse(body, message, report):
        rules(body, match["customer"], report)
    return message.__name__


def search(body, _customer, report):
    report.require("pageSize" not in body, "$.pageSize", "pages have a fixed size")
    if report.require("query" in body, "$.query", "is missing"):
        gaql.check(body["query"], "$.query", report)


def operations(body, report):
    """Operations with their path, exactly one kind each."""
    rows = body.get("operations", [])
    report.require(1 <= len(rows) <= MAX_OPERATIONS, "$.operations", f"1 to {MAX_OPERATIONS} operations")
    for index, operation in enumerate(rows):
        path = f"$.operations[{index}]"
        kinds = [kind for kind in ("create", "update", "remove") if kind in operation]
        if report.require(len(kinds) == 1, path, "exactly one of create, update, remove"):
            report.require("updateMask" not in operation or kinds == ["update"], path, "updateMask is for updates")
            yield path, kinds[0], operation


def mutate_actions(body, customer, report):
    for path, kind, operation in operations(body, report):
        if kind == "create":
            created(operation["create"], f"{path}.create", report)
        elif kind == "remove":
            owned(operation["remove"], ACTION, customer, f"{path}.remove", report)
        else:
            updated(operation, MutateConversionActionsRequest, ACTION, customer, path, FIXED, report)


def created(action, path, report):
    for name in ("name", "type"):
        report.require(name in action, f"{path}.{name}", "is required")
    for name in sorted((FIXED - {"type"}) & action.keys()):
        report.add(f"{path}.{name}", "is not for creates")
    values(action, path, report)


def values(action, path, report):
    currency = action.get("valueSettings", {}).get("defaultCurrencyCode")
    good = currency is None or CURRENCY.match(currency)
    report.require(good, f"{path}.valueSettings.defaultCurrencyCode", "no currency code")
    for name, most in (("clickThroughLookbackWindowDays", 90), ("viewThroughLookbackWindowDays", 30)):
        days = action.get(name)
        report.require(days is None or 1 <= int(days) <= most, f"{path}.{name}", f"1 to {most} days")


def mutate_goals(body, customer, report):
    # Their operations know updates only.
    for path, _kind, operation in operations(body, report):
        updated(operation, MutateCustomerConversionGoalsRequest, GOAL, customer, path, GOAL_FIXED, report)


def updated(operation, message, form, customer, path, fixed, report):
    """An update names its resource, and its mask exactly the leaves that it sets."""
    update = operation["update"]
    operations_field = fields_of(message.pb().DESCRIPTOR)["operations"]
    descriptor = fields_of(operations_field.message_type)["update"].message_type
    owned(update.get("resourceName", ""), form, customer, f"{path}.update.resourceName", report)
    if not report.require("updateMask" in operation, f"{path}.updateMask", "is required"):
        return
    names = operation["updateMask"].split(",")
    report.require(len(set(names)) == len(names), f"{path}.updateMask", "names a field twice")
    for name in names:
        field = leaf(name, descriptor)
        if field is None:
            report.add(f"{path}.updateMask", f"{descriptor.name} has no field {name}")
        elif field.message_type is not None and not repeated(field):
            report.add(f"{path}.updateMask", f"{name} has fields of its own: name these")
        report.require(name.split(".")[0] not in fixed, f"{path}.updateMask", f"{name} can't be updated")
    given = set(leaves(update)) - {"resourceName"}
    for name in sorted(given - set(names)):
        report.add(f"{path}.update.{name}", "is not in updateMask, so it has no effect")
    for name in sorted(set(names) - given):
        report.add(f"{path}.updateMask", f"{name} has no value, so it would be cleared")
    if descriptor.name == "ConversionAction":
        values(update, f"{path}.update", report)


def owned(name, form, customer, path, report):
    match = form.match(name)
    if report.require(match, path, "no resource name of this kind"):
        report.require(match[1] == customer, path, "belongs to another account than the one in the path")


def rows(body, name, report):
    report.require(body.get("partialFailure") is True, "$.partialFailure", "must be true for uploads")
    found = body.get(name, [])
    report.require(1 <= len(found) <= MAX_ROWS, f"$.{name}", f"1 to {MAX_ROWS} rows")
    job = body.get("jobId")
    report.require(job is None or job >= 1, "$.jobId", "must be positive")
    for index, row in enumerate(found):
        path = f"$.{name}[{index}]"
        report.require(ACTION.match(row.get("conversionAction", "")), f"{path}.conversionAction", "no conversion action")
        order = row.get("orderId")
        report.require(order is None or len(order) <= MAX_ORDER_ID, f"{path}.orderId", "longer than 64")
        yield path, row


def time(holder, name, path, report, required=True):
    value = holder.get(name)
    good = DATE_TIME.match(value) if value is not None else not required
    report.require(good, f"{path}.{name}", "must be yyyy-mm-dd hh:mm:ss+hh:mm")


def upload_clicks(body, _customer, report):
    for path, row in rows(body, "conversions", report):
        time(row, "conversionDateTime", path, report)
        clicks = [name for name in ("gclid", "gbraid", "wbraid") if name in row]
        report.require(len(clicks) <= 1, path, "more than one click id")
        report.require(clicks or "userIdentifiers" in row, path, "neither click id nor user identifiers")
        report.require(("conversionValue" in row) == ("currencyCode" in row), path, "value and currency go together")
        currency = row.get("currencyCode")
        report.require(currency is None or CURRENCY.match(currency), f"{path}.currencyCode", "no currency code")
        report.require(row.get("orderId"), f"{path}.orderId", "is required: repeats must not count twice")
        identifiers(row, path, {"hashedEmail", "hashedPhoneNumber"}, report)


def upload_adjustments(body, _customer, report):
    seen = set()
    for path, row in rows(body, "conversionAdjustments", report):
        kind = row.get("adjustmentType")
        report.require(kind is not None, f"{path}.adjustmentType", "is required")
        key = (row.get("conversionAction"), row.get("orderId"), kind)
        report.require(key not in seen, f"{path}.orderId", "twice in the request")
        seen.add(key)
        pair = row.get("gclidDateTimePair")
        if pair is not None:
            time(pair, "conversionDateTime", f"{path}.gclidDateTimePair", report)
        if kind == "ENHANCEMENT":
            report.require("orderId" in row, f"{path}.orderId", "an enhancement needs it")
            report.require("userIdentifiers" in row, f"{path}.userIdentifiers", "an enhancement needs them")
            time(row, "adjustmentDateTime", path, report, required=False)
        else:
            report.require(pair is None or "orderId" not in row, path, "order id and click are alternatives")
            time(row, "adjustmentDateTime", path, report)
            report.require("userIdentifiers" not in row, f"{path}.userIdentifiers", "are for enhancements")
        value = row.get("restatementValue", {})
        report.require(("adjustedValue" in value) == ("currencyCode" in value), path, "value and currency go together")
        currency = value.get("currencyCode")
        good = currency is None or CURRENCY.match(currency)
        report.require(good, f"{path}.restatementValue.currencyCode", "no currency code")
        identifiers(row, path, {"hashedEmail", "hashedPhoneNumber", "addressInfo"}, report)


def identifiers(row, path, kinds, report):
    found = row.get("userIdentifiers", [])
    report.require(len(found) <= MAX_IDENTIFIERS, f"{path}.userIdentifiers", f"more than {MAX_IDENTIFIERS}")
    for index, identifier in enumerate(found):
        where = f"{path}.userIdentifiers[{index}]"
        given = identifier.keys() - {"userIdentifierSource"}
        report.require(len(given) == 1 and given <= kinds, where, f"exactly one of {', '.join(sorted(kinds))}")
        address = identifier.get("addressInfo", {})
        hashes = {**identifier, **address}
        for name in sorted(name for name in hashes if name.startswith("hashed")):
            good = SHA256_HEX.match(hashes[name])
            report.require(good, f"{where}.{name}", "no SHA-256 in lower-case hex digits")
        if address:
            for name in ("hashedFirstName", "hashedLastName", "countryCode", "postalCode"):
                report.require(name in address, f"{where}.addressInfo.{name}", "is missing")
            country = address.get("countryCode", "")
            report.require(re.match(r"[A-Z]{2}\Z", country), f"{where}.addressInfo.countryCode", "two capitals")


METHODS = {
    "/googleAds:search": (SearchGoogleAdsRequest, search),
    "/googleAds:searchStream": (SearchGoogleAdsStreamRequest, search),
    "/conversionActions:mutate": (MutateConversionActionsRequest, mutate_actions),
    "/customerConversionGoals:mutate": (MutateCustomerConversionGoalsRequest, mutate_goals),
    ":uploadClickConversions": (UploadClickConversionsRequest, upload_clicks),
    ":uploadConversionAdjustments": (UploadConversionAdjustmentsRequest, upload_adjustments),
}
