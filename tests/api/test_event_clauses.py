"""Each clause of the specifications that applies to a recipient, as a row.

HTTP: CloudEvents HTTP protocol binding 1.0.2. CE: CloudEvents 1.0.2. JSON: its JSON event format. Hook: CloudEvents web
hooks 1.0.2. Knative: eventing data plane (knative/specs, specs/eventing/data-plane.md).
"""

import base64
import itertools
import json
import socket

import pytest

from tests.api.messages import COMPLETED, CORE, DATA, FAILED, JSON, MAX_BODY, REQUESTED, STRUCTURED, headers_of

BODY = json.dumps(DATA).encode()
DATA64 = base64.b64encode(BODY).decode()
REPLY = "io.homelab.reasoning."
NUMBERS = itertools.count()


def fresh():
    """An id of its own for each message: a redelivery would get the result of another row."""
    return f"event-{next(NUMBERS)}"


def header(*more, body=BODY, content_type=JSON, **attributes):
    """A message in binary mode; `more`: further header lines, as they are."""
    declared = [] if content_type is None else [("content-type", content_type)]
    return [*headers_of(**{"id": fresh(), **attributes}).items(), *declared, *more], body


def whole(content_type=STRUCTURED, more=(), **members):
    """A message in structured mode; a member that is `...` is left out."""
    found = {
        name: value for name, value in (CORE | {"id": fresh(), "data": DATA} | members).items() if value is not ...
    }
    declared = [] if content_type is None else [("content-type", content_type)]
    return [*declared, *more], json.dumps(found).encode()


def raw(body, content_type=STRUCTURED):
    return [("content-type", content_type)] if content_type else [], body


