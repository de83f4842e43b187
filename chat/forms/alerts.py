"""What alerts need, as an administrator types it."""

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from chat.models import AlertSettings

MOST_ADDRESSES = 20


class AlertSettingsForm(forms.ModelForm):
    class Meta:
        model = AlertSettings
        fields = ["emails", "webhook_url", "webhook_local", "failing_count", "failing_of", "estimates_percent"]

    def clean_emails(self) -> str:
        """One on each line, however they were separated."""
        addresses = list(dict.fromkeys(self.cleaned_data["emails"].replace(",", " ").replace(";", " ").split()))
        if len(addresses) > MOST_ADDRESSES:
            raise ValidationError(_("At most %(most)d addresses.") % {"most": MOST_ADDRESSES})
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError(_("“%(address)s” is no e-mail address.") % {"address": address}) from error
        return "\n".join(addresses)

    def clean_webhook_url(self) -> str:
        return self.cleaned_data["webhook_url"].strip()

    def clean(self) -> dict:
        fields = super().clean()
        if (fields.get("failing_count") or 0) > (fields.get("failing_of") or 100):
            self.add_error("failing_count", _("There cannot be more failed replies than are looked at."))
        return fields
