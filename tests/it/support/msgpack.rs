//! MessagePack, written from its specification, so that server and test cannot agree on a mistake.

use serde_json::{Map, Value};

/// One value.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(is_true) => out.push(0xc2 + u8::from(*is_true)),
        Value::Number(number) => match number.as_u64() {
            Some(small) if small < 128 => out.push(small as u8),
            Some(large) => {
                out.push(0xcf);
                out.extend(large.to_be_bytes());
            }
            None => {
                out.push(0xcb);
                out.extend(number.as_f64().expect("a number").to_be_bytes());
            }
        },
        Value::String(text) => {
            out.push(0xdb);
            out.extend((text.len() as u32).to_be_bytes());
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            out.push(0xdc);
            out.extend((items.len() as u16).to_be_bytes());
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(members) => {
            out.push(0xde);
            out.extend((members.len() as u16).to_be_bytes());
            for (name, member) in members {
                write(&Value::from(name.as_str()), out);
                write(member, out);
            }
        }
    }
}

/// One value and nothing behind it.
pub(crate) fn decode(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let value = read(&mut rest);
    assert!(rest.is_empty(), "bytes behind the frame: {rest:?}");
    value
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}

fn number(rest: &mut &[u8], bytes: usize) -> u64 {
    take(rest, bytes)
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn read(rest: &mut &[u8]) -> Value {
    let first = take(rest, 1)[0];
    match first {
        0x00..=0x7f => first.into(),
        0x80..=0x8f => map(rest, usize::from(first & 0x0f)),
        0x90..=0x9f => array(rest, usize::from(first & 0x0f)),
        0xa0..=0xbf => text(rest, usize::from(first & 0x1f)),
        0xc0 => Value::Null,
        0xc2 | 0xc3 => Value::Bool(first == 0xc3),
        0xcb => f64::from_bits(number(rest, 8)).into(),
        0xcc..=0xcf => number(rest, 1 << (first - 0xcc)).into(),
        0xd0..=0xd3 => {
            let bytes = 1 << (first - 0xd0);
            let unused_bits = 64 - 8 * bytes as u32;
            let signed = (number(rest, bytes) << unused_bits) as i64 >> unused_bits;
            signed.into()
        }
        0xe0..=0xff => (first as i8).into(),
        0xd9..=0xdb => {
            let count = number(rest, 1 << (first - 0xd9));
            text(rest, count as usize)
        }
        0xdc | 0xdd => {
            let count = number(rest, 2 << (first - 0xdc));
            array(rest, count as usize)
        }
        0xde | 0xdf => {
            let count = number(rest, 2 << (first - 0xde));
            map(rest, count as usize)
        }
        other => panic!("the protocol uses no {other:#x}"),
    }
}

fn text(rest: &mut &[u8], count: usize) -> Value {
    let text = std::str::from_utf8(take(rest, count));
    text.expect("texts are UTF-8").into()
}

fn array(rest: &mut &[u8], count: usize) -> Value {
    (0..count).map(|_| read(rest)).collect()
}

fn map(rest: &mut &[u8], count: usize) -> Value {
    let mut members = Map::new();
    for _ in 0..count {
        let Value::String(name) = read(rest) else {
            panic!("keys are texts");
        };
        let known = members.insert(name, read(rest));
        assert!(known.is_none(), "a key stands twice");
    }
    Value::Object(members)
}
