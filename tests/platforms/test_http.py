"""What the transport promises, over real connections."""

from __future__ import annotations

import datetime as dt
import json
import logging
import resource
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import PlatformError, PlatformUnavailable
from pipeline.platforms.http import IDLE, LARGEST_ANSWER, Refusal, Transport
from pipeline.platforms.reply import document, mask, public, retry_after

from .conftest import GARBAGE, FastClock, Said, Scripted

SECRET = "a-token-of-the-account"
Open = Callable[..., Transport]


@pytest.fixture
def open_(clock: FastClock) -> Iterator[Open]:
    opened: list[Transport] = []

    def make(url: str, **options: object) -> Transport:
        values: dict[str, object] = {
            "requests_per_second": 1000.0,
            "timeout": 1.0,
            "attempts": 3,
            "backoff": 0.01,
            **options,
        }
        transport = Transport(url, SECRET, **{"sleep": clock.sleep, "clock": clock, **values})  # type: ignore[arg-type]
        opened.append(transport)
        return transport

    yield make
    for transport in opened:
        transport.close()


def test_requests_carry_the_token_and_json_headers(open_: Open, scripted: Scripted) -> None:
    open_(scripted.url, language="fr_ca").send("POST", "/groups", {"title": "Été"}, repeatable=False)
    asked = scripted.asked[0]
    assert asked.body == {"title": "Été"}
    assert asked.headers["Authorization"] == f"Bearer {SECRET}"
    assert asked.headers["Accept"] == asked.headers["Content-Type"] == "application/json"
    assert asked.headers["Accept-Language"] == "fr-ca"


def test_a_connection_that_idled_is_not_trusted_with_another_request(open_: Open, scripted: Scripted) -> None:
    transport = open_(scripted.url)
    transport.get("/groups")
    transport.get("/groups")
    time.sleep(IDLE + 0.1)
    transport.send("POST", "/groups", {"title": "Été"}, repeatable=False)
    first, second, third = (asked.port for asked in scripted.asked)
    assert first == second != third


def test_requests_start_apart_and_never_in_bursts(open_: Open, scripted: Scripted, clock: FastClock) -> None:
    transport = open_(scripted.url, requests_per_second=2.0)
    transport.get("/ping")
    clock.now += 60.0  # idle time buys no burst
    for _ in range(3):
        transport.get("/ping")
    assert clock.naps == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    "fault",
    [
        Said(500),
        Said(503),
        Said(200, GARBAGE),
        Said(200, b""),
        Said(200, [1]),
        Said(drop=True),
        Said(wait=0.5),
        Said(429),
    ],
    ids=["500", "503", "html", "empty", "list", "dropped", "silent", "429"],
)
def test_a_read_outlives_a_passing_fault(open_: Open, scripted: Scripted, fault: Said) -> None:
    scripted.answers = [fault, Said(200, {"ping": "success"})]
    transport = open_(scripted.url, timeout=0.2)
    assert transport.get("/ping") == {"ping": "success"}
    assert transport.requests == len(scripted.asked) == 2


@pytest.mark.parametrize(
    "fault",
    [Said(500), Said(502), Said(200, GARBAGE), Said(drop=True), Said(wait=0.5)],
    ids=["500", "502", "html", "drop", "silent"],
)
def test_a_write_that_is_not_safe_to_repeat_is_sent_once(open_: Open, scripted: Scripted, fault: Said) -> None:
    scripted.answers = [fault, Said(201, {"id": 1})]
    transport = open_(scripted.url, timeout=0.2)
    with pytest.raises(PlatformUnavailable, match="outcome unknown"):
        transport.send("POST", "/groups", {"title": "x"}, repeatable=False)
    assert len(scripted.asked) == 1


@pytest.mark.parametrize("fault", [Said(500), Said(200, GARBAGE), Said(drop=True)], ids=["500", "html", "drop"])
def test_a_write_that_is_safe_to_repeat_is_repeated(open_: Open, scripted: Scripted, fault: Said) -> None:
    scripted.answers = [fault, Said(201, {"id": 1})]
    assert open_(scripted.url).send("POST", "/batches", {}, repeatable=True) == {"id": 1}


