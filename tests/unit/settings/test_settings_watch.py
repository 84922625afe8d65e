"""How a watch is written, and that it never becomes a service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.kernel.errors import ConfigError
from dreamnet.model.settings import Settings, load_settings
from dreamnet.model.watches import (
    CertificateWatch,
    DnsWatch,
    TcpWatch,
    UrlWatch,
    WatchName,
    certificate_notice,
    shown,
    shown_url,
)


def load(folder: Path, text: str) -> Settings:
    file = folder / "dreamnet.toml"
    file.write_text(text)
    return load_settings(file)


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        load(folder, text)
    return str(raised.value)


def test_every_kind_is_read_and_none_is_a_service(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
[services.bank]
watch = { url = "https://me:pw@bank.example/x?token=abc", status = 204, certificate_days = 20 }
[services.db]
watch = { tcp = "[::1]:5432", interval = "1m", timeout = "1s", failures = 3 }
[services.name]
watch = { dns = "bank.example", expect = ["192.0.2.7", "2001:DB8::7"] }
[services.mail]
watch = { certificate = "mail.example:993" }
""",
    )
    assert settings.services == {}
    bank, db, name, mail = settings.watches.values()
    assert isinstance(bank, UrlWatch)
    assert (204 in bank.status, 200 in bank.status) == (True, False)
    assert shown(bank) == "https://***@bank.example/x?token=***"
    assert "pw" not in repr(settings)
    assert certificate_notice(bank) == timedelta(days=20)
    assert isinstance(db, TcpWatch)
    assert (db.interval, db.failures) == (timedelta(minutes=1), 3)
    assert shown(db) == "tcp [::1]:5432"
    assert isinstance(name, DnsWatch)
    assert name.expect == ("192.0.2.7", "2001:db8::7")
    assert isinstance(mail, CertificateWatch)
    assert certificate_notice(mail) == timedelta(days=14)


def test_text_alone_is_a_url_asked_gently(tmp_path: Path) -> None:
    watch = load(tmp_path, '[services.bank]\nwatch = "http://10.0.0.7/"\n').watches[
        WatchName("bank")
    ]
    assert isinstance(watch, UrlWatch)
    assert (watch.interval, watch.timeout) == (timedelta(seconds=30), timedelta(seconds=5))
    assert certificate_notice(watch) is None, "plain HTTP has no certificate"


BAD = [
    ('watch = "https://x"\nrun = "sh"', "exclude each other", 'remove "watch"'),
    ("", '"run" is missing', "or watch = {"),
    ("watch = {}", "exactly one of url, tcp, dns, certificate; this one has none", "such as"),
    ('watch = { tcp = "a:1", dns = "a" }', "this one has tcp and dns", "such as"),
    ('watch = { tcp = "a:1", status = 200 }', '"status" belongs to a watch of url', "such as"),
    ('watch = { dns = "a", certificate_days = 3 }', '"certificate_days" belongs', "such as"),
    ('watch = { tcp = "a" }', "host:port", 'tcp = "'),
    ('watch = { tcp = "a:0" }', "1 to 65535", 'tcp = "'),
    ('watch = { tcp = "a b:1" }', "host:port", 'tcp = "'),
    ('watch = { certificate = "a!:1" }', "neither a name nor", "certificate ="),
    ('watch = { dns = "https://a" }', "a name is like", 'dns = "'),
    ('watch = { dns = "a", expect = ["b"] }', "an address is like", "expect ="),
    ('watch = { url = "https://x", status = "399-200" }', "a status is like", "status ="),
    ('watch = { url = "https://x", status = 600 }', "a status is like", "status ="),
    ('watch = { url = "https://x", interval = "10ms" }', 'at least "1s"', "interval ="),
    ('watch = { url = "https://x" }\nroute = "x"', 'unknown key "route"', "accepted here: watch"),
    ("watch = 5", "expected a table", "such as: watch"),
]


@pytest.mark.parametrize(("lines", "what", "mend"), BAD)
def test_what_is_wrong_is_told_with_a_mend(
    tmp_path: Path, lines: str, what: str, mend: str
) -> None:
    said = complaint(tmp_path, f"[services.bank]\n{lines}\n")
    assert what in said
    assert mend in said.partition("mend: ")[2]


@pytest.mark.parametrize(
    "url", ["ftp://me:s3cret@x/", "https://me:s3cret@", "https://s3cret:99999"]
)
@pytest.mark.parametrize("form", ['watch = "{}"', 'watch = {{ url = "{}" }}'])
def test_a_wrong_url_is_not_repeated(tmp_path: Path, url: str, form: str) -> None:
    said = complaint(tmp_path, f"[services.bank]\n{form.format(url)}\n")
    assert "a URL is like" in said
    assert "s3cret" not in said


words = st.text("abcdefghij", min_size=6, max_size=12)


@given(words, words, words)
def test_no_credentials_are_shown(user: str, password: str, token: str) -> None:
    for query in (f"?key={token}", f"?{token}", f"?a=1&key={token}#{token}"):
        text = shown_url(
            f"https://{user}0:{password}1@bank.example/path{query.replace(token, token + '2')}"
        )
        assert text.startswith("https://***@bank.example/path?")
        assert not any(one in text for one in (f"{user}0", f"{password}1", f"{token}2"))


@pytest.mark.parametrize("url", ["https://h.example/t0ken", "http://127.0.0.1:1/t0ken", ""])
def test_a_heartbeat_is_a_secret_url(tmp_path: Path, url: str) -> None:
    watch = '[services.bank]\nwatch = { dns = "bank.example" }\n'
    settings = load(tmp_path, f'[node]\nheartbeat = "{url}"\n{watch}')
    assert settings.node.heartbeat.get_secret_value() == url
    assert "t0ken" not in repr(settings)


@pytest.mark.parametrize(
    "url", ["http://h.example/t0ken", "t0ken", "https:///t0ken", "https://[t0ken"]
)
def test_a_heartbeat_in_the_clear_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    said = complaint(tmp_path, f'[node]\nheartbeat = "{url}"\nheartbeat_interval = "1s"\n')
    assert "a heartbeat is a URL https://" in said
    assert "t0ken" not in said.replace("your-token", "")
    assert 'at least "5s"' in said
