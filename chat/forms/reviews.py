"""Why somebody else's conversation is read, and for how long."""

from django import forms
from django.utils.translation import gettext_lazy as _

SHORTEST, LONGEST = 10, 500
MINUTES = (15, 30, 60)


class ReviewForm(forms.Form):
    reason = forms.CharField(
        min_length=SHORTEST,
        max_length=LONGEST,
        error_messages={
            "required": _("Say why: the person whose conversation it is reads it."),
            "min_length": _("Say why, so that the person whose conversation it is understands it."),
            "max_length": _("At most %(limit_value)d characters."),
        },
    )
    minutes = forms.TypedChoiceField(
        choices=[(minutes, minutes) for minutes in MINUTES], coerce=int, initial=MINUTES[0]
    )