def test_a_throttled_write_was_not_done_so_it_is_repeated(open_: Open, scripted: Scripted) -> None:
    scripted.answers = [Said(429), Said(201, {"id": 1})]
    assert open_(scripted.url).send("POST", "/groups", {"title": "x"}, repeatable=False) == {"id": 1}


def test_attempts_are_bounded(open_: Open, scripted: Scripted) -> None:
    scripted.answers = [Said(500)]
    transport = open_(scripted.url, attempts=4)
    with pytest.raises(PlatformUnavailable, match="GET /ping: answered 500") as caught:
        transport.get("/ping")
    assert transport.requests == len(scripted.asked) == 4
    assert "placier" in caught.value.remedy


def test_the_total_time_is_bounded(open_: Open, scripted: Scripted, clock: FastClock) -> None:
    scripted.answers = [Said(503, headers={"Retry-After": "100"})]
    with pytest.raises(PlatformUnavailable):
        open_(scripted.url, attempts=20, total=250.0).get("/ping")
    assert clock.now < 250.0
    assert len(scripted.asked) == 3


def test_pauses_grow_from_a_second_to_a_minute_at_most(open_: Open, scripted: Scripted, clock: FastClock) -> None:
    scripted.answers = [Said(503)]
    with pytest.raises(PlatformUnavailable):
        open_(scripted.url, attempts=10, backoff=1.0).get("/ping")
    pauses = [nap for nap in clock.naps if nap >= 0.5]
    assert 1.0 <= pauses[0] <= 2.0
    assert 4.0 <= pauses[2] <= 5.0
    assert max(pauses) == 60.0


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "Sun, 06 Nov 2026 08:00:30 GMT", "Date": "Sun, 06 Nov 2026 08:00:00 GMT"}, 30.0),
        ({"Retry-After": "Sun, 06 Nov 2026 07:59:00 GMT", "Date": "Sun, 06 Nov 2026 08:00:00 GMT"}, 0.0),
        ({"Retry-After": "86400"}, 120.0),
    ],
    ids=["seconds", "now", "date", "past", "too long"],
)
def test_retry_after_is_honoured(
    open_: Open, scripted: Scripted, clock: FastClock, headers: dict[str, str], pause: float
) -> None:
    scripted.answers = [Said(429, headers=headers), Said()]
    open_(scripted.url, requests_per_second=100_000.0).get("/ping")
    assert [nap for nap in clock.naps if nap > 0.001] == pytest.approx([pause] if pause else [])


@pytest.mark.parametrize(
    "value", ["soon", "nan", "Sun, 06 Nov 2026 08:00:30 GMT"], ids=["word", "nan", "date without Date"]
)
def test_an_unusable_retry_after_is_ignored(open_: Open, scripted: Scripted, clock: FastClock, value: str) -> None:
    scripted.answers = [Said(429, headers={"Retry-After": value}), Said()]
    open_(scripted.url).get("/ping")
    assert clock.now < 1.0


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_says_what_to_do(open_: Open, scripted: Scripted, status: int) -> None:
    scripted.answers = [Said(status, {"message": "Not authorized."})]
    with pytest.raises(PlatformError, match=str(status)) as caught:
        open_(scripted.url).get("/ping")
    assert not isinstance(caught.value, PlatformUnavailable | Refusal)
    assert "token" in caught.value.remedy
    assert "placier doctor" in caught.value.remedy
    assert len(scripted.asked) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "Trop long."}, "Trop long."),
        ({"error": "Trop long."}, "Trop long."),
        ({"description": "Trop long."}, "Trop long."),
        ({"errors": [{"description": "Un."}, "Deux."]}, "Un.; Deux."),
        ({"message": None, "errors": None}, ""),
        (GARBAGE, ""),
        ([], ""),
    ],
    ids=["message", "error", "description", "errors", "nothing", "html", "list"],
)
def test_a_refusal_carries_the_platforms_words(open_: Open, scripted: Scripted, body: object, words: str) -> None:
    scripted.answers = [Said(422, body)]
    with pytest.raises(Refusal) as caught:
        open_(scripted.url).get("/groups")
    assert (caught.value.status, caught.value.words) == (422, words)
    assert len(scripted.asked) == 1


