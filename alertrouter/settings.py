"""Settings from the environment: `ALERTROUTER_…`, each also read from the file that `ALERTROUTER_…_FILE` names."""

import difflib
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from alertrouter.durations import parse_duration

PREFIX = "ALERTROUTER_"
_SHORTEST_SECRET = 32
_WANTED = {
    "basic": ("auth_users",),
    "proxy": ("auth_networks",),
    "oidc": ("oidc_issuer", "oidc_client_id", "oidc_client_secret", "secret", "public_url"),
}
_UNPREFIXED = "PAGERDUTY_ROUTING_KEY"
_SIZE = re.compile(r"(\d{1,15})\s*(?:([KMG])i?)?B?", re.IGNORECASE)
_SIZES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_KUBERNETES = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_KUBERNETES_PORT = re.compile(r"(tcp|udp|sctp)://.*")


class SettingsError(Exception):
    """Some settings are wrong: `lines` holds one for each, with the variable's name and never a secret."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value!r} is not a size such as 1000000, 512KiB or 64MiB")
    return int(match[1]) * _SIZES[(match[2] or "").upper()]


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _networks(value: object) -> object:
    return [ip_network(part.strip()) for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _folders(value: object) -> object:
    """One folder, or several with commas or colons between; a folder whose name holds one may still be named alone."""
    if not isinstance(value, str) or Path(value).is_dir():
        return (value,) if isinstance(value, str) else value
    return [Path(part.strip()) for part in re.split(f"[,{os.pathsep}]", value) if part.strip()]


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", value):
        raise ValueError(f"{value!r} is not an http or https address")
    return value.rstrip("/")


_SECRETS = frozenset(
    (
        "pagerduty_routing_key",
        "pagerduty_api_token",
        "pagerduty_webhook_secrets",
        "fallback_urls",
        "webhook_tokens",
        "api_tokens",
        "api_token",
        "database_url",
        "auth_users",
        "oidc_client_secret",
        "secret",
    )
)

Duration = Annotated[timedelta, BeforeValidator(_duration)]
Size = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders), Field(min_length=1)]


class Settings(BaseSettings):
    """What an operator can set. Field `database_url` is the variable ALERTROUTER_DATABASE_URL, and so on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: str = "sqlite:///alertrouter.db"
    """Where everything is kept: `sqlite:///file.db`, or `postgresql://user@host/name` for several replicas (extra `postgres`)."""
    runbooks_dir: Folders = (Path("runbooks"),)
    """The folder of markdown files, or several with commas between. One that is named and missing stops the start."""
    config: Path | None = None
    """The routing file (YAML). Without it there is one target, `oncall`, with the routing key that follows."""
    pagerduty_routing_key: SecretStr | None = None
    """The integration key of a PagerDuty service, Events API v2; also read without the prefix."""
    pagerduty_events_url: str = "https://events.pagerduty.com"
    """Where events go, without `/v2/enqueue`. EU: `https://events.eu.pagerduty.com`."""
    pagerduty_api_url: str = "https://api.pagerduty.com"
    """PagerDuty's REST API. EU: `https://api.eu.pagerduty.com`."""
    pagerduty_api_token: SecretStr | None = None
    """A REST API key: PagerDuty is asked before a step is taken, and what webhooks missed is healed."""
    pagerduty_api_from: str = ""
    """The e-mail address of the PagerDuty user in whose name something is written there."""
    pagerduty_webhook_secrets: Secrets = ()
    """Verify PagerDuty's webhooks; comma-separated, as one is rotated for another."""
    fallback_urls: Secrets = ()
    """Apprise addresses for pages that do not get through (extra `fallback`); comma-separated, a comma in one is `%2C`."""
    fallback_after: Duration = timedelta(minutes=3)
    """For how long deliveries of an incident fail before it goes other ways."""
    confirm_within: Duration = timedelta(minutes=2)
    """How soon PagerDuty is to open an incident for a page, where it can be heard."""
    webhook_tokens: Secrets = ()
    """Bearer tokens, or basic passwords, for `/webhooks/alertmanager` and `/webhooks/change`; comma-separated, empty: open."""
    api_tokens: Secrets = ()
    """Bearer tokens for `/api/v1`; `read:…` is one that may only read. Comma-separated, empty: open."""
    escalate_after: Duration = timedelta(minutes=15)
    """When the default policy's step is taken, where neither runbook nor route states one."""
    escalate_to: str = ""
    """Whom that step pages; empty: the incident's own target."""
    resolve_hold: Duration = timedelta(seconds=60)
    """How long a resolve is held back."""
    public_url: str = ""
    """What links in pages and events start with; empty: made from host and port."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """The port to listen on."""
    log_format: Literal["json", "console"] | None = None
    """`json`, or `console` for people's eyes; unset: `console` where a terminal is watching, else `json`."""
    retention: Duration = timedelta(days=90)
    """How long resolved incidents are kept; `0s`: for ever."""
    max_body: Size = 64 * 1024**2
    """The largest notification, in bytes or as `64MiB`; above it is a 413."""
    auth: Literal["none", "basic", "proxy", "oidc"] = "none"
    """Who may look and act: `none`, `basic`, `proxy` or `oidc`."""
    auth_users: SecretStr | None = None
    """For `basic`: entries `name:bcrypt` with spaces or line ends between; the `_FILE` form is an htpasswd file."""
    auth_actors: Names = ()
    """Who may act; everybody else who signs in may read. Empty: all may act."""
    auth_header: str = "X-Forwarded-User"
    """For `proxy`: the header with the user's name."""
    auth_networks: Networks = ()
    """For `proxy`: the networks whose header counts, such as `10.0.0.0/8,fd00::/8`."""
    oidc_issuer: str = ""
    """For `oidc`: the provider's address."""
    oidc_client_id: str = ""
    """For `oidc`: the client's name at the provider."""
    oidc_client_secret: SecretStr | None = None
    """For `oidc`: the client's secret."""
    oidc_name_claim: str = ""
    """For `oidc`: the claim that is the name; empty: the first of preferred_username, email, name, sub."""
    secret: SecretStr | None = None
    """Signs cookies and links: 32 characters or more, the same on every replica."""
    ack_links: bool = False
    """Whether each page holds a link that acknowledges it, without signing in, for a day."""
    url: str = "http://127.0.0.1:8080"
    """Where terminal commands find the service."""
    api_token: SecretStr | None = None
    """What terminal commands show it."""

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("the address starts with sqlite:/// or postgresql://")
        try:
            _ = urlsplit(value).port
        except ValueError:
            raise ValueError("the host or the port is none") from None
        return value

    @field_validator("pagerduty_events_url", "pagerduty_api_url", "url")
    @classmethod
    def _address(cls, value: str) -> str:
        return _url(value)

    @field_validator("public_url")
    @classmethod
    def _public_address(cls, value: str) -> str:
        return _url(value) if value else value

    @field_validator("pagerduty_routing_key")
    @classmethod
    def _routing_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch("[A-Za-z0-9]{32}", value.get_secret_value()):
            raise ValueError("a routing key is 32 letters and digits")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        return _url(value) if value else value

    @field_validator("auth_users")
    @classmethod
    def _users(cls, value: SecretStr | None) -> SecretStr | None:
        for number, line in enumerate(value.get_secret_value().split() if value else (), start=1):
            if not re.fullmatch(r"[^:\s]+:\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}", line):
                raise ValueError(f"entry {number} is not name:hash with bcrypt, as `htpasswd -nB name` prints it")
        return value

    @field_validator("secret")
    @classmethod
    def _long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"it has fewer than {_SHORTEST_SECRET} characters; `openssl rand -hex 32` makes a good one")
        return value

    @property
    def users(self) -> dict[str, bytes]:
        """The bcrypt hash of each user's password."""
        lines = self.auth_users.get_secret_value().split() if self.auth_users else []
        return {name: digest.encode() for name, _, digest in (line.partition(":") for line in lines)}

    @property
    def base_url(self) -> str:
        """What the links in pages and events start with."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` gives: it has read the environment and the files."""
        return (init_settings,)


