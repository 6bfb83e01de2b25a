"""What leaves the machine, seen by who is at the other end of the socket."""

import json

import pytest

from agent_reasoning.client import ClientMisconfigured, ReasoningClient, UnexpectedReply
from tests.client.scripted import Reply, scripted
from tests.foreign.prints import COMPOSE, FLUX, HELM, SECRET, WEBHOOK
from tests.tasks.cluster_objects import PRINTED

PRINTS = {
    "kubectl": PRINTED, "compose": COMPOSE, "flux": FLUX, "helm": HELM,
    "alertmanager": {"services": {"frontend": ["checkout"], "checkout": []}, "alerts": WEBHOOK},
}  # fmt: skip


@pytest.mark.parametrize("context", PRINTS.values(), ids=PRINTS)
@pytest.mark.parametrize("way", ["reason", "stream", "publish"])
def test_no_secret_of_what_other_tools_print_is_sent(context, way):
    assert SECRET in json.dumps(context)
    with (
        scripted(Reply(200 if way != "publish" else 202, b"{}")) as (script, url),
        ReasoningClient(url, broker_url=url) as client,
    ):
        try:
            answer = getattr(client, way)("What now?", context)
            list(answer)
        except (UnexpectedReply, ClientMisconfigured):
            pass  # what is answered here is no answer of the service

    [(_, _, headers, body)] = script.requests
    assert SECRET not in body.decode() + str(headers)
    sent = json.loads(body)
    assert sent["context"].keys() <= context.keys()
    assert sent["context"]
