"""What the forms of several subjects share."""

from decimal import Decimal

from django import forms


class AmountField(forms.DecimalField):
    """Money as people write it: with a sign of its currency, and with either decimal sign."""

    def to_python(self, value: object) -> Decimal | None:
        return super().to_python(value.strip(" $€£¥₹₩").replace(",", ".") if isinstance(value, str) else value)


class TextField(forms.CharField):
    """Browsers send line ends as CR LF, which count as one character here as they do on the page."""

    def to_python(self, value: object) -> str:
        return super().to_python(value).replace("\r\n", "\n").strip("\n")


class OneComplaintForm(forms.Form):
    @property
    def complaint(self) -> str:
        """The first error, as a sentence."""
        return next(iter(self.errors.values()))[0]
