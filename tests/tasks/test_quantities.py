"""Kubernetes' quantities as whole numbers."""

from decimal import ROUND_CEILING, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning.tasks.quantities import MOST, least_units, shown

LEAST = {"cpu": 1000, "memory": 1, "gpu": 1000}
POWERS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
EXACT = Context(prec=400, Emax=9999, Emin=-9999)


def by_decimals(resource, number, suffix):
    """The slow plain way, which shares nothing with the code."""
    amount = EXACT.create_decimal(number)
    if suffix in BINARY:
        amount = EXACT.multiply(amount, Decimal(2 ** (10 * BINARY[suffix])))
    else:
        power = POWERS[suffix] if suffix in POWERS else int(suffix[1:])
        amount = EXACT.multiply(amount, EXACT.power(Decimal(10), Decimal(power)))
    return int(EXACT.multiply(amount, Decimal(LEAST[resource])).to_integral_value(ROUND_CEILING, EXACT))


@given(
    st.sampled_from(list(LEAST)),
    st.from_regex(r"[0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18}", fullmatch=True, alphabet=st.characters(max_codepoint=127)),
    st.sampled_from([*POWERS, *BINARY]) | st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]),
                                                    st.integers(0, 25)),
)  # fmt: skip
def test_every_quantity_is_what_decimals_make_of_it(resource, number, suffix):
    expected = by_decimals(resource, number, suffix)

    if expected > MOST:
        with pytest.raises(ValueError, match="at most"):
            least_units(resource, number + suffix)
    else:
        assert least_units(resource, number + suffix) == expected


@given(st.sampled_from(list(LEAST)), st.floats(0, 1e9))
def test_a_number_is_what_its_text_would_be(resource, number):
    assert least_units(resource, number) == by_decimals(resource, repr(number), "")


@pytest.mark.parametrize(
    ("resource", "written", "units"),
    [
        ("cpu", "500m", 500), ("cpu", 2, 2000), ("cpu", 0.1, 100), ("cpu", "100u", 1), ("cpu", "1n", 1), ("cpu", "+1", 1000),
        ("cpu", "1.0005", 1001), ("cpu", "1e3", 1_000_000), ("cpu", "1E-3", 1), ("cpu", "0e999999999", 0),
        ("memory", "1Ki", 1024), ("memory", "1k", 1000), ("memory", "1.5Gi", 1610612736), ("memory", ".5Ki", 512),
        ("memory", "100.5", 101), ("memory", "128974848000m", 128974848), ("memory", 123e6, 123_000_000),
        ("memory", "1e-999999999", 1), ("gpu", "0.5", 500), ("gpu", 8, 8000), ("memory", "512Ti", 2**49),
    ],
)  # fmt: skip
def test_these_are_read_as_kubernetes_reads_them(resource, written, units):
    assert least_units(resource, written) == units


@pytest.mark.parametrize(
    "written",
    [
        -1, "-1", -0.5, "-0", "1e999Gi", "1e", "1ee3", "1KI", "1K", "1gi", "1 Gi", " 1", "1Gi ", "1\n", "", ".", "e3", "Gi",
        "1.2.3", "٣", "１", "1_000", "0x10", "NaN", "inf", "1,5", True, False, None, [], {}, float("nan"), float("inf"),
        "9" * 10_000, "1" + "0" * 70, "1GB", b"1",
    ],
)  # fmt: skip
def test_what_is_no_quantity_is_refused_with_what_is_allowed(written):
    with pytest.raises(ValueError, match="as in 500m, 1.5, 4Gi or 1e3") as refused:
        least_units("memory", written)

    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "written", ["1Ei", "1e999999999", "9" * 64, "1" + "0" * 60 + "E", 10**4000, -(10**4000), 1e300, 2**49 + 1]
)
def test_what_is_too_large_is_refused_at_once_and_says_how_much_is_allowed(written):
    with pytest.raises(ValueError, match="at most 512Ti"):
        least_units("memory", written)


def test_sums_over_ten_thousand_nodes_are_64_bit():
    assert 10_000 * MOST < 2**63


@pytest.mark.parametrize(
    ("resource", "units", "words"),
    [
        ("cpu", 250, "250m"), ("cpu", 1500, "1.5"), ("cpu", 0, "0"), ("memory", 2**30, "1Gi"), ("memory", 1000, "1000"),
        ("memory", 3 * 2**29, "1.5Gi"), ("memory", 2**49, "512Ti"), ("gpu", 500, "0.5"), ("gpu", 8000, "8"),
    ],
)  # fmt: skip
def test_amounts_are_shown_as_people_write_them(resource, units, words):
    assert shown(resource, units) == words
