"""Parts that all providers share: addresses, excerpts without the key, and the meaning of HTTP statuses."""

import pytest

from vsearch_core.embed.remote.credentials import Credentials, checked_url, same_address
from vsearch_core.embed.remote.wire import excerpt, failure_from_status

CREDENTIALS = Credentials("sk-0123456789abcdef", key_name="THE_KEY")


def test_a_providers_words_are_short_one_line_and_without_the_key() -> None:
    key = "sk-0123456789abcdef"
    message = excerpt(f"<html>\n<b>Invalid key</b>\t{key}.\n" + "x" * 500, key)
    assert message.startswith("Invalid key [key]. xxx")
    assert len(message) <= 201
    assert excerpt(None, key) == ""
    assert excerpt("a cat", "a") == "a cat"  # no key is so short


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (429, "slow down", "throttled"),
        (500, "internal", "server"),
        (503, "", "server"),
        (504, "", "server"),
        (408, "", "server"),
        (400, "invalid model", "refused"),
        (400, "API key not valid. Please pass a valid API key", "refused"),
        (401, "", "refused"),
        (404, "model not found", "refused"),
        (302, "", "refused"),
        (413, "", "too long"),
        (429, "Request too large for m on tokens per min (TPM): Limit 40000, Requested 60000", "too long"),
        (429, "Too many tokens per minute", "throttled"),
        (400, "This model's maximum context length is 8192 tokens", "too long"),
        (422, "batch size 64 > maximum allowed batch size 32", "too long"),
        (500, "input is too large to process. increase the physical batch size", "too long"),
        (400, "the input length exceeds the context length", "too long"),
    ],
)
def test_the_meaning_of_a_status(status: int, words: str, kind: str) -> None:
    failure = failure_from_status(status, words, CREDENTIALS)
    assert failure.kind == kind
    assert words in failure.reason
    assert str(status) in failure.reason


def test_a_refused_key_is_named_and_not_repeated() -> None:
    failure = failure_from_status(403, f"no {CREDENTIALS.api_key}", CREDENTIALS)
    assert (failure.code, failure.details) == ("key-refused", {"key_name": "THE_KEY"})
    assert failure.reason == "the key was refused (status 403: no [key])"


def test_addresses_lose_a_slash_and_nothing_else() -> None:
    assert checked_url("http://[::1]:8080/v1/") == "http://[::1]:8080/v1"
    assert same_address("https://a/v1", "https://a/v1/")
    assert not same_address("https://a/v1", "https://a.evil/v1")
    assert not same_address("https://a/v1", "http://a/v1")
    assert not Credentials().allow("https://a/v1")
    assert Credentials(trusted_url="https://a/v1").allow("https://a/v1/")
