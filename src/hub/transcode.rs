//! The data of a publication in each hub protocol, from the JSON that was validated.
//!
//! In MessagePack names and values are those of the JSON, but for date-times: each is a timestamp,
//! which has the instant to a nanosecond and no offset. Whole numbers keep all their digits.

use crate::proto::signalr::messagepack::write;
use crate::proto::signalr::protocol::HubProtocol;
use crate::proto::signalr::value::{Value, Writer};
use crate::schema::{Instants, Typed, instant};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The data of a publication.
pub(super) struct Transcoded<'d> {
    /// As delivered in JSON.
    pub(super) json: &'d [u8],
    /// Where its date-times are.
    pub(super) instants: Option<&'d Instants>,
}

impl Value for Transcoded<'_> {
    fn write(&self, out: &mut Writer<'_>) {
        let (protocol, bytes) = out.parts();
        match protocol {
            HubProtocol::Json => bytes.extend_from_slice(self.json),
            HubProtocol::MessagePack => self.transcode(bytes),
        }
    }
}

impl Transcoded<'_> {
    fn transcode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let ty = self.instants.map_or(Typed::Plain, Typed::Object);
        let mut json = serde_json::Deserializer::from_slice(self.json);
        if (Into { ty, out: &mut *out }).deserialize(&mut json).is_err() {
            // All that is published is JSON. Should a store of another hub hold something else, its
            // members see that there is nothing.
            out.truncate(start);
            write::nil(out);
        }
    }
}

