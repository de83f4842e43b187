"""1,204 as browsers write it for zh (CLDR); Django would write 1204."""

THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
