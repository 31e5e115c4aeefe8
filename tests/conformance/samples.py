"""Good requests, and bad ones that differ from them in one thing each: the checker must tell them apart."""

import copy

HASH = "223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4"
CUSTOMER = "1234567890"
ACTION = f"customers/{CUSTOMER}/conversionActions/99"
BASE = f"/v26/customers/{CUSTOMER}"
DELETE = object()


def ads(method, body):
    return {"service": "googleAds", "path": BASE + method, "body": body}


def account(number=CUSTOMER):
    return {"accountType": "GOOGLE_ADS", "accountId": number}


ADDRESS = {"givenName": HASH, "familyName": HASH, "regionCode": "DE", "postalCode": "10115"}
HASHED_ADDRESS = {"hashedFirstName": HASH, "hashedLastName": HASH, "countryCode": "DE", "postalCode": "10115"}
GOOD = {
    "search": ads("/googleAds:search", {
        "query": "SELECT conversion_action.id, conversion_action.type, conversion_action.value_settings.default_value, "
                 "conversion_action.tag_snippets FROM conversion_action WHERE conversion_action.name = 'It\\'s' "
                 "AND conversion_action.status != 'REMOVED'"}),
    "report": ads("/googleAds:search", {
        "query": "SELECT segments.conversion_action, segments.date, metrics.all_conversions FROM customer "
                 "WHERE segments.date BETWEEN '2026-11-01' AND '2026-11-20' ORDER BY segments.date DESC LIMIT 5",
        "pageToken": "t"}),
    "create": ads("/conversionActions:mutate", {"operations": [{"create": {
        "name": "A", "type": "UPLOAD_CLICKS", "category": "CONVERTED_LEAD", "primaryForGoal": True,
        "countingType": "ONE_PER_CLICK", "clickThroughLookbackWindowDays": "90",
        "valueSettings": {"defaultValue": 12.5, "defaultCurrencyCode": "EUR", "alwaysUseDefaultValue": False}}}]}),
    "update": ads("/conversionActions:mutate", {"operations": [{
        "update": {"resourceName": ACTION, "name": "B", "valueSettings": {"defaultValue": 1}},
        "updateMask": "name,valueSettings.defaultValue"}]}),
    "remove": ads("/conversionActions:mutate", {"operations": [{"remove": ACTION}]}),
    "goal": ads("/customerConversionGoals:mutate", {"operations": [{
        "update": {"resourceName": f"customers/{CUSTOMER}/customerConversionGoals/SIGNUP~WEBSITE", "biddable": True},
        "updateMask": "biddable"}]}),
    "clicks": ads(":uploadClickConversions", {"partialFailure": True, "conversions": [{
        "gclid": "g", "conversionAction": ACTION, "conversionDateTime": "2026-11-20 12:00:00+00:00",
        "conversionValue": 2.5, "currencyCode": "EUR", "orderId": "o", "consent": {"adUserData": "GRANTED"},
        "userIdentifiers": [{"hashedEmail": HASH}]}]}),
    "enhancement": ads(":uploadConversionAdjustments", {"partialFailure": True, "conversionAdjustments": [{
        "adjustmentType": "ENHANCEMENT", "conversionAction": ACTION, "orderId": "o",
        "gclidDateTimePair": {"gclid": "g", "conversionDateTime": "2026-11-20 12:00:00+00:00"},
        "restatementValue": {"adjustedValue": 1, "currencyCode": "EUR"},
        "userIdentifiers": [{"hashedPhoneNumber": HASH}, {"addressInfo": HASHED_ADDRESS}]}]}),
    "ingest": {"service": "dataManager", "path": "/v1/events:ingest", "body": {
        "destinations": [
            {"reference": "d0", "operatingAccount": account(), "loginAccount": account("9876543210"),
             "productDestinationId": "99"},
            {"reference": "d1", "operatingAccount": account(), "productDestinationId": "98"}],
        "encoding": "HEX",
        "events": [
            {"destinationReferences": ["d0"], "transactionId": "hs-1", "eventTimestamp": "2026-11-20T12:00:00.000Z",
             "eventSource": "WEB", "currency": "EUR", "conversionValue": 12.5, "adIdentifiers": {"gclid": "g"},
             "consent": {"adUserData": "CONSENT_GRANTED"},
             "userData": {"userIdentifiers": [{"emailAddress": HASH}, {"address": ADDRESS}]}},
            {"destinationReferences": ["d1"], "transactionId": "hs-1", "eventTimestamp": "2026-11-20T12:00:00+01:00",
             "eventSource": "WEB", "adIdentifiers": {"wbraid": "w"}}]}},
    "status": {"service": "dataManager", "method": "GET", "path": "/v1/requestStatus:retrieve?requestId=r"},
}
for sample in GOOD.values():
    sample.setdefault("method", "POST")
    sample.setdefault("body", None)
    sample.update(number=1, authorization=True, headers={"content-type": "application/json"})

