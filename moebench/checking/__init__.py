"""Try routers and suites at toy size, and report every violation in a sentence."""

from moebench.checking.failure import Failure
from moebench.checking.router import check_router, check_routers
from moebench.checking.suite import SuiteChecks

__all__ = ["Failure", "SuiteChecks", "check_router", "check_routers"]
