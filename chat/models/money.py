"""Money: Decimal in Python, a whole number of 10⁻⁹ in the database."""

from decimal import ROUND_HALF_UP, Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import DecimalValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

PLACES = 9
NANO = Decimal(1).scaleb(-PLACES)
MOST = Decimal(2**63 - 1).scaleb(-PLACES)  # 9.2 thousand millions

FREE = "XXX"  # ISO 4217 for "no currency": what is used without being paid
CURRENCIES = frozenset(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP "
    "CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD "
    "MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB "
    "RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD "
    "UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG".split()
)


def check_currency(code: str) -> None:
    """Of an amount. A price may also be FREE."""
    if code not in CURRENCIES:
        raise ValidationError(
            _("“%(code)s” is no currency. Use a code of ISO 4217, such as EUR, USD or CNY."), params={"code": code}
        )


class MoneyField(models.BigIntegerField):
    """Exact everywhere: SQLite computes decimals in floating point, and sums of whole numbers exactly.

    What has more places than nine is refused: it is rounded once, where an amount is made.
    """

    description = "Money"

    def from_db_value(self, value, expression, connection) -> Decimal | None:
        return None if value is None else Decimal(int(value)).scaleb(-PLACES)

    def to_python(self, value) -> Decimal | None:
        return value if value is None or isinstance(value, Decimal) else Decimal(value)

    def get_prep_value(self, value) -> int | None:
        if value is None or hasattr(value, "resolve_expression"):
            return value
        nanos = Decimal(value).scaleb(PLACES)
        if nanos != int(nanos):
            raise ValueError(f"{value} is finer than money is kept")
        return int(nanos)

    @property
    def validators(self) -> list:
        """The whole number's own would look at its range, which is not money's."""
        return [DecimalValidator(18, PLACES), *self._validators]

    def formfield(self, **kwargs):
        return models.Field.formfield(
            self, **{"form_class": forms.DecimalField, "max_digits": 18, "decimal_places": PLACES, **kwargs}
        )

    def value_to_string(self, obj) -> str:
        return str(self.value_from_object(obj))


def nearest(money: Decimal | None) -> Decimal | None:
    """What somebody else has written, as it can be kept; None also for what is too much to be true."""
    return None if money is None or abs(money) > MOST else money.quantize(NANO, ROUND_HALF_UP)


def plus(column: str, figure: Decimal | int) -> models.expressions.Combinable:
    """For an UPDATE that adds to what is there, whatever that is by now."""
    field = MoneyField() if isinstance(figure, Decimal) else models.BigIntegerField()
    return models.F(column) + models.Value(figure, output_field=field)


def plain(amount: Decimal) -> str:
    """As text, without an exponent and without zeros at its end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
