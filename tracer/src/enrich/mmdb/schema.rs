//! What do the records of a database say, whoever made it?

use std::fmt;

use maxminddb::{LookupResult, MaxMindDbError};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Which fields a database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// `autonomous_system_number` and `country_code` beside each other, as sapics/ip-location-db has them, and GeoLite2-ASN.
    Flat,
    /// `country.iso_code`, as MaxMind has it.
    Nested,
    /// `asn`, `as_name` and `country_code`, as IPinfo Lite has them.
    Ipinfo,
}

impl Schema {
    pub fn label(self) -> &'static str {
        match self {
            Self::Flat => "flat (ip-location-db, GeoLite2-ASN)",
            Self::Nested => "nested (GeoLite2-Country, GeoIP2)",
            Self::Ipinfo => "IPinfo Lite",
        }
    }
}

/// A record, as far as it is of use here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record<'data> {
    /// 0 where it has none, which is no network's number (RFC 7607).
    pub asn: u32,
    /// Who runs that network.
    pub operator: &'data str,
    /// ISO 3166-1 alpha-2; anything else is none.
    pub country: Option<[u8; 2]>,
    pub anycast: bool,
    /// Which schema its fields are of.
    pub schema: Option<Schema>,
}

impl<'data> Record<'data> {
    /// The record that was found, if any was.
    pub fn of<Source: AsRef<[u8]>>(
        found: &LookupResult<'data, Source>,
    ) -> Result<Option<Self>, MaxMindDbError> {
        found.decode()
    }
}

impl<'de> Deserialize<'de> for Record<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Record<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a record of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record<'de>, A::Error> {
        let mut record = Record::default();
        while let Some(key) = map.next_key::<&str>()? {
            // A value of another kind than expected is none, and no error: it is a field of the same name in another's file.
            let (value, schema) = (map.next_value()?, &mut record.schema);
            match (key, value) {
                ("autonomous_system_number", Value::Number(number)) => {
                    record.asn = number;
                    *schema = Some(Schema::Flat);
                }
                ("asn", Value::Text(text)) => {
                    record.asn = text
                        .strip_prefix("AS")
                        .and_then(|number| number.parse().ok())
                        .unwrap_or_default();
                    *schema = Some(Schema::Ipinfo);
                }
                ("autonomous_system_organization" | "as_name", Value::Text(text)) => {
                    record.operator = text;
                }
                ("country_code", Value::Text(text)) => {
                    record.country = code(text);
                    *schema = schema.or(Some(Schema::Flat));
                }
                // IPinfo's `country` is a text.
                ("country", Value::Country { code, .. }) => {
                    record.country = code;
                    *schema = Some(Schema::Nested);
                }
                ("traits", Value::Country { anycast, .. })
                | ("is_anycast", Value::Flag(anycast)) => {
                    record.anycast |= anycast;
                }
                _ => {}
            }
        }
        Ok(record)
    }
}

/// Two letters, in capitals.
fn code(text: &str) -> Option<[u8; 2]> {
    let code: [u8; 2] = text.as_bytes().try_into().ok()?;
    code.iter().all(u8::is_ascii_uppercase).then_some(code)
}

/// A field's value.
enum Value<'data> {
    Number(u32),
    Text(&'data str),
    Flag(bool),
    /// What MaxMind's `country` and `traits` have.
    Country {
        code: Option<[u8; 2]>,
        anycast: bool,
    },
    Other,
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value<'de>, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(u32::try_from(number).map_or(Value::Other, Value::Number))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(text))
    }

    fn visit_borrowed_bytes<E>(self, _: &'de [u8]) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        let (mut found, mut anycast) = (None, false);
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "iso_code" => {
                    if let Value::Text(text) = map.next_value()? {
                        found = code(text);
                    }
                }
                "is_anycast" => {
                    if let Value::Flag(flag) = map.next_value()? {
                        anycast = flag;
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Country {
            code: found,
            anycast,
        })
    }
}
