"""The reports: one module each. All but the single entries are read from the daily sums, never from the lines."""

from chat.accounting.reports import (
    days,
    groups,
    models,
    outcomes,
    pace,
    people,
    providers,
    purposes,
    sparing,
)
from chat.accounting.reports.table import Report

REPORTS: dict[str, Report] = {
    module.REPORT.name: module.REPORT
    for module in (people, groups, models, providers, days, purposes, outcomes, sparing, pace)
}
