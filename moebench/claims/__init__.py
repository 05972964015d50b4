"""Claims of suites, and their verdicts from result rows.

    claim.parse_claim(values)          a claim from the plain values of a suite file
    claim.check_cells(claim, specs)    raise unless the grid has the cells that a claim names
    verdict.judge(frame, claims)       shown, contradicted or undecided, corrected for the number of claims
    find.claims_of(suite)              the claims of a suite with results

There is one method for each kind of claim. Modules are imported one by one, because reading a suite needs no pandas.
"""
