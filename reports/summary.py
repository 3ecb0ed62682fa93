"""A validation in a few lines of text."""

from reports.validation import Validation

__all__ = ["summary_lines"]


def summary_lines(validation: Validation) -> list[str]:
    """The accuracy of a validation and its verdicts, for a terminal."""
    accuracy = validation.accuracy
    lines = [
        f"{validation.tile.name}: {accuracy.n_output} outputs against {validation.reference.provenance['engine']}, "
        "largest error in % of full scale:",
        f"  fast model {accuracy.max_error_percent_full_scale:.2g}   "
        f"ideal MAC {accuracy.ideal_max_error_percent_full_scale:.2g}   "
        f"SPICE itself {accuracy.reference_error_percent_full_scale:.2g}",
    ]
    if accuracy.code_match_percent is not None:
        lines.append(
            f"  codes equal in {accuracy.code_match_percent:.4g} %, "
            f"at most {accuracy.max_code_difference_lsb} LSB apart"
        )
    for verdict in validation.verdicts:
        measured = "no converter" if verdict.measured is None else f"{verdict.measured:.3g}"
        lines.append(
            f"  {'pass' if verdict.passed else 'FAIL'}  {verdict.spec} = {verdict.limit:g}, measured {measured}"
        )
    return lines
