import pytest

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.service.keys import new_key
from agent_reasoning.service.settings import Settings, misspelt, read_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_an_environment_everything_has_a_default():
    settings = read_settings()

    assert (settings.port, settings.device, settings.max_steps) == (8080, "auto", None)
    assert (settings.model_path / "rollout" / "config.json").is_file()


def test_the_environment_is_read(monkeypatch):
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("MAX_STEPS", "")
    monkeypatch.setenv("RATE_LIMIT", "off")

    settings = read_settings()

    assert (settings.port, settings.max_steps, settings.rate_limit) == (9000, None, "off")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "tcp://10.0.0.1:80"),
        ("PORT", "0"),
        ("DEVICE", "gpu"),
        ("MAX_STEPS", "65"),
        ("RATE_LIMIT", "10 per second"),
        ("RATE_LIMIT", "0/second"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("REQUEST_TIMEOUT_SECONDS", "inf"),
        ("MAX_QUEUE", "-1"),
        ("MAX_BODY_BYTES", "1MB"),
        ("CORS_ORIGINS", "a.example"),
        ("CORS_ORIGINS", "https://a.example/page"),
        ("FUNCTION_TIMEOUT_SECONDS", "0"),
        ("FUNCTION_MEMORY_BYTES", "1000"),
        ("FUNCTION_WORKERS", "0"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as refused:
        read_settings()

    assert f"{name}={value!r}" in str(refused.value)


def test_a_slip_of_the_pen_is_noticed():
    assert misspelt(["MAX_QEUE", "RATE_LIMITS", "PATH", "MODEL_PATH", "HOME"]) == {
        "MAX_QEUE": "MAX_QUEUE",
        "RATE_LIMITS": "RATE_LIMIT",
    }


def test_origins_are_a_list():
    assert Settings(cors_origins="https://a.example, http://b.example:8080").origins == (
        "https://a.example",
        "http://b.example:8080",
    )
    assert Settings(cors_origins="*").origins == ("*",)
    assert Settings().origins == ()


def test_functions_without_a_key_are_refused_unless_that_is_said():
    with pytest.raises(ConfigurationError, match="FUNCTIONS_ENABLED needs an API key"):
        Settings(functions_enabled=True).keys()
    assert not Settings(functions_enabled=True, functions_without_keys=True).keys()
    assert Settings(functions_enabled=True, api_keys=new_key("a")[1]).keys()


def test_events_that_need_a_key_need_one_to_be_there():
    with pytest.raises(ConfigurationError, match="EVENTS_NEED_KEY"):
        Settings(events_need_key=True).keys()


def test_hashes_of_keys_are_not_in_what_is_logged():
    line = new_key("a")[1]

    assert line not in str(Settings(api_keys=line).model_dump(mode="json"))
