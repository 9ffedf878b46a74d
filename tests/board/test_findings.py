import time

import pytest

from harness.board.findings import Claim, claims_of, read_claims, with_claims


def test_a_claim_is_a_word_rows_and_columns():
    (claim,) = claims_of("DDO is better ({{better a/ddo than a/none in w2, fid[cnn]}}).")
    assert claim == Claim("better a/ddo than a/none in w2, fid[cnn]", "better", ("a/ddo", "a/none"), ("w2", "fid[cnn]"))


def test_a_claim_may_go_over_lines():
    (claim,) = claims_of("x {{no-difference a/ddo\n  to a/mle/n500\n  in w2}} y")
    assert (claim.word, claim.rows, claim.columns) == ("no-difference", ("a/ddo", "a/mle/n500"), ("w2",))


def test_a_text_without_claims_stays_as_it_is():
    text = "Braces {a}, { {a} } and ${x}$."
    assert list(claims_of(text)) == []
    assert with_claims(text, str) == text


def test_each_claim_is_replaced_in_its_place():
    assert with_claims("a {{value b/c in w2}} d {{at-floor b/c in w2}}", lambda claim: claim.word) == "a value d at-floor"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{}}", "begins with none of: value, difference, better"),
        ("{{best a/b in w2}}", "{{best a/b in w2}} begins with none of"),
        ("{{better a/b in w2}}", "{{better a/b in w2}} needs two rows, as base/method, and a column"),
        ("{{value a/b}}", "needs a row, as base/method, and a column"),
        ("{{value a/b and c/d in w2}}", "needs a row"),
        ("{{value a/b in w2", "'{{value a/b in w2' has {{ without }}: a claim is {{WORD ROW … in COLUMN}}"),
        ("x {{better a/b than a/c in w2} y", "'{{better a/b than a/c in w2} y' has {{ without }}"),
        ("{{better a/b than a/c in w2} }", "has {{ without }}"),
        ("{{value a/b in w2}} and {value a/c in w2}}", "'and {value a/c in w2}}' has }} without {{"),
        ("{{value {{value a/c in w2}}", "'{{value' has {{ without }}"),
    ],
)
def test_what_is_no_claim_is_refused(text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is checked below
        list(claims_of(text))
    assert message in str(caught.value)


def test_many_braces_take_no_time():
    start = time.perf_counter()
    assert len(list(read_claims("{{" * 200_000))) == 1
    assert time.perf_counter() - start < 2
