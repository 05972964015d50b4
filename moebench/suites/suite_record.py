"""Question and claims of a suite, stored beside its results.

The results can then be judged without the suite file.

results/_files/SUITE/suite.json      published when the suite runs
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from moebench.claims.claim import Claim, parse_claim
from moebench.errors import BadInput
from moebench.files import publishing
from moebench.results import Store
from moebench.results.suite_folder import SuiteFolder
from moebench.spec.records import read_record
from moebench.suites import find
from moebench.suites.published_costs_file import CountingSuite
from moebench.suites.suite_file import Suite


class _Record(BaseModel):
    """Content of the file."""

    model_config = ConfigDict(strict=True)

    shipped: bool
    question: str
    claims: list[dict[str, Any]]


@dataclass(frozen=True)
class QuestionAndClaims:
    """The question and the claims of a suite."""

    question: str
    claims: tuple[Claim, ...] = ()


def remember(store: Store, suite: Suite) -> None:
    """Publish question and claims of a suite beside its results."""
    shipped = find.shipped().get(suite.name)
    claims = [claim.model_dump(exclude_none=True, exclude_defaults=True) for claim in suite.claims]
    record = _Record(
        shipped=shipped is not None and shipped.resolve() == suite.source.path.resolve(),
        question=suite.question,
        claims=claims,
    )
    with publishing(store.suite_record) as temporary:
        temporary.write_text(record.model_dump_json(indent=1), encoding="utf-8")


def question_and_claims(folder: SuiteFolder) -> QuestionAndClaims:
    """Return question and claims of a suite with results.

    The shipped suite gives them, unless another suite of this name was run.

    Args:
        folder: the suite, among its results.

    Raises:
        BadInput: the record beside the results is damaged, or contains an invalid claim.
    """
    path, name = folder.find_suite_record(), folder.suite
    record = read_record(path, _Record, "record of a suite") if path is not None else None
    if name in find.shipped() and (record is None or record.shipped):
        suite = find.find(name)
        return QuestionAndClaims(suite.question, () if isinstance(suite, CountingSuite) else suite.claims)
    if record is None:
        return QuestionAndClaims(name)
    try:
        return QuestionAndClaims(record.question, tuple(parse_claim(values) for values in record.claims))
    except BadInput as error:
        raise BadInput(f"{path}: {error} The next run of the suite writes the file anew.") from error