def test_a_message_holds_no_address_and_no_token_and_is_short(open_: Open, scripted: Scripted) -> None:
    scripted.answers = [Said(422, {"message": f"zoe.lecuyer@exemple.test {SECRET} " + "x" * 5000})]
    with pytest.raises(Refusal) as caught:
        open_(scripted.url).get("/members/zoe.lecuyer%40exemple.test/consent")
    message = str(caught.value)
    assert "GET /members/***/consent" in message
    assert "z***@exemple.test" in message
    assert "lecuyer" not in message
    assert SECRET not in message
    assert len(message) < 300


def test_no_address_reaches_the_http_librarys_log(
    open_: Open, scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    open_(scripted.url).get("/members/zoe%40exemple.test")
    assert "zoe" not in caplog.text


def test_redirects_are_not_followed(open_: Open, scripted: Scripted) -> None:
    scripted.answers = [Said(302, headers={"Location": "/ailleurs"}), Said()]
    with pytest.raises(PlatformError, match="redirect") as caught:
        open_(scripted.url).get("/ping")
    assert not isinstance(caught.value, Refusal)
    assert len(scripted.asked) == 1


def test_an_unreachable_server_is_unavailable_and_counts_no_request(open_: Open) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    transport = open_(url)
    with pytest.raises(PlatformUnavailable, match="no connection"):
        transport.send("POST", "/groups", {}, repeatable=False)
    assert transport.requests == 0


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9", r"127.0.0.1 \(refused\)"),
        ("https://api.placier.invalid", r"api.placier.invalid \(its name is not known\)"),
    ],
    ids=["refused", "name"],
)
def test_without_a_connection_the_host_and_the_reason_are_told(open_: Open, url: str, why: str) -> None:
    with pytest.raises(PlatformUnavailable, match=why) as caught:
        open_(url, attempts=2).get("/ping")
    assert "tried 2 times" in caught.value.message
    assert "platform.base_url" in caught.value.remedy


@pytest.mark.parametrize("url", ["https://api..exemple.test", "https://[::1", f"https://{'a' * 70}.test"])
def test_what_is_no_address_of_a_server_is_told_at_once(open_: Open, url: str) -> None:
    with pytest.raises(PlatformError, match=r"platform\.base_url") as caught:
        open_(url).get("/ping")
    assert not isinstance(caught.value, PlatformUnavailable)


