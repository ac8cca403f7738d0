//! Objects whose keys are not declared here, read so that a key stands in each of them once: one that is said twice is an
//! error, as it is for declared fields. JSON itself leaves open which of the two counts.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Characters of a key in a message.
const SHOWN: usize = 80;

/// An object, or null.
pub(super) fn object<'de, D>(from: D) -> Result<Option<Map<String, Value>>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::<Object>::deserialize(from)?.map(|Object(entries)| entries))
}

struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<Object, A::Error> {
                entries(from).map(Object)
            }
        }

        from.deserialize_map(Entries)
    }
}

struct Any(Value);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Whatever;

        impl<'de> Visitor<'de> for Whatever {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
                Ok(flag.into())
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
                Ok(number.into())
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(number.into())
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
                Ok(number.into())
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(text.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(Any(item)) = from.next_element()? {
                    items.push(item);
                }
                Ok(items.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<Value, A::Error> {
                entries(from).map(Value::Object)
            }
        }

        from.deserialize_any(Whatever).map(Any)
    }
}

fn entries<'de, A: MapAccess<'de>>(mut from: A) -> Result<Map<String, Value>, A::Error> {
    let mut all = Map::new();
    while let Some(key) = from.next_key::<String>()? {
        if all.contains_key(&key) {
            let shown: String = key.chars().take(SHOWN).collect();
            return Err(A::Error::custom(format_args!("duplicate field `{shown}`")));
        }
        let Any(value) = from.next_value()?;
        all.insert(key, value);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Map<String, Value>>, String> {
        object(&mut serde_json::Deserializer::from_str(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_said_once_is_read_as_it_stands() {
        let text = r#"{"a":null,"b":[true,-1,18446744073709551615,1.5,"t\u00e9",[],{}],"c":{"a":{"a":1}}}"#;
        let read = read(text).expect("readable").map(Value::Object);
        assert_eq!(read, serde_json::from_str(text).expect("JSON"));
        assert_eq!(super::tests::read("null"), Ok(None));
    }

    #[test]
    fn what_is_said_twice_is_named_however_deep_it_stands() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"b":{"a":1,"c":2,"a":3}}"#,
            r#"{"b":[0,{"a":1,"\u0061":2}]}"#,
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains("duplicate field `a`"), "{said}");
        }
        let said = read("[1]").expect_err("a list");
        assert!(said.contains("expected a map"), "{said}");
    }
}
