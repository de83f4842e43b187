"""All that has arrived of one completion so far. Folds events; readable at any time; knows no database.

A segment is what is new since the last one was cut. `rebuild` of all segments equals the transcript in every field.
"""
