"""Outputs show what a service said, and never a secret."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dreamnet.senses.secrecy import MASK, QUOTE_CHARACTERS, Quote, in_one_line, secret_texts


def test_a_value_is_masked_wherever_it_stands() -> None:
    secrets = secret_texts(["s3cret-value"])
    quote = Quote("login s3cret-value failed: s3cret-values3cret-value")
    assert in_one_line(quote, secrets) == f"login {MASK} failed: {MASK}{MASK}"


def test_a_longer_value_is_masked_before_one_that_it_contains() -> None:
    secrets = secret_texts(["abcdef", "abcdefghijkl"])
    assert in_one_line(Quote("abcdefghijkl"), secrets) == MASK


def test_values_shorter_than_six_are_words() -> None:
    assert secret_texts(["true", "12345", ""]) == ()


def test_a_password_inside_a_connection_string_is_a_secret_too() -> None:
    values = ["postgresql://app:pa%40ss-word@db/shop", "host=db password=letmein99 user=app"]
    secrets = secret_texts(values)
    said = in_one_line(Quote("tried pa@ss-word, pa%40ss-word and letmein99 at db"), secrets)
    assert said == f"tried {MASK}, {MASK} and {MASK} at db"


def test_a_secret_torn_at_the_end_is_masked() -> None:
    secrets = secret_texts(["s3cret-value"])
    assert (
        in_one_line(Quote("the password is s3cret-va", cut=True), secrets)
        == f"the password is {MASK}"
    )


def test_a_secret_torn_at_the_start_is_masked() -> None:
    secrets = secret_texts(["s3cret-value"])
    quote = Quote("cret-value was wrong", keep="tail", cut=True)
    assert in_one_line(quote, secrets) == f"{MASK} was wrong"


def test_a_misleading_start_of_a_secret_does_not_hide_the_torn_one() -> None:
    secrets = secret_texts(["aaaa-aaaa-bbbb"])
    assert in_one_line(Quote("x aaaa-aaaa-", cut=True), secrets) == f"x {MASK}"


def test_the_end_that_matters_is_kept() -> None:
    text = "a" * 500 + "z" * 500
    assert in_one_line(Quote(text), ()) == "a" * QUOTE_CHARACTERS
    assert in_one_line(Quote(text, keep="tail"), ()) == "z" * QUOTE_CHARACTERS


secret = st.text(alphabet='abc-\n"\\&%ä ', min_size=6, max_size=30).filter(
    lambda text: len(text.strip()) >= 6
)


@given(secret, st.text(alphabet="xyz ", max_size=300), st.integers(0, 400), st.booleans())
def test_wherever_a_text_is_cut_no_secret_is_told(
    value: str, around: str, at: int, tail: bool
) -> None:
    whole = f"{around}{value}{around}"
    secrets = secret_texts([value])
    said = in_one_line(
        Quote(whole[-at:] if tail else whole[:at], keep="tail" if tail else "head", cut=True),
        secrets,
    )
    assert len(said) <= QUOTE_CHARACTERS
    assert said.isprintable()
    assert value not in said
    for edge in (value[-5:], value[:5]):
        assert edge not in said or len(edge.strip()) < 5


@given(st.text(max_size=400), st.lists(st.text(max_size=20), max_size=4))
def test_any_text_becomes_one_printable_line(text: str, values: list[str]) -> None:
    said = in_one_line(Quote(text, cut=True), secret_texts(values))
    assert said.isprintable()
    assert len(said) <= QUOTE_CHARACTERS
