"""Jobs: their settings and needs decide their hash."""

import pytest

from edgewright.core.errors import InputError
from edgewright.studies.job import FunctionJob, JobResult, fingerprints


def nothing(context):
    return JobResult({})


def job(key, needs=(), **arguments):
    return FunctionJob(key, nothing, arguments, needs)


def test_the_hash_follows_what_is_asked_and_needed():
    plain = fingerprints([job("a", n=1), job("b", ("a",))])
    assert plain == fingerprints([job("b", ("a",)), job("a", n=1)])
    other = fingerprints([job("a", n=2), job("b", ("a",))])
    assert plain["a"] != other["a"]
    assert plain["b"] != other["b"]  # what it needs is another


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([job("a"), job("a")], "two jobs have the key 'a'"),
        ([job("arm-a"), job("b", ("arm-b",))], "did you mean 'arm-a'"),
        ([job("a", ("b",)), job("b", ("a",))], "needs itself"),
    ],
)
def test_jobs_that_cannot_be_ordered_are_refused(jobs, words):
    with pytest.raises(InputError, match=words):
        fingerprints(jobs)
