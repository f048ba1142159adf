"""Patterns of filters, as podman (Go) took them for the same names."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conman_kernel.errors import InvalidInput
from conman_kernel.patterns import searcher


@pytest.mark.parametrize(("pattern", "found"), [
    ("[[:alpha:]]", "web done"), ("(?i)WEB", "web"), (r"w.b\z", "web"), (r"\Qweb\E", "web"), (r"\Qw.b\E", ""), (r"\Qw", "web"),
    ("web|done", "web done"), ("^web$", "web"), ("(?P<x>w)", "web"), (r"\d", ""), (r"[\d]", ""), ("", "web done"), ("[^[:alpha:]]", ""),
    ("[[:digit:]w]", "web"), ("[[w]", "web"), ("[a[]", ""), ("[w&&x]", "web"), ("[]w]", "web"), (r"[\]w]", "web"), ("e$", "done")])
def test_names(pattern: str, found: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test = searcher(pattern)
    assert " ".join(name for name in ("web", "done") if test(name)) == found


@pytest.mark.parametrize("pattern", ["*", "(", "[a", "[[:nosuch:]]", "[[:^alpha:]]", r"\pL", "a**"])
def test_what_is_none(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="is no regular expression"):
        searcher(pattern)


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(st.text(alphabet=r"[]^:alph\QEz.&|-()*w ", max_size=16))
def test_whatever_is_written(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            searcher(pattern)("w")
        except InvalidInput as error:
            assert "\n" not in error.message