def in_clear(secrets: tuple[SecretStr, ...]) -> list[str]:
    """The secrets themselves, for comparing."""
    return [secret.get_secret_value() for secret in secrets]


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `env`, by default the process's environment. Raises SettingsError with every problem."""
    env = os.environ if env is None else env
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name in Settings.model_fields:
        variable = _variable(name, env)
        try:
            text = _text(variable, env)
        except (OSError, ValueError) as problem:
            problems.append(f"{variable}_FILE: {_why(problem)}")
            continue
        if text:
            values[name] = text
    if _KUBERNETES_PORT.fullmatch(str(values.get("port", ""))):
        problems.append(f"{PREFIX}PORT: Kubernetes set it for a Service of that name; set enableServiceLinks: false, or a number")
        del values["port"]
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems += [_line(one, env) for one in error.errors()]
    problems = problems or _missing(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def _missing(settings: Settings) -> list[str]:
    """What other settings need and is not set."""
    wanted = [(name, f"AUTH={settings.auth}") for name in _WANTED.get(settings.auth, ())]
    wanted += [("secret", "ACK_LINKS")] if settings.ack_links else []
    return [f"{PREFIX}{name.upper()}: {PREFIX}{by} needs it" for name, by in wanted if not getattr(settings, name)]


def unknown_variables(env: Mapping[str, str]) -> list[str]:
    """ALERTROUTER_ variables that mean nothing, each with the nearest name that does."""
    known = [name.upper() + end for name in Settings.model_fields for end in ("", "_FILE")]
    found = []
    for variable in sorted(env):
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and name not in known and not _is_from_kubernetes(name, env[variable]):
            near = difflib.get_close_matches(name, known, 1)
            found.append(f"{variable}: there is no such setting" + (f"; did you mean {PREFIX}{near[0]}?" if near else ""))
    return found


def _is_from_kubernetes(name: str, value: str) -> bool:
    """Whether it looks like what Kubernetes sets for each Service, here one named `alertrouter` or `alertrouter-…`."""
    return _KUBERNETES.fullmatch(name) is not None or (name.endswith("_PORT") and _KUBERNETES_PORT.fullmatch(value) is not None)


def _variable(field: str, env: Mapping[str, str]) -> str:
    variable = PREFIX + field.upper()
    if field.upper() == _UNPREFIXED and not (env.get(variable) or env.get(f"{variable}_FILE")):
        return _UNPREFIXED
    return variable


def _text(variable: str, env: Mapping[str, str]) -> str | None:
    file = env.get(f"{variable}_FILE")
    if not file:
        return env.get(variable)
    if env.get(variable):
        raise ValueError(f"{variable} is set, too: one of them, please")
    return Path(file).read_text(encoding="utf-8").strip()


def _line(error: Any, env: Mapping[str, str]) -> str:
    field = str(error["loc"][0])
    variable = _variable(field, env)
    variable += "_FILE" if env.get(f"{variable}_FILE") else ""
    message = error["msg"].removeprefix("Value error, ")
    shown = "" if _is_secret(field) or str(error["input"]) in message else f" ({str(error['input'])[:80]!r})"
    return f"{variable}: {message}{shown}"


def _is_secret(field: str) -> bool:
    return field in _SECRETS


def _why(problem: OSError | ValueError) -> str:
    if isinstance(problem, OSError):
        return f"{problem.filename} cannot be read: {problem.strerror}"
    return "it is not UTF-8" if isinstance(problem, UnicodeDecodeError) else str(problem)