QUERY = ("body", "query")
CREATE = ("body", "operations", 0, "create")
ROW = ("body", "operations", 0)
CLICK = ("body", "conversions", 0)
ENHANCED = ("body", "conversionAdjustments", 0)
EVENT = ("body", "events", 0)
IDENTIFIERS = (*EVENT, "userData", "userIdentifiers")

# Which sample, what is changed and to what, a part of what the checker must say.
BAD = [
    ("search", QUERY, "SELECT conversion_action.nope FROM conversion_action", "no field conversion_action.nope"),
    ("search", QUERY, "SELECT conversion_action.value_settings FROM conversion_action", "is no leaf"),
    ("search", QUERY, "SELECT conversionAction.id FROM conversion_action", "no field conversionAction.id"),
    ("search", QUERY, "SELECT customer.id FROM nowhere", "no resource nowhere"),
    ("search", QUERY, "SELECT customer.id FROM customer WHERE customer.nope = 1", "no field customer.nope"),
    ("search", QUERY, "SELECT customer.id FROM customer WHERE customer.status = 'NOPE'", "no value of customer.status"),
    ("search", QUERY, "SELECT customer.id FROM customer WHERE customer.status IN ('ENABLED', 'X')", "X is no value"),
    ("search", QUERY, "SELECT customer.id, customer.id FROM customer", "selected twice"),
    ("search", QUERY, "SELECT customer.id, FROM customer", "a field is expected"),
    ("search", QUERY, "SELECT customer.id FROM customer WHERE customer.descriptive_name = 'It's'", "GAQL: "),
    ("search", QUERY, "SELECT customer.id FROM customer LIMIT x", "a number is expected"),
    ("search", QUERY, "SELECT customer.id FROM customer; DROP", "unreadable"),
    ("search", ("body", "pageSize"), 100, "fixed size"),
    ("search", ("body", "customerId"), CUSTOMER, "in the path already"),
    ("search", ("body", "page_token"), "t", "lowerCamelCase"),
    ("search", ("path",), "/v26/customers/123-456-7890/googleAds:search", "no path"),
    ("search", ("path",), f"/v25/customers/{CUSTOMER}/googleAds:search", "those of v26"),
    ("search", ("path",), f"{BASE}/campaigns:mutate", "not known here"),
    ("search", ("method",), "GET", "must be POST"),
    ("search", ("authorization",), False, "bearer token"),
    ("search", ("headers", "content-type"), "text/plain", "application/json"),
    ("search", ("headers", "login-customer-id"), "123-456-7890", "ten digits"),
    ("create", ("body",), "{", "no JSON object"),
    ("create", ("body",), None, "no JSON object"),
    ("create", (*CREATE, "type"), DELETE, "is required"),
    ("create", (*CREATE, "type"), "UPLOAD_CLICK", "no name of ConversionActionType"),
    ("create", (*CREATE, "type"), 7, "no name of ConversionActionType"),
    ("create", (*CREATE, "category"), "UNSPECIFIED", "not for requests"),
    ("create", (*CREATE, "clickThroughLookbackWindowDays"), 90, "travels as a string"),
    ("create", (*CREATE, "clickThroughLookbackWindowDays"), "91", "1 to 90 days"),
    ("create", (*CREATE, "valueSettings", "defaultValue"), "12.5", "travels as a number"),
    ("create", (*CREATE, "valueSettings", "defaultCurrencyCode"), "euro", "no currency code"),
    ("create", (*CREATE, "primary_for_goal"), True, "lowerCamelCase"),
    ("create", (*CREATE, "primaryForGoal"), "true", "true or false"),
    ("create", (*CREATE, "countingType"), None, "null"),
    ("create", (*CREATE, "id"), "5", "not for creates"),
    ("create", (*CREATE, "nope"), 1, "no field of this name"),
    ("create", ("body", "operations"), [], "empty list"),
    ("create", (*ROW, "remove"), ACTION, "more than one of the union"),
    ("create", (*ROW, "updateMask"), "name", "is for updates"),
    ("update", (*ROW, "updateMask"), DELETE, "is required"),
    ("update", (*ROW, "updateMask"), "name,value_settings.default_value", "JSON form"),
    ("update", (*ROW, "updateMask"), "name,valueSettings", "name these"),
    ("update", (*ROW, "updateMask"), "name,valueSettings.defaultValue,nope", "no field nope"),
    ("update", (*ROW, "updateMask"), "name", "no effect"),
    ("update", (*ROW, "updateMask"), "name,valueSettings.defaultValue,category", "would be cleared"),
    ("update", (*ROW, "updateMask"), "name,valueSettings.defaultValue,type", "can't be updated"),
    ("update", (*ROW, "update", "resourceName"), DELETE, "no resource name"),
    ("update", (*ROW, "update", "resourceName"), "customers/1111111111/conversionActions/99", "another account"),
    ("remove", (*ROW, "remove"), "99", "no resource name"),
    ("goal", (*ROW, "updateMask"), "biddable,category", "can't be updated"),
    ("goal", ("body", "partialFailure"), True, "no field of this name"),
    ("goal", (*ROW, "update", "resourceName"), f"customers/{CUSTOMER}/customerConversionGoals/SIGNUP", "no resource"),
    ("clicks", ("body", "partialFailure"), DELETE, "must be true"),
    ("clicks", (*CLICK, "conversionDateTime"), "2026-11-20T12:00:00Z", "must be yyyy-mm-dd"),
    ("clicks", (*CLICK, "gbraid"), "b", "more than one click id"),
    ("clicks", (*CLICK, "currencyCode"), DELETE, "go together"),
    ("clicks", (*CLICK, "orderId"), "o" * 65, "longer than 64"),
    ("clicks", (*CLICK, "userIdentifiers", 0), {"addressInfo": HASHED_ADDRESS}, "exactly one of"),
    ("enhancement", (*ENHANCED, "orderId"), DELETE, "needs it"),
    ("enhancement", (*ENHANCED, "adjustmentType"), "ENHANCE", "no name of"),
    ("enhancement", (*ENHANCED, "userIdentifiers"), [{"hashedEmail": HASH}] * 6, "more than 5"),
    ("enhancement", (*ENHANCED, "userIdentifiers", 0, "hashedPhoneNumber"), "+4915123456789", "no SHA-256"),
    ("enhancement", (*ENHANCED, "userIdentifiers", 1, "addressInfo", "countryCode"), "Germany", "two capitals"),
    ("enhancement", (*ENHANCED, "gclidDateTimePair", "conversionDateTime"), "2026-11-20 12:00:00", "must be yyyy"),
    ("enhancement", (*ENHANCED, "conversionAction"), "99", "no conversion action"),
    ("ingest", ("body", "destinations", 0, "operatingAccount", "accountId"), "123-456-7890", "ten digits"),
    ("ingest", ("body", "destinations", 0, "operatingAccount", "accountId"), 1234567890, "must be a string"),
    ("ingest", ("body", "destinations", 0, "operatingAccount", "product"), "GOOGLE_ADS", "deprecated"),
    ("ingest", ("body", "destinations", 0, "operatingAccount"), DELETE, "is required"),
    ("ingest", ("body", "destinations", 0, "productDestinationId"), ACTION, "no id of a conversion action"),
    ("ingest", ("body", "destinations", 1, "reference"), "d0", "is there twice"),
    ("ingest", ("body", "destinations", 1, "reference"), DELETE, "needs a reference"),
    ("ingest", ("body", "destinations"), GOOD["ingest"]["body"]["destinations"] * 6, "1 to 10 destinations"),
    ("ingest", ("body", "encoding"), DELETE, "exactly when"),
    ("ingest", (*EVENT, "userData"), DELETE, "exactly when"),
    ("ingest", ("body", "encoding"), "BASE64", "request's encoding"),
    ("ingest", ("body", "encoding"), "hex", "no name of Encoding"),
    ("ingest", ("body", "events"), DELETE, "1 to 2000 events"),
    ("ingest", ("body", "events"), GOOD["ingest"]["body"]["events"] * 1001, "1 to 2000 events"),
    ("ingest", ("body", "events"), GOOD["ingest"]["body"]["events"] * 2, "twice for one destination"),
    ("ingest", (*EVENT, "destinationReferences"), ["d2"], "no destination of the request"),
    ("ingest", (*EVENT, "transactionId"), DELETE, "1 to 64 characters"),
    ("ingest", (*EVENT, "transactionId"), "x" * 65, "1 to 64 characters"),
    ("ingest", (*EVENT, "eventTimestamp"), "2026-11-20T12:00:00", "JSON form"),
    ("ingest", (*EVENT, "eventTimestamp"), DELETE, "with a zone"),
    ("ingest", (*EVENT, "eventTimestamp"), "2026-13-20T12:00:00Z", "does not parse"),
    ("ingest", (*EVENT, "eventSource"), DELETE, "is required"),
    ("ingest", (*EVENT, "adIdentifiers", "gbraid"), "b", "at most one of gclid"),
    ("ingest", (*EVENT, "adIdentifiers", "gclid"), "", "empty string"),
    ("ingest", (*EVENT, "currency"), DELETE, "go together"),
    ("ingest", (*EVENT, "currency"), "eur", "no currency code"),
    ("ingest", (*EVENT, "conversionValue"), -1, "0 or more"),
    ("ingest", (*EVENT, "conversionValue"), DELETE, "go together"),
    ("ingest", (*EVENT, "conversionValue"), "12.5", "travels as a number"),
    ("ingest", (*EVENT, "consent"), {}, "empty object"),
    ("ingest", (*EVENT, "consent", "adUserData"), "GRANTED", "no name of ConsentStatus"),
    ("ingest", (*EVENT, "userData"), {"userIdentifiers": [{"emailAddress": HASH}] * 11}, "1 to 10 identifiers"),
    ("ingest", (*IDENTIFIERS, 0, "phoneNumber"), HASH, "more than one of the union"),
    ("ingest", (*IDENTIFIERS, 0, "emailAddress"), "ada@example.com", "no SHA-256"),
    ("ingest", (*IDENTIFIERS, 1, "address", "regionCode"), "Germany", "two capitals"),
    ("ingest", (*IDENTIFIERS, 1, "address", "postalCode"), HASH, "trimmed and plain"),
    ("ingest", (*IDENTIFIERS, 1, "address", "familyName"), DELETE, "no SHA-256"),
    ("ingest", (*EVENT, "event_name"), "x", "lowerCamelCase"),
    ("ingest", ("headers", "login-customer-id"), "9876543210", "go into the body"),
    ("ingest", ("path",), "/v1/events:ingest?validateOnly=true", "takes no parameters"),
    ("search", QUERY, DELETE, "is missing"),
    ("create", CREATE, "x", "must be an object"),
    ("create", ("body", "operations"), {}, "must be a list"),
    ("create", ("body", "operations"), GOOD["create"]["body"]["operations"] * 101, "1 to 100 operations"),
    ("create", ROW, {"updateMask": "name"}, "exactly one of create, update, remove"),
    ("create", ("body", "validateOnly"), 1, "must be true or false"),
    ("goal", ROW, {"remove": ACTION}, "no field of this name"),
    ("update", (*ROW, "updateMask"), "name,name,valueSettings.defaultValue", "names a field twice"),
    ("clicks", ("body", "conversions"), GOOD["clicks"]["body"]["conversions"] * 2001, "1 to 2000 rows"),
    ("clicks", ("body", "jobId"), 0, "must be positive"),
    ("clicks", ("body", "jobId"), "7", "32-bit integer travels as a number"),
    ("clicks", CLICK, {"conversionAction": ACTION, "orderId": "o"}, "neither click id nor user identifiers"),
    ("clicks", (*CLICK, "currencyCode"), "eur", "no currency code"),
    ("clicks", (*CLICK, "orderId"), DELETE, "must not count twice"),
    ("enhancement", (*ENHANCED, "adjustmentType"), DELETE, "is required"),
    ("enhancement", (*ENHANCED, "adjustmentType"), "RESTATEMENT", "order id and click are alternatives"),
    ("enhancement", (*ENHANCED, "adjustmentType"), "RETRACTION", "are for enhancements"),
    ("enhancement", ("body", "conversionAdjustments"), GOOD["enhancement"]["body"]["conversionAdjustments"] * 2,
     "twice in the request"),
    ("enhancement", (*ENHANCED, "userIdentifiers"), DELETE, "an enhancement needs them"),
    ("enhancement", (*ENHANCED, "restatementValue", "currencyCode"), DELETE, "go together"),
    ("enhancement", (*ENHANCED, "restatementValue", "currencyCode"), "eur", "no currency code"),
    ("enhancement", (*ENHANCED, "userIdentifiers", 1, "addressInfo", "postalCode"), DELETE, "is missing"),
    ("ingest", ("path",), "/v1/audienceMembers:ingest", "no path of the Data Manager API"),
    ("ingest", ("method",), "PUT", "must be POST"),
    ("ingest", ("body", "destinations", 0, "linkedAccount"), account(), "is for data partners"),
    ("ingest", ("body", "destinations", 0, "loginAccount", "accountType"), "DATA_PARTNER", "must be GOOGLE_ADS"),
    ("ingest", ("body", "events", 1, "adIdentifiers"), DELETE, "neither click id nor userData"),
    ("ingest", (*EVENT, "conversionCount"), 1, "is not for Google Ads"),
    ("ingest", (*IDENTIFIERS, 0), {"nope": 1}, "no field of this name"),
    ("status", ("body",), {}, "a GET has no body"),
    ("status", ("path",), "/v1/requestStatus:retrieve", "exactly the parameter"),
    ("status", ("method",), "POST", "must be GET"),
]