/// Writes the value that it is shown.
struct Into<'o, 'i> {
    ty: Typed<'i>,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Into<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Into<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        write::nil(self.out);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        write::bool(value, self.out);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        write::unsigned(number, self.out);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        write::signed(number, self.out);
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        write::double(number, self.out);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.ty {
            Typed::Instant if let Some((seconds, nanos)) = instant(text) => write::timestamp(seconds, nanos, self.out),
            Typed::Instant | Typed::Object(_) | Typed::Plain => write::text(text, self.out),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Into { ty, out } = self;
        write::array_of(out, |out| {
            let mut len = 0;
            while seq.next_element_seed(Into { ty, out: &mut *out })?.is_some() {
                len += 1;
            }
            Ok(len)
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Into { ty, out } = self;
        write::map_of(out, |out| {
            let mut len = 0;
            while let Some(ty) = map.next_key_seed(Name { object: ty, out: &mut *out })? {
                map.next_value_seed(Into { ty, out: &mut *out })?;
                len += 1;
            }
            Ok(len)
        })
    }
}

/// Writes the name of a property, and gives back what is known of its value.
struct Name<'o, 'i> {
    object: Typed<'i>,
    out: &'o mut Vec<u8>,
}

impl<'de, 'i> DeserializeSeed<'de> for Name<'_, 'i> {
    type Value = Typed<'i>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Typed<'i>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'i> Visitor<'_> for Name<'_, 'i> {
    type Value = Typed<'i>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Typed<'i>, E> {
        write::text(name, self.out);
        Ok(match self.object {
            Typed::Object(instants) => instants.property(name),
            Typed::Instant | Typed::Plain => Typed::Plain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Catalogue, EventId, Model, Property, Type};
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;
    use rmpv::Value as Rmp;
    use serde_json::{Value as Json, json};

    fn transcoded(catalogue: &Catalogue, event: EventId, data: &str) -> Rmp {
        let instants = catalogue.instants(event).map(|instants| &**instants);
        let mut out = Vec::new();
        let data = Transcoded { json: data.as_bytes(), instants };
        data.write(&mut Writer::new(HubProtocol::MessagePack, &mut out));
        let mut rest = out.as_slice();
        let value = rmpv::decode::read_value(&mut rest).expect("MessagePack");
        assert!(rest.is_empty());
        value
    }

    /// Ticks of 100 ns since 0001-01-01 of a date-time in its delivered form, by counting days.
    fn ticks(text: &str) -> i128 {
        let number = |from: usize, to: usize| text[from..to].parse::<i128>().unwrap();
        let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
        let is_leap = |year: i128| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let february = if is_leap(year) { 29 } else { 28 };
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30];
        let years: i128 = (1..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
        let days = years + months.iter().take(usize::try_from(month - 1).unwrap()).sum::<i128>() + day - 1;
        let rest = &text[19..];
        let fraction: String =
            rest.strip_prefix('.').unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        let zone = &rest[rest.find(['Z', '+', '-']).unwrap()..];
        let offset = if zone == "Z" {
            0
        } else {
            let minutes = zone[1..3].parse::<i128>().unwrap() * 60 + zone[4..6].parse::<i128>().unwrap();
            if zone.starts_with('-') { -minutes } else { minutes }
        };
        let seconds = ((days * 24 + number(11, 13)) * 60 + number(14, 16) - offset) * 60 + number(17, 19);
        seconds * 10_000_000 + format!("{fraction:0<7}").parse::<i128>().unwrap()
    }

    fn ticks_of(timestamp: &[u8]) -> i128 {
        let number = |bytes: &[u8]| bytes.iter().fold(0i128, |number, byte| number << 8 | i128::from(*byte));
        let (seconds, nanos) = match timestamp {
            seconds if seconds.len() == 4 => (number(seconds), 0),
            both if both.len() == 8 => (number(both) & ((1 << 34) - 1), number(both) >> 34),
            [a, b, c, d, seconds @ ..] => {
                let seconds = i64::from_be_bytes(seconds.try_into().expect("a timestamp of 12 bytes"));
                (i128::from(seconds), number(&[*a, *b, *c, *d]))
            }
            _ => panic!("no timestamp is as short as {timestamp:?}"),
        };
        (seconds + 719_162 * 86_400) * 10_000_000 + nanos / 100
    }

    /// Holds a value to the JSON that it was made of, by its type in the catalogue.
    fn assert_equal(model: &Model, ty: Option<&Type>, json: &Json, made: &Rmp) {
        match (ty, json, made) {
            (Some(Type::DateTime), Json::String(text), Rmp::Ext(-1, timestamp)) => {
                assert_eq!(ticks_of(timestamp), ticks(text), "{text}");
            }
            (Some(Type::List(ty)), Json::Array(items), Rmp::Array(made)) => {
                assert_eq!(items.len(), made.len());
                items.iter().zip(made).for_each(|(item, made)| assert_equal(model, Some(ty), item, made));
            }
            (Some(Type::Object(object)), json, made) => {
                assert_properties(model, &model.types[*object].properties, json, made);
            }
            (Some(Type::DateTime | Type::List(_)), _, _) if !json.is_null() => panic!("{made} for {json}"),
            (_, Json::Null, Rmp::Nil) => {}
            (_, Json::Bool(value), Rmp::Boolean(made)) => assert_eq!(value, made),
            (_, Json::String(text), Rmp::String(made)) => assert_eq!(Some(text.as_str()), made.as_str()),
            (_, Json::Number(number), Rmp::Integer(made)) => assert_eq!(number.to_string(), made.to_string()),
            (_, Json::Number(number), Rmp::F64(made)) => assert_eq!(number.as_f64(), Some(*made)),
            (_, json, made) => panic!("{made} for {json}"),
        }
    }

    fn assert_properties(model: &Model, properties: &[Property], json: &Json, made: &Rmp) {
        let (Json::Object(members), Rmp::Map(made)) = (json, made) else { panic!("{made} for {json}") };
        assert_eq!(members.len(), made.len());
        for (name, value) in members {
            let (_, made) = made.iter().find(|(made, _)| made.as_str() == Some(name)).expect("each name as it is");
            let ty = properties.iter().find(|property| property.wire == *name).map(|property| &property.ty);
            assert_equal(model, ty, value, made);
        }
    }

    /// Values of that type, the extreme ones often.
    fn values(model: &Model, ty: &Type) -> BoxedStrategy<Json> {
        let ints = |min: i64, max: i64| prop_oneof![Just(min), Just(max), min..=max].prop_map(Json::from).boxed();
        match ty {
            Type::Guid => any::<u128>().prop_map(|guid| json!(uuid::Uuid::from_u128(guid).to_string())).boxed(),
            Type::String => "\\PC{0,30}".prop_map(Json::from).boxed(),
            Type::Set(set) => {
                let value = model.sets[*set].values.list.first().map(|value| serde_json::to_value(&value.scalar));
                Just(value.transpose().expect("a scalar").unwrap_or_default()).boxed()
            }
            Type::Bool => any::<bool>().prop_map(Json::from).boxed(),
            Type::Short => ints(i64::from(i16::MIN), i64::from(i16::MAX)),
            Type::Int => ints(i64::from(i32::MIN), i64::from(i32::MAX)),
            Type::Long => ints(i64::MIN, i64::MAX),
            Type::DateTime => prop_oneof![
                Just(json!("9999-12-31T23:59:59.9999999Z")),
                Just(json!("0001-01-01T00:00:00Z")),
                Just(json!("1969-12-31T23:59:59.9999999Z")),
                Just(json!("2514-05-30T01:53:04Z")),
                (1i64..9999, 1u8..=12, 1u8..=28, 0u8..24, 0u32..10_000_000, -14i64..=14).prop_map(
                    |(year, month, day, hour, fraction, zone)| {
                        let sign = if zone < 0 { '-' } else { '+' };
                        let zone = zone.abs();
                        json!(format!("{year:04}-{month:02}-{day:02}T{hour:02}:59:07.{fraction:07}{sign}{zone:02}:30"))
                    }
                ),
            ]
            .boxed(),
            Type::List(ty) => proptest::collection::vec(values(model, ty), 0..20).prop_map(Json::from).boxed(),
            Type::Object(object) => objects(model, &model.types[*object].properties),
        }
    }

    fn objects(model: &Model, properties: &[Property]) -> BoxedStrategy<Json> {
        let members: Vec<BoxedStrategy<(String, Json)>> = properties
            .iter()
            .map(|property| {
                let value = values(model, &property.ty);
                let value =
                    if property.nullable { prop_oneof![3 => value, 1 => Just(Json::Null)].boxed() } else { value };
                (Just(property.wire.clone()), value).boxed()
            })
            .collect();
        members.prop_map(|members| Json::Object(members.into_iter().collect())).boxed()
    }

    #[test]
    fn four_thousand_payloads_of_all_events_are_the_same_in_both_protocols() {
        let catalogue = Catalogue::built_in(None);
        let mut runner = TestRunner::default();
        let mut count = 0;
        for (id, event) in catalogue.events() {
            let payloads = objects(catalogue.model(), &event.properties);
            for _ in 0..100 {
                let payload = payloads.new_tree(&mut runner).expect("a payload").current();
                let made = transcoded(&catalogue, id, &payload.to_string());
                assert_properties(catalogue.model(), &event.properties, &payload, &made);
                count += 1;
            }
        }
        assert!(count >= 4_000);
    }

    #[test]
    fn a_date_time_that_leniency_let_through_stays_a_text() {
        let catalogue = Catalogue::built_in(None);
        let with_instants = catalogue.events().find_map(|(id, event)| {
            let property = event.properties.iter().find(|property| property.ty == Type::DateTime)?;
            Some((id, property.wire.clone()))
        });
        let (id, name) = with_instants.expect("some event has a date-time");
        assert_eq!(
            transcoded(&catalogue, id, &json!({ &name: "soon" }).to_string()),
            Rmp::Map(vec![(name.into(), "soon".into())])
        );
    }

    #[test]
    fn what_is_no_json_becomes_nothing_and_leaves_the_message_whole() {
        let catalogue = Catalogue::built_in(None);
        assert_eq!(transcoded(&catalogue, EventId(0), r#"{"a":[1,"#), Rmp::Nil);
    }
}