@pytest.mark.parametrize(
    ("variable", "value"), [("SSL_CERT_FILE", "/nulle/part.pem"), ("HTTPS_PROXY", "socks5://127.0.0.1:9")]
)
def test_an_environment_that_allows_no_connection_is_told_by_the_variables(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(PlatformError, match="cannot be set up") as caught:
        Transport("https://api.exemple.test", SECRET, requests_per_second=1.0, timeout=1.0, attempts=1)
    assert variable in caught.value.remedy


# Answers without an end


def resident() -> int:
    """The most memory that this process ever held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("repeatable", [True, False])
def test_an_answer_that_is_too_large_is_cut_and_not_asked_for_again(
    open_: Open, scripted: Scripted, repeatable: bool
) -> None:
    scripted.answers = [Said(200, b" " * (LARGEST_ANSWER + 1))]
    with pytest.raises(PlatformUnavailable, match="more than 64 MB"):
        open_(scripted.url, timeout=20.0).send("POST", "/batches", {}, repeatable=repeatable)
    assert len(scripted.asked) == 1


def test_an_answer_that_unpacks_to_gigabytes_takes_little_memory(open_: Open, scripted: Scripted) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 24)) for _ in range(40)) + packer.flush()
    scripted.answers = [Said(200, bomb, headers={"Content-Encoding": "gzip"})]
    before = resident()
    with pytest.raises(PlatformUnavailable, match="more than 64 MB"):
        open_(scripted.url, timeout=20.0).get("/groups")
    assert resident() - before < 6 * LARGEST_ANSWER


def test_an_answer_that_is_packed_twice_is_not_unpacked(open_: Open, scripted: Scripted) -> None:
    scripted.answers = [Said(200, b"x", headers={"Content-Encoding": "gzip, gzip"})]
    with pytest.raises(PlatformUnavailable, match="more than once"):
        open_(scripted.url).get("/groups")


def test_an_answer_that_trickles_is_given_up(open_: Open, scripted: Scripted, clock: FastClock) -> None:
    scripted.answers = [Said(200, b" " * 40, trickle=0.05, piece=1)]
    with pytest.raises(PlatformUnavailable, match="not whole after 0.5 s"):
        open_(scripted.url, timeout=0.1, clock=time.monotonic).get("/groups")
    assert len(scripted.asked) == 1


@given(value=st.text(max_size=40) | st.from_regex(r"Sun, 06 Nov 20[0-9]{2} 08:00:30 [+-][0-9]{1,30}", fullmatch=True))
def test_no_retry_after_can_break_the_night(value: str) -> None:
    pause = retry_after({"Retry-After": value, "Date": "Sun, 06 Nov 2026 08:00:00 GMT"})
    assert pause is None or 0.0 <= pause <= 120.0


def test_an_empty_answer_to_a_write_is_fine(open_: Open, scripted: Scripted) -> None:
    scripted.answers = [Said(204, b"")]
    assert open_(scripted.url).send("DELETE", "/members/1/groups/2", repeatable=True) == {}


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    pure=st.booleans(),
)
@example(value="\ud800", pure=True)
@example(value=10**400, pure=False)
def test_an_answer_is_read_as_it_was_written(value: object, pure: bool) -> None:
    written = json.dumps({"members": value}, ensure_ascii=pure).encode("utf-8", "surrogatepass")
    assert document(written) == {"members": value}


@pytest.mark.parametrize("answer", [b'{"a": 01}', b"{}{}", b"[]", b"\xff", b"", b"[" * 100_000])
def test_what_is_no_object_is_no_answer(answer: bytes) -> None:
    assert document(answer) is None


@pytest.mark.parametrize("token", ["", "jeton\nX-Evil: 1", "jetón", "deux mots"])
def test_a_damaged_token_is_told_before_anything_is_sent(token: str) -> None:
    with pytest.raises(PlatformError, match="token"):
        Transport("http://127.0.0.1:1", token, requests_per_second=1.0, timeout=1.0, attempts=1)


@pytest.mark.parametrize("value", [float("nan"), "\ud800", object()], ids=["nan", "surrogate", "object"])
def test_what_is_no_json_never_leaves(open_: Open, scripted: Scripted, value: object) -> None:
    with pytest.raises(PlatformError, match="JSON"):
        open_(scripted.url).send("POST", "/groups", {"title": value}, repeatable=False)
    assert not scripted.asked


def test_a_certificate_that_nobody_vouches_for_is_refused(open_: Open, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        with pytest.raises(PlatformError, match="certificate") as caught:
            open_(f"https://127.0.0.1:{server.server_address[1]}").get("/ping")
        assert not isinstance(caught.value, PlatformUnavailable)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(start).not_valid_after(start.replace(year=2099))
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return path


@given(
    local=st.from_regex(r"[a-z0-9._+'-]{2,30}", fullmatch=True),
    around=st.sampled_from(["{}", "<{}>", "« {} »", "a:{};"]),
)
def test_a_masked_text_does_not_tell_who(local: str, around: str) -> None:
    masked = mask(around.format(f"{local}@exemple.test"))
    assert f"{local}@" not in masked
    assert "***@exemple.test" in masked


def test_a_public_path_hides_addresses_only() -> None:
    assert public("/members/a%2Bb%40exemple.test/groups/12") == "/members/***/groups/12"
    assert public("/groups/12/members") == "/groups/12/members"
