"""Where a language writes numbers and dates otherwise than Django has it."""
