import pytest

from agent_reasoning.api.mcp.hosts import LOOPBACK, McpOptions, allowed_hosts, allowed_origins


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"])
def test_without_settings_this_machine_may_ask(host):
    assert McpOptions(allowed_hosts(None, None), allowed_origins(None)).refusal(host, None) is None


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("agent-reasoning.ai-agents.svc.cluster.local", None),
        ("agent-reasoning.ai-agents.svc:80", None),
        ("agent-reasoning", None),
        ("agent-reasoning.ai-agents.example.com", None),
        ("localhost:8080", None),
        ("other.ai-agents.svc.cluster.local", 421),
        ("agent-reasoningx.ai-agents.example.com", 421),
        ("10.0.0.7:8080", 421),
        (None, 421),
    ],
)
def test_on_knative_the_services_addresses_are_its_names(host, status):
    refusal = McpOptions(allowed_hosts(None, "agent-reasoning")).refusal(host, None)

    assert (refusal and refusal[0]) == status


def test_a_page_is_not_let_in_by_a_name_that_anybody_can_register():
    options = McpOptions(allowed_hosts(None, "agent-reasoning"))

    host = "agent-reasoning.evil.example"
    assert options.refusal(host, f"https://{host}") is not None


def test_names_that_are_set_replace_all_others():
    hosts = allowed_hosts(" Tools.example.com, *.internal ,", "agent-reasoning")
    options = McpOptions(hosts)

    assert hosts == ("tools.example.com", "*.internal")
    assert options.refusal("tools.example.com:443", None) is None
    assert options.refusal("a.b.internal", None) is None
    assert options.refusal("localhost", None) is not None
    assert options.refusal("internal", None) is not None


def test_a_star_is_any_name_but_pages_are_still_looked_at():
    options = McpOptions(allowed_hosts("*", None))

    assert options.refusal("anything:1", None) is None
    assert options.refusal("anything:1", "http://anything:1") is not None
    assert options.refusal("", None) is not None


def test_origins_that_are_set_replace_this_machines():
    options = McpOptions(LOOPBACK, allowed_origins("https://chat.example.com"))

    assert options.refusal("localhost", "https://chat.example.com") is None
    assert options.refusal("localhost", "https://chat.example.com:8443") is not None
    assert options.refusal("localhost", "http://localhost") is not None
    assert McpOptions(LOOPBACK, allowed_origins("*")).refusal("localhost", "null") is None
