"""What the forms of several subjects share."""

import re
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")


class AmountField(forms.DecimalField):
    """Money as people write it: with a sign of its currency, and with either decimal sign.

    1,000 is a thousand to some and one to others: it is asked for again.
    """

    def to_python(self, value: object) -> Decimal | None:
        if isinstance(value, str):
            value = value.strip(" $€£¥₹₩")
            if THOUSANDS.fullmatch(value):
                words = {"typed": value, "thousands": value.replace(",", ""), "decimal": value.replace(",", ".", 1)}
                raise ValidationError(_("%(typed)s may mean two amounts. Write %(thousands)s or %(decimal)s.") % words)
            value = value.replace(",", ".")
        return super().to_python(value)


class TextField(forms.CharField):
    """Browsers send line ends as CR LF, which count as one character here as they do on the page."""

    def to_python(self, value: object) -> str:
        return super().to_python(value).replace("\r\n", "\n").strip("\n")


class OneComplaintForm(forms.Form):
    @property
    def complaint(self) -> str:
        """The first error, as a sentence."""
        return next(iter(self.errors.values()))[0]