def changed(sample, path, value):
    """A copy of a sample with another value, or none, at one place."""
    result = copy.deepcopy(GOOD[sample])
    holder = result
    for step in path[:-1]:
        holder = holder[step]
    if value is DELETE:
        del holder[path[-1]]
    else:
        holder[path[-1]] = copy.deepcopy(value)
    return result


def run(check_entry, check_logs, read):
    """Runs all samples; 0 when the checker judges each of them rightly."""
    wrong = []
    for name, sample in GOOD.items():
        wrong += [f"{name} is good, but: {path}: {text}" for path, text in check_entry(sample)[1]]
    for name, path, value, says in BAD:
        where = f"{name} with another {'.'.join(map(str, path))}"
        texts = [text for _, text in check_entry(changed(name, path, value))[1]]
        if not any(says in text for text in texts):
            wrong.append(f"{where}: expected '{says}', found {texts}")
    counts, lines = check_logs(read("[]\n[]"))
    if counts or lines:
        wrong.append("empty logs have requests")
    other = dict(GOOD["ingest"], service="hubspot")
    counts, _ = check_logs([[GOOD["ingest"], other], [GOOD["ingest"]]])
    if counts != {"IngestEventsRequest": 2}:
        wrong.append(f"two ingests were counted as {dict(counts)}")
    for line in wrong:
        print(line)
    print(f"selftest: {len(GOOD)} good and {len(BAD)} changed requests, {len(wrong)} judged wrongly")
    return 1 if wrong else 0
