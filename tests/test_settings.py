from datetime import timedelta
from pathlib import Path

import pytest

from alertrouter.settings import SettingsError, in_clear, load_settings, unknown_variables

KEY = "0123456789abcdef0123456789abcdef"


def problems(**env: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(env)
    return caught.value.lines


def test_without_any_variable_the_documented_defaults_hold() -> None:
    settings = load_settings({})
    assert settings.database_url == "sqlite:///alertrouter.db"
    assert (settings.escalate_after, settings.resolve_hold) == (timedelta(minutes=15), timedelta(seconds=60))
    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.max_body == 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        # durations have one spelling
        ("RESOLVE_HOLD", "1 minute", "'1 minute' is not a duration such as 90s, 15m or 1h30m"),
        # numbers have bounds
        ("PORT", "70000", "Input should be less than or equal to 65535 ('70000')"),
        # Kubernetes gives a Service named alertrouter this one
        (
            "PORT",
            "tcp://10.0.0.1:8080",
            "Kubernetes set it for a Service of that name; set enableServiceLinks: false, or a number",
        ),
        ("AUTH", "ldap", "Input should be 'none', 'basic', 'proxy' or 'oidc' ('ldap')"),
        ("AUTH_NETWORKS", "10.0.0.1/8", "10.0.0.1/8 has host bits set"),
        ("AUTH_USERS", "ana:{SHA}secret", "entry 1 is not name:hash with bcrypt, as `htpasswd -nB name` prints it"),
        ("SECRET", "tooshort", "it has fewer than 32 characters; `openssl rand -hex 32` makes a good one"),
        ("OIDC_ISSUER", "accounts.example.org", "'accounts.example.org' is not an http or https address"),
        ("LOG_FORMAT", "xml", "Input should be 'json' or 'console' ('xml')"),
        ("MAX_BODY", "big", "'big' is not a size such as 1000000, 512KiB or 64MiB"),
        ("PAGERDUTY_EVENTS_URL", "events.pagerduty.com", "'events.pagerduty.com' is not an http or https address"),
        ("DATABASE_URL", "mysql://x:secret@y/z", "the address starts with sqlite:/// or postgresql://"),
        ("PAGERDUTY_ROUTING_KEY", "tooshort", "a routing key is 32 letters and digits"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(variable: str, value: str, line: str) -> None:
    assert problems(**{f"ALERTROUTER_{variable}": value}) == [f"ALERTROUTER_{variable}: {line}"]


def test_every_problem_is_told_at_once() -> None:
    assert len(problems(ALERTROUTER_PORT="x", ALERTROUTER_RESOLVE_HOLD="y", ALERTROUTER_AUTH="z")) == 3


def test_a_secret_is_neither_shown_nor_told() -> None:
    settings = load_settings({"ALERTROUTER_PAGERDUTY_ROUTING_KEY": KEY, "ALERTROUTER_WEBHOOK_TOKENS": "canary"})
    assert KEY not in repr(settings)
    assert "canary" not in repr(settings)
    assert "canary" not in str(problems(ALERTROUTER_PAGERDUTY_ROUTING_KEY="canary"))


def test_the_routing_key_is_also_read_without_the_prefix_which_wins() -> None:
    key = load_settings({"PAGERDUTY_ROUTING_KEY": KEY}).pagerduty_routing_key
    assert key is not None
    assert key.get_secret_value() == KEY
    other = load_settings({"PAGERDUTY_ROUTING_KEY": "x", "ALERTROUTER_PAGERDUTY_ROUTING_KEY": KEY}).pagerduty_routing_key
    assert other == key
    assert load_settings({"PAGERDUTY_ROUTING_KEY": KEY, "ALERTROUTER_PAGERDUTY_ROUTING_KEY": ""}).pagerduty_routing_key == key
    assert problems(PAGERDUTY_ROUTING_KEY_FILE="/nowhere") == [
        "PAGERDUTY_ROUTING_KEY_FILE: /nowhere cannot be read: No such file or directory"
    ]


def test_links_start_with_the_public_address_or_else_with_host_and_port() -> None:
    assert load_settings({"ALERTROUTER_HOST": "::1", "ALERTROUTER_PORT": "9000"}).base_url == "http://[::1]:9000"
    assert load_settings({"ALERTROUTER_PUBLIC_URL": "https://pages.test/"}).base_url == "https://pages.test"


def test_a_setting_is_read_from_the_file_that_its_twin_names(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("one, two\n")
    assert in_clear(load_settings({"ALERTROUTER_WEBHOOK_TOKENS_FILE": str(file)}).webhook_tokens) == ["one", "two"]
    assert problems(ALERTROUTER_PORT_FILE="/nowhere") == [
        "ALERTROUTER_PORT_FILE: /nowhere cannot be read: No such file or directory"
    ]
    assert problems(ALERTROUTER_HOST="a", ALERTROUTER_HOST_FILE=str(file)) == [
        "ALERTROUTER_HOST_FILE: ALERTROUTER_HOST is set, too: one of them, please"
    ]


def test_a_variable_that_means_nothing_is_told_with_the_nearest_that_does() -> None:
    env = {"ALERTROUTER_RESOLVE_HODL": "60s", "ALERTROUTER_ZZZ": "", "ALERTROUTER_HOST_FILE": "known", "PATH": "/"}
    assert unknown_variables(env) == [
        "ALERTROUTER_RESOLVE_HODL: there is no such setting; did you mean ALERTROUTER_RESOLVE_HOLD?",
        "ALERTROUTER_ZZZ: there is no such setting",
    ]


def test_what_kubernetes_sets_for_services_of_that_name_is_no_mistake() -> None:
    names = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8080_TCP", "PORT_8080_TCP_ADDR", "WEB_SERVICE_HOST"]
    env = {f"ALERTROUTER_{name}": "10.0.0.1" for name in names} | {"ALERTROUTER_WEB_PORT": "tcp://10.0.0.1:8080"}
    assert unknown_variables(env) == []


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"AUTH": "basic"}, ["AUTH_USERS"]),
        ({"AUTH": "proxy"}, ["AUTH_NETWORKS"]),
        ({"AUTH": "oidc", "OIDC_CLIENT_ID": "x", "PUBLIC_URL": "https://x"}, ["OIDC_ISSUER", "OIDC_CLIENT_SECRET", "SECRET"]),
        ({"ACK_LINKS": "true"}, ["SECRET"]),
    ],
)
def test_what_another_setting_needs_is_asked_for_by_name(given: dict[str, str], missing: list[str]) -> None:
    lines = problems(**{f"ALERTROUTER_{name}": value for name, value in given.items()})
    assert [line.partition(":")[0] for line in lines] == [f"ALERTROUTER_{name}" for name in missing]
    assert all("needs it" in line for line in lines)