CLAUSES = [
    # What is read.
    ("HTTP 1.3, Knative: binary mode is supported", header(), "completed"),
    ("HTTP 1.3, Knative: structured mode is supported", whole(), "completed"),
    ("HTTP 3: a charset beside the structured media type", whole(f"{STRUCTURED}; charset=UTF-8"), "completed"),
    ("HTTP 3: the media type is not case-sensitive", whole("Application/CloudEvents+JSON"), "completed"),
    ("HTTP 3: batched mode is not in Knative's contract", raw(b"[]", "application/cloudevents-batch+json"), "415"),
    ("HTTP 3: a batch with a charset", raw(b"[]", "application/cloudevents-batch+json; charset=utf-8"), "415"),
    ("Hook 2.2: a format that is not understood is a 415", raw(b"<e/>", "application/cloudevents+xml"), "415"),
    ("HTTP 3: without an event format and ce- headers it is no event", raw(BODY, "text/plain"), "400"),
    ("HTTP 3: JSON that is no event", raw(BODY, JSON), "400"),
    ("a structured event whose Content-Type got lost", whole(None), "completed"),
    ("a structured event declared as JSON", whole(JSON), "completed"),
    # HTTP 3.1: binary mode.
    ("HTTP 3.1.1: Content-Type is the datacontenttype", header(content_type="application/json; charset=utf-8"), "completed"),
    ("HTTP 3.1.1: ce-datacontenttype must not be there", header(datacontenttype=JSON), "failed"),
    ("HTTP 3.1.1: data of a type that is not JSON", header(content_type="text/xml"), "failed"),
    ("HTTP 3.1.1: JSON by its suffix", header(content_type="application/vnd.agent+json"), "completed"),
    ("brokers lose the Content-Type: JSON", header(content_type=None), "completed"),
    ("HTTP 3.1.2: the data is the body, even an empty one", header(body=b""), "failed"),
    ("HTTP 3.1.3: extensions are headers", header(("ce-knativearrivaltime", "2026-01-01T00:00:00Z")), "completed"),
    ("HTTP 3.1.3.1: header names are not case-sensitive", ([("Ce-Id", fresh()), ("CE-SOURCE", "/a"), ("cE-tYpe", REQUESTED),
                                                          ("CE-SpecVersion", "1.0"), ("Content-Type", JSON)], BODY), "completed"),
    ("HTTP 3.1.3.2: percent-encoded text", header(subject="Euro%20%E2%82%AC%20%F0%9F%98%80"), "completed"),
    ("HTTP 3.1.3.2: percent-encoded without need", header(type="io.homelab.reasoning%2Erequested"), "completed"),
    ("HTTP 3.1.3.2: hexadecimal in lower case", header(type="io.homelab.reasoning%2erequested"), "completed"),
    ("HTTP 3.1.3.2: an overlong encoding is rejected", header(subject="%C0%A0"), "failed"),
    ("HTTP 3.1.3.2: what is no UTF-8 is rejected", header(subject="%FF"), "failed"),
    ("HTTP 3.1.3.2: double quotes of older senders", header(type=f'"{REQUESTED}"'), "completed"),
    ("HTTP 3.1.3.2: escapes in double quotes", header(type='"io.homelab.\\reasoning.requested"'), "completed"),
    ("HTTP 3.1.3: an attribute is one header", header(("ce-subject", "a"), ("ce-subject", "b")), "failed"),
    ("HTTP 3.1.3: which of two ids, nobody knows", header(("ce-id", "2")), "400"),
    ("HTTP 3.1.3: two types of data", header(("content-type", "application/json")), "failed"),
    # HTTP 3.2 and the JSON format: structured mode.
    ("HTTP 3.2.3: headers beside it do not count", whole(more=[("ce-id", "other"), ("ce-type", "x")]), "completed"),
    ("JSON 3.1: data without datacontenttype is JSON", whole(), "completed"),
    ("JSON 3.1: data with datacontenttype JSON", whole(datacontenttype=JSON), "completed"),
    ("JSON 3.1.1: Base64 data", whole(data=..., data_base64=DATA64), "completed"),
    ("JSON 3.1.1: Base64 that is none", whole(data=..., data_base64="%%%"), "failed"),
    ("JSON 3.1.1: Base64 of what is not JSON", whole(data=..., data_base64="/w=="), "failed"),
    ("JSON 3.1.1: data and data_base64", whole(data_base64=DATA64), "failed"),
    ("JSON 3.1: data as text is no request", whole(data=json.dumps(DATA)), "failed"),
    ("JSON 3.1: data of another type", whole(datacontenttype="text/plain", data="hello"), "failed"),
    ("JSON 2.2: an attribute that is null is absent", whole(subject=None), "completed"),
    ("JSON 2.2: an attribute that is an object", whole(myextension={"a": 1}), "failed"),
    ("JSON 2.2: an attribute that is a fraction", whole(myextension=1.5), "failed"),
    ("JSON 2.2: truth values and whole numbers", whole(sampled=True, sampledrate=7), "completed"),
    ("JSON: not JSON", raw(b"{"), "400"),
    ("JSON: not UTF-8, where the id can be read", raw(json.dumps(CORE).encode()[:-1] + b', "data": "\xff"}'), "failed"),
    ("JSON: not UTF-8 in the id itself", raw(json.dumps(CORE | {"id": "?"}).encode().replace(b'"?"', b'"\xff"')), "400"),
    ("JSON: not an object", raw(b"[1]"), "400"),
    ("JSON: a name twice in the data", raw(whole()[1].replace(b'"a": []', b'"a": [], "a": []')), "failed"),
    ("JSON: the id twice", raw(whole()[1].replace(b'"id":', b'"id": "2", "id":')), "400"),
    ("JSON: NaN is no JSON", raw(whole()[1].replace(b'"1.0"', b'"1.0", "x": NaN')), "failed"),
    ("JSON: nested too deeply", raw(b'{"id": "1", "data": ' + b"[" * 9_000), "400"),
    ("JSON: a lost half", raw(whole()[1][:60]), "400"),
    # CE: attributes.
    ("CE: id is required", header(id=None), "400"),
    ("CE: id is required, structured", whole(id=...), "400"),
    ("CE: id is not empty", header(id=""), "400"),
    ("CE: id is text", whole(id=7), "failed"),
    ("CE: source is required", header(source=None), "400"),
    ("CE: source is required, structured", whole(source=...), "400"),
    ("CE: type is required", header(type=None), "failed"),
    ("CE: type is required, structured", whole(type=...), "failed"),
    ("CE: specversion is required", header(specversion=None), "failed"),
    ("CE: specversion is required, structured", whole(specversion=...), "failed"),
    ("CE: specversion is 1.0", header(specversion="0.3"), "failed"),
    ("CE: specversion is 1.0, structured", whole(specversion="2.0"), "failed"),
    ("CE: names are lower-case letters and digits", whole(correlationId="x"), "failed"),
    ("CE: names are lower-case letters and digits, binary", header(("ce-my_extension", "x")), "failed"),
    ("CE: a required name in capitals is another name", whole(id=..., ID="1"), "400"),
    ("CE: an extension may not be called data", header(data="x"), "failed"),
    ("CE: time is RFC 3339", header(time="yesterday"), "failed"),
    ("CE: time is RFC 3339, structured", whole(time="yesterday"), "failed"),
    ("CE: time has a zone", whole(time="2026-01-01T00:00:00"), "failed"),
    ("CE: time is text", whole(time=5), "failed"),
    ("CE: a good time", header(time="2026-01-01T00:00:00.123456789Z"), "completed"),
    ("CE: a good time, structured", whole(time="2026-01-01T00:00:00.123456789+02:00"), "completed"),
    ("CE: an optional attribute is not empty", header(subject=""), "failed"),
    ("CE: no control characters", header(subject="a%0Ab"), "failed"),
    ("CE: no control characters, structured", whole(subject="a\u0085b"), "failed"),
    ("CE: an attribute that no result could repeat", header(subject="x" * 3000), "failed"),
    ("CE: an id that no result could repeat", header(id="x" * 3000), "400"),
    ("CE: a dataschema is left alone", header(dataschema="https://example.com/schema"), "completed"),
    # Size.
    ("CE Size Limits: 64 KiB are for intermediaries; ours is MAX_BODY_BYTES", header(body=BODY.ljust(MAX_BODY)), "completed"),
    ("beyond MAX_BODY_BYTES, where the headers say whose it is", header(body=BODY.ljust(MAX_BODY + 1)), "failed"),
    ("beyond MAX_BODY_BYTES, where nobody can say", raw(whole()[1].ljust(MAX_BODY + 1)), "413"),
    # Knative: acknowledgement.
    ("Knative: what is not for us is complete, without a reply", header(type="com.example.order"), "204"),
    ("Knative: what is not for us, structured", whole(type="com.example.order"), "204"),
    ("no loop: our own results are left alone", header(type=COMPLETED), "204"),
    ("no loop: our own failures are left alone", whole(type=FAILED), "204"),
    ("Knative: 400 is an unparsable event, of another type too", header(type="com.example.order", specversion="9"), "400"),
    ("Knative: Prefer: reply asks for what we do", header(("prefer", "reply"), ("kn-namespace", "ns")), "completed"),
    ("Knative: without Prefer the reply comes too", header(), "completed"),
]  # fmt: skip


