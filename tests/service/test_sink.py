import pytest
import trustme

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.service.settings import Settings
from agent_reasoning.service.sink import read_sink


def test_the_broker_s_own_name_comes_before_a_sink_binding():
    assert read_sink("http://broker/ns/b", "http://sink", "", None).url == "http://broker/ns/b"
    assert read_sink(None, "http://sink", "", None).url == "http://sink"
    assert read_sink("", "http://sink", "", None).url == "http://sink"
    assert read_sink(None, None, '{"extensions": {"a": "b"}}', None) is None


@pytest.mark.parametrize("overrides", [None, "", "{}", '{"extensions": null}', '{"extensions": {}}'])
def test_a_sink_binding_without_overrides_changes_nothing(overrides):
    assert read_sink("http://broker", None, overrides, None).extensions == {}


def test_overrides_and_certificates_are_read():
    authority = trustme.CA().cert_pem.bytes().decode()

    sink = read_sink("https://broker:8443/a", None, '{"extensions": {"cluster": "studio 1"}}', authority)

    assert sink.extensions == {"cluster": "studio 1"}
    assert sink.ca_certs == authority


@pytest.mark.parametrize("address", ["broker", "ftp://broker", "http://", "http://a b", "http://x:y", "http://x\n"])
def test_an_address_that_cannot_work_is_refused_at_start(address):
    with pytest.raises(ConfigurationError, match="K_SINK"):
        read_sink(None, address, None, None)


@pytest.mark.parametrize(
    "overrides",
    ["{", "[]", '{"extensions": []}', '{"extensions": {"Cluster": "x"}}', '{"extensions": {"my_ext": "x"}}',
     '{"extensions": {"type": "x"}}', '{"extensions": {"a": 1}}', '{"extensions": {"a": ""}}'],
)  # fmt: skip
def test_overrides_that_cannot_work_are_refused_at_start(overrides):
    with pytest.raises(ConfigurationError, match="K_CE_OVERRIDES"):
        read_sink("http://broker", None, overrides, None)


def test_certificates_that_are_none_are_refused_at_start():
    with pytest.raises(ConfigurationError, match="K_CA_CERTS"):
        read_sink("https://broker", None, None, "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----")


def test_credentials_of_an_address_are_shown_nowhere():
    settings = Settings(knative_broker_url="http://user:secret@broker/ns?token=secret")

    assert settings.sink().shown == "http://broker/ns"
    assert "secret" not in settings.model_dump_json()


def test_publishing_needs_a_sink():
    with pytest.raises(ConfigurationError, match="EVENTS_MODE=publish"):
        Settings(events_mode="publish").sink()
    assert Settings(events_mode="publish", emit_events=False).sink() is None
