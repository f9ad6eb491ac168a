"""Parsing the database address that operators configure."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.database.urls import engine_arguments
from domain.database_address import DatabaseAddress
from domain.errors import ConfigurationError

# All characters that a password may contain, percent-encoded as required.
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
SCHEMES = st.sampled_from(
    [
        *(
            "postgres",
            "postgresql",
            "POSTGRESQL",
            "postgresql+psycopg2",
            "postgresql+psycopg",
            "postgresql+asyncpg",
        ),
        *("postgres+asyncpg", "postgresql+pg8000"),
    ]
)
HOSTS = st.sampled_from(["db", "db.example.com", "10.0.0.7", "[::1]", "[2001:db8::5]"])


@given(SCHEMES, WORDS, WORDS, HOSTS, st.integers(1, 65_535), WORDS)
def test_every_part_of_the_address_is_kept(
    scheme: str, user: str, password: str, host: str, port: int, database: str
) -> None:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    url = f"{scheme}://{login}@{host}:{port}/{quote(database, safe='')}?connect_timeout=7&application_name=x"

    found = engine_arguments(url)

    assert found.url.drivername == "postgresql+asyncpg"
    assert found.connect_args == {
        "host": [host.strip("[]")],
        "port": [port],
        "user": user,
        "password": password,
        "database": database,
        "timeout": 7,
        "command_timeout": 30,
        "server_settings": {"application_name": "x"},
    }
    assert repr(found) == "EngineArguments(url=postgresql+asyncpg://, pooled=None)"


@given(st.text(max_size=60), WORDS)
def test_invalid_address_is_refused_in_one_sentence_without_its_text(url: str, secret: str) -> None:
    for written in (url, f"postgresql://u:{url}@host/db?sslmode={secret}", f"mysql://u:{secret}@host/{url}"):
        try:
            engine_arguments(written)
        except ConfigurationError as error:
            message = str(error)
            assert "AUTOS_DATABASE_URL" in message
            assert "\n" not in message
            assert len(url) < 12 or url not in message
            assert len(secret) < 12 or secret not in message


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql://a,b:5433/db", ("a", "b"), (5432, 5433)),
        ("postgresql://[::1]:5433,b/db", ("::1", "b"), (5433, 5432)),
        ("postgresql:///db?host=/run/postgresql", ("/run/postgresql",), (5432,)),
        ("postgresql://%2Frun%2Fpostgresql/db", ("/run/postgresql",), (5432,)),
        ("postgresql:///db?host=a&host=b&port=1&port=2", ("a", "b"), (1, 2)),
        ("postgresql:///db?host=a:1&host=b:2", ("a", "b"), (1, 2)),
        ("postgresql:///db", (), ()),
        ("postgresql://u@/db?port=6432", ("localhost",), (6432,)),
        ("'postgresql://a/db'", ("a",), (5432,)),
    ],
)
def test_hosts_and_ports_are_read(url: str, hosts: tuple[str, ...], ports: tuple[int, ...]) -> None:
    found = DatabaseAddress.parse(url)
    assert (found.hosts, found.ports, found.database) == (hosts, ports, "db")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("mysql://u:secret@host/db", "another kind (mysql)"),
        ("mysql+pymysql://u:secret@host/db", "another kind (mysql)"),
        ("mariadb://host/db", "another kind"),
        ("http://host/db", "another kind (http)"),
        ("jdbc:postgresql://host/db", "is not the address"),
        ("host=db password=secret", "is not the address"),
        ("/var/lib/autos.db", "is not the address"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite+aiosqlite://", "names no file"),
        ("sqlite://relative.db", "names no file"),
        ("sqlite:relative.db", "names no file"),
        ("sqlite:////a/b.db?mode=secret", "no parameters"),
        ("postgresql://u:se/cret@host/db", "%2F"),
        ("postgresql://u:se?cret@host/db", "%3F"),
        ("postgresql://u:se#cret@host/db", "%23"),
        ("postgresql://host:secret/db", "port"),
        ("postgresql://host:99999/db", "port"),
    ],
)
def test_unsupported_address_is_refused(url: str, word: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        engine_arguments(url)
    assert word in str(error.value)
    assert "secret" not in str(error.value)
    assert "cret@" not in str(error.value)


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("sslmode=require", {"dsn": "postgresql://?sslmode=require"}),
        ("ssl=require", {"dsn": "postgresql://?sslmode=require"}),
        ("ssl=true", {"dsn": "postgresql://?sslmode=require"}),
        (
            "sslmode=require&channel_binding=prefer&gssencmode=disable&keepalives=1",
            {"dsn": "postgresql://?sslmode=require"},
        ),
        ("sslmode=verify-full&sslrootcert=system", {"ssl": True}),
        ("target_session_attrs=read-write", {"dsn": "postgresql://?target_session_attrs=read-write"}),
        ("connect_timeout=10", {"timeout": 10}),
        ("connect_timeout=0", {}),
        ("command_timeout=90", {"command_timeout": 90}),
        ("options=-csearch_path%3Dautos", {"server_settings": {"options": "-csearch_path=autos"}}),
        ("options=-c%20search_path=autos", {"server_settings": {"options": "-c search_path=autos"}}),
        ("fallback_application_name=a", {"server_settings": {"application_name": "a"}}),
        ("client_encoding=UTF8", {}),
    ],
)
def test_libpq_parameters_become_driver_arguments(query: str, arguments: dict[str, object]) -> None:
    plain = dict(engine_arguments("postgresql://u@h/d").connect_args)
    assert engine_arguments(f"postgresql+psycopg2://u@h/d?{query}").connect_args == plain | arguments


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("channel_binding=require", "channel_binding"),
        ("require_auth=scram-sha-256", "require_auth"),
        ("schema=hidden", "schema"),
        ("connection_limit=hidden", "connection_limit"),
        ("client_encoding=hidden", "client_encoding"),
        ("sslmode=hidden", "sslmode"),
        ("target_session_attrs=hidden", "target_session_attrs"),
        ("connect_timeout=hidden", "connect_timeout"),
        ("sslrootcert=/nowhere/hidden", "sslrootcert"),
        ("sslkey=%00hidden", "sslkey"),
        ("sslrootcert=system&sslcert=/dev/null", "sslrootcert"),
        ("prepared_statement_name_func=hidden", "prepared_statement_name_func"),
    ],
)
def test_unsupported_parameters_are_named_without_their_values(query: str, name: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        engine_arguments(f"postgresql://u@h/d?{query}")
    assert f" {name}" in str(error.value)
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("query", "pooled"),
    [
        ("", None),
        ("pgbouncer=true&sslmode=require", True),
        ("statement_cache_size=0", True),
        ("prepared_statement_cache_size=0", True),
        ("prepared_statement_cache_size=100", False),
    ],
)
def test_pooler_parameter_is_read(query: str, pooled: bool | None) -> None:
    assert engine_arguments(f"postgresql://u@h/d?{query}").pooled is pooled


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/autos.db", "/var/lib/autos.db"),
        ("sqlite+aiosqlite:////var/lib/autos.db", "/var/lib/autos.db"),
        ("sqlite:///autos.db", "autos.db"),
        ("sqlite:////odd/100%25/autos.db", "/odd/100%25/autos.db"),
    ],
)
def test_sqlite_paths_are_read(url: str, path: str) -> None:
    assert DatabaseAddress.parse(url).path == path
    assert engine_arguments(url).url.database == path


@pytest.mark.parametrize(
    ("url", "description"),
    [
        (
            "postgresql://u:hidden@db.example/autos",
            "AUTOS_DATABASE_URL names the database autos at db.example:5432.",
        ),
        (
            "postgresql://u:hidden@[::1]:6432,b:5433",
            "AUTOS_DATABASE_URL names the database at [::1]:6432 or b:5433.",
        ),
        ("postgresql:///autos?host=/run/pg", "AUTOS_DATABASE_URL names the database autos at /run/pg."),
        (
            "sqlite:////srv/a.db",
            "Its file is /srv/a.db (set by AUTOS_DATABASE_URL, or autos.db in AUTOS_DATA_DIR).",
        ),
    ],
)
def test_an_address_is_described_without_its_secrets(url: str, description: str) -> None:
    assert DatabaseAddress.parse(url).describe() == description