@pytest.mark.parametrize("path", ["/events", "/"])
@pytest.mark.parametrize(("clause", "message", "expected"), CLAUSES, ids=[clause for clause, _, _ in CLAUSES])
def test_clause(client, path, clause, message, expected):
    headers, body = message

    response = client.post(path, content=body, headers=headers)

    keeps_the_contract(response)
    if expected in ("completed", "failed"):
        assert (response.status_code, response.headers.get("ce-type")) == (200, REPLY + expected), response.text
    else:
        assert response.status_code == int(expected), response.text


def keeps_the_contract(response):
    """What holds of every answer to a delivery."""
    if 200 <= response.status_code < 300 and response.content:
        # Knative: a 2xx with a body that is no event is a malformed reply, which is retried in full and dead-lettered.
        assert response.status_code == 200
        assert response.headers["ce-specversion"] == "1.0"
        assert {"ce-id", "ce-source", "ce-type", "ce-time"} <= set(response.headers)
        assert response.headers["content-type"] == "application/json"
        assert response.headers["ce-type"] in (COMPLETED, FAILED)
        assert json.loads(response.content)
    elif 200 <= response.status_code < 300:
        assert response.status_code in (202, 204)
        assert not any(name.startswith("ce-") for name in response.headers)
    else:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code
        # As Base64 it fits the 1,024 characters that a dead letter keeps of it.
        assert len(response.content) <= 768
        assert not any(name.startswith("ce-") for name in response.headers)


OPTIONS = [
    ("Knative, Hook 4.2: Allow names POST", {}, {"allow": "POST"}),
    ("Hook 4.2.1: the origin is granted", {"webhook-request-origin": "emitter.example.com"},
     {"allow": "POST", "webhook-allowed-origin": "emitter.example.com", "webhook-allowed-rate": "*"}),
    ("Hook 4.2.2: the rate is granted", {"webhook-request-origin": "emitter.example.com", "webhook-request-rate": "120"},
     {"webhook-allowed-rate": "*"}),
]  # fmt: skip


@pytest.mark.parametrize("path", ["/events", "/"])
@pytest.mark.parametrize(("clause", "sent", "expected"), OPTIONS, ids=[clause for clause, _, _ in OPTIONS])
def test_options_clause(client, path, clause, sent, expected):
    response = client.options(path, headers=sent)

    assert (response.status_code, response.content) == (200, b"")
    assert {name: response.headers.get(name) for name in expected} == expected


def test_without_an_origin_nothing_is_granted(client):
    assert not [name for name in client.options("/events").headers if name.startswith("webhook-")]


@pytest.mark.parametrize("path", ["/events", "/"])
def test_only_post_delivers(client, path):
    for method in ("PUT", "PATCH", "DELETE"):
        response = client.request(method, path, content=BODY, headers=headers_of())

        assert (response.status_code, response.headers["allow"]) == (405, "POST")


def over_the_wire(live, lines, body):
    """What a client library would not send."""
    host, port = live.removeprefix("http://").split(":")
    own = [b"host: x", b"connection: close", b"ce-id: " + fresh().encode()]
    head = b"\r\n".join([b"POST /events HTTP/1.1", *own, *lines, b"", b""])
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head + body)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


LINES = [f"{name}: {value}".encode() for name, value in headers_of(id=None).items()]
LENGTH = b"content-length: %d" % len(BODY)


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        ([*LINES, LENGTH], 200, b"reasoning.completed"),
        ([*LINES, b"ce-subject: Gr\xc3\xb6\xc3\x9fe", LENGTH], 200, b"ce-subject: Gr%C3%B6%C3%9Fe"),
        ([*LINES, b"ce-subject: Gr\xf6\xdfe", LENGTH], 200, b"reasoning.failed"),
        ([*LINES, b"ce-id: other", LENGTH], 400, b"came twice"),
        ([*LINES, b"content-length: 20000000"], 200, b"body-too-large"),
        ([b"content-type: application/cloudevents+json", b"content-length: 20000000"], 413, b"body-too-large"),
    ],
)
def test_headers_over_the_wire(live, lines, status, words):
    answer = over_the_wire(live, lines, BODY)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert words in answer
