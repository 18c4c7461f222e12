"""Names, towns, addresses and the like for the slots of a template, made by Faker for many countries."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from typing import Any


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LOCALES = _words(
    "en_US en_GB en_IN en_AU de_DE de_AT fr_FR es_ES es_MX it_IT nl_NL nl_BE pl_PL sv_SE da_DK no_NO fi_FI cs_CZ hu_HU"
    " pt_BR pt_PT ro_RO tr_TR hr_HR sl_SI et_EE lt_LT el_GR is_IS fr_CA ja_JP zh_CN id_ID"
)
# Half of the made values are from an English-speaking country, as are the buyers who write English.
_ENGLISH = ("en_US", "en_GB", "en_US", "en_IN", "en_AU")

#: The label of a slot's value; slots that are left out are 'other'.
SLOT_LABELS = {
    **dict.fromkeys(
        _words(
            "person name first_name last_name name_male name_female first_name_male first_name_female last_name_male"
            " first_name_nonbinary"
        ),
        "name",
    ),
    **dict.fromkeys(
        _words("address street_address street_name building_number secondary_address postcode zipcode state_abbr"),
        "address",
    ),
    "city": "city",
    "country": "country",
    "organization": "organisation",
    "company": "organisation",
}


class Made:
    """Values for the slots of a template, made by Faker for many countries."""

    def __init__(self, rng: random.Random) -> None:
        try:
            from faker import Faker
        except ImportError as error:
            raise SystemExit("fitting the tagger needs Faker; pip install 'tradewind[train]'") from error
        self._rng = rng
        self._fakers = {locale: Faker(locale) for locale in LOCALES}
        for i, locale in enumerate(LOCALES):
            self._fakers[locale].seed_instance(rng.randrange(1 << 30) + i)

    def value(self, slot: str) -> str:
        """A made value of a slot. Raises KeyError for a slot that is not known."""
        rng = self._rng
        locale = rng.choice(_ENGLISH if rng.random() < 0.45 else LOCALES)
        fake, english = self._fakers[locale], self._fakers["en_US"]
        latin = fake if locale not in ("ja_JP", "zh_CN") else english
        if SLOT_LABELS.get(slot) == "name":
            return self._name(slot, locale)
        if slot in ("address", "street_address"):
            return self._address(latin, locale)
        if slot == "street_name":
            return self._street(latin)
        if slot == "building_number":
            return str(rng.randrange(1, 200)).zfill(rng.choice((1, 1, 2)))
        if slot == "secondary_address":
            unit = rng.choice(("Apt.", "Suite", "Apt", "Unit", "Flat", "#"))
            return f"{unit} {rng.randrange(1, 999):0{rng.choice((1, 3))}}"
        if slot == "city":
            city = self._city(locale)
            return city.upper() if rng.random() < 0.15 else city
        if slot == "country":
            return str(english.country())
        if slot in ("postcode", "zipcode"):
            return str(english.postcode())
        if slot == "state_abbr":
            return str(english.state_abbr())
        if slot in ("organization", "company"):
            return str(rng.choice((latin, english)).company())
        if slot.startswith("prefix"):
            return rng.choice(("Mr.", "Mrs.", "Ms.", "Miss", "Dr.", "Mr"))
        other: dict[str, Callable[[], Any]] = {
            "email": english.email,
            "phone_number": fake.phone_number,
            "url": english.url,
            "iban": self._fakers["en_GB"].iban,
            "credit_card_number": english.credit_card_number,
            "ssn": english.ssn,
            "ip_address": english.ipv4,
            "date_of_birth": lambda: self._day().strftime(rng.choice(("%m/%d/%Y", "%Y-%m-%d"))),
            "date_time": lambda: f"{self._day()} {rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}",
            "day_of_week": english.day_of_week,
            "job": english.job,
            "us_driver_license": lambda: str(rng.randrange(10**8, 10**9)),
        }
        return str(other[slot]())

    def _name(self, slot: str, locale: str) -> str:
        fake = self._fakers[locale]
        if locale in ("ja_JP", "zh_CN"):
            first, last = fake.first_romanized_name(), fake.last_romanized_name()
        else:
            first, last = fake.first_name(), fake.last_name()
        if slot.startswith("first"):
            return str(first)
        if slot.startswith("last"):
            return str(last)
        form = self._rng.random()
        if form < 0.06:
            return f"{first} {self._rng.choice('ABCDEFGHJKLMNPRST')}. {last}"
        if form < 0.10:
            return f"{first} {last}-{fake.last_name() if locale not in ('ja_JP', 'zh_CN') else last}"
        if form < 0.13:
            return f"{self._rng.choice(('Mr.', 'Mrs.', 'Ms.', 'Dr.'))} {first} {last}"
        return f"{first} {last}"

    def _city(self, locale: str) -> str:
        # Faker draws Italian towns from a set, whose order is another in each process
        return str(self._fakers["en_US" if locale in ("ja_JP", "zh_CN", "it_IT") else locale].city())

    def _day(self) -> date:
        return date.fromordinal(self._rng.randrange(date(1940, 1, 1).toordinal(), date(2020, 1, 1).toordinal()))

    def _street(self, fake: Any) -> str:
        form = self._rng.random()
        if form < 0.5:
            return str(fake.street_address()).replace("\n", " ")
        if form < 0.75:
            return str(fake.street_name())
        return f"{fake.street_name()} {self._rng.randrange(1, 150)}"

    def _address(self, fake: Any, locale: str) -> str:
        rng, english = self._rng, self._fakers["en_US"]
        form = rng.random()
        if form < 0.15:
            return str(fake.address())
        if form < 0.25:
            return self._street(fake)
        if form < 0.3:
            return f"the corner of {self._street(fake)} and {self._street(fake)}"
        parts = [
            f"{rng.randrange(1, 120):0{rng.choice((1, 2))}} {self._street(fake)}" if form < 0.6 else self._street(fake)
        ]
        if rng.random() < 0.6:
            parts.append(self.value("secondary_address"))
        parts.append(self._city(locale))
        if rng.random() < 0.3:
            parts.append(english.state_abbr())
        if rng.random() < 0.6:
            parts.append(english.country())
        if rng.random() < 0.6:
            parts[-1] += f" {english.postcode()}"
        return rng.choice((", ", "\n", " ", "\n ", ", ", "\n, ")).join(str(part) for part in parts)
