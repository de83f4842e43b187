"""What people may ask of their data: bringing in, sharing, parting, keeping; and what is said when it does not fit."""

from django import forms
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from chat.archive.sharing import DAYS
from chat.forms.fields import OneComplaintForm
from chat.models import Import, Person
from chat.models.imports import MOST_BYTES

MOST_IMPORTS = 5  # of one person at a time
LEAST_DAYS_KEPT = 7


class ImportForm(OneComplaintForm):
    """What is to be imported: its name and its size, or the file itself."""

    name = forms.CharField(max_length=1000, error_messages={"required": _("The file has no name.")})
    size = forms.IntegerField(
        min_value=1,
        error_messages={"required": _("The size of the file is missing."), "min_value": _("The file is empty.")},
    )

    def __init__(self, person: Person, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean_name(self) -> str:
        return self.cleaned_data["name"][-200:]

    def clean_size(self) -> int:
        if self.cleaned_data["size"] > MOST_BYTES:
            raise forms.ValidationError(
                _("A file can have %(most)d MB here. An administrator can import a larger one by a command."),
                params={"most": MOST_BYTES // 2**20},
            )
        return self.cleaned_data["size"]

    def clean(self) -> dict:
        fields = super().clean()
        if Import.objects.unended().filter(person=self.person).count() >= MOST_IMPORTS:
            raise forms.ValidationError(
                _("%(most)d files of yours are being imported. Wait until one is done, or stop one."),
                params={"most": MOST_IMPORTS},
            )
        return fields


class ImportFileForm(ImportForm):
    file = forms.FileField(error_messages={"empty": _("The file is empty.")})

    def __init__(self, person: Person, data: QueryDict, files: MultiValueDict) -> None:
        file = files.get("file")
        super().__init__(person, {"name": file.name if file else "", "size": file.size if file else None}, files)


class ShareForm(forms.Form):
    days = forms.TypedChoiceField(
        coerce=int,
        choices=[(days, days) for days in DAYS],
        initial=30,
        error_messages=dict.fromkeys(("required", "invalid_choice"), _("Choose for how long the link opens.")),
    )
    with_thoughts = forms.BooleanField(required=False)


class PartingForm(forms.Form):
    what = forms.ChoiceField(
        choices=[
            ("data", _("My conversations, folders, tags, links and imports. The account stays.")),
            ("account", _("All that, and my account.")),
        ],
        initial="data",
        widget=forms.RadioSelect,
        error_messages=dict.fromkeys(("required", "invalid_choice"), _("Choose what is to be deleted.")),
    )
    password = forms.CharField(
        max_length=1000, error_messages={"required": _("Your password is missing: there is no way back.")}
    )
    done = _("All of it is deleted. It is gone from the server within a day.")

    def __init__(self, person: Person, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean_password(self) -> str:
        if not self.person.check_password(self.cleaned_data["password"]):
            raise forms.ValidationError(_("That is not your password. Nothing was deleted."))
        return self.cleaned_data["password"]

    def clean_what(self) -> str:
        others = Person.objects.filter(is_superuser=True, is_active=True).exclude(pk=self.person.pk)
        if self.cleaned_data["what"] == "account" and self.person.is_superuser and not others.exists():
            raise forms.ValidationError(_("You are the only administrator: make somebody else one first."))
        return self.cleaned_data["what"]


class RetentionForm(forms.Form):
    days = forms.IntegerField(
        required=False,
        min_value=LEAST_DAYS_KEPT,
        max_value=36500,
        error_messages=dict.fromkeys(
            ("min_value", "max_value", "invalid"), _("A number of days from 7 on, or nothing: then they are kept.")
        ),
    )
