//! A Redis Cluster, which spreads slots over masters.

use super::dialed::{Address, dial, taken};
use super::faults::Complaint;
use super::layout::{meta, partitions};
use super::masters::Masters;
use super::options::Options;
use crate::backplane::Fault;
use crate::backplane::partition::{slot, tag};
use redis::Value;

/// Slots from one to another, and the master that has them.
struct Range {
    first: u16,
    last: u16,
    master: Address,
}

/// Where the logs are, as one of the Cluster says.
pub(super) fn masters(options: &Options, address: &Address) -> Result<Masters, Complaint> {
    let mut dialed = dial(options, address)?;
    let answer: Result<Value, Complaint> = dialed.ask(redis::cmd("CLUSTER").arg("SLOTS"));
    // A server that is not of a Cluster says so.
    let answer = answer.map_err(|complaint| complaint.meaning(Fault::Garbled, Fault::Unclustered))?;
    let Value::Array(ranges) = answer else { return Err(dialed.blamed(Fault::Garbled)) };
    let ranges: Option<Vec<Range>> = ranges.into_iter().map(|range| parse(range, &address.0)).collect();
    let ranges = ranges.ok_or_else(|| dialed.blamed(Fault::Garbled))?;
    let mut masters = Masters::default();
    for partition in partitions() {
        let tag = tag(&options.prefix, partition);
        let index = index(&mut masters.all, &ranges, tag.trim_matches(['{', '}']));
        masters.of_partition.push(index.map_err(|fault| dialed.blamed(fault))?);
    }
    let of_meta = index(&mut masters.all, &ranges, &meta(&options.prefix));
    masters.of_meta = of_meta.map_err(|fault| dialed.blamed(fault))?;
    Ok(masters)
}

/// Which of the masters has a key, or a tag.
fn index(masters: &mut Vec<Address>, ranges: &[Range], key: &str) -> Result<usize, Fault> {
    let slot = slot(key.as_bytes());
    let range = ranges.iter().find(|range| (range.first..=range.last).contains(&slot)).ok_or(Fault::Uncovered)?;
    let known = masters.iter().position(|master| *master == range.master);
    Ok(known.unwrap_or_else(|| {
        masters.push(range.master.clone());
        masters.len() - 1
    }))
}

/// First and last slot, the master, and replicas. A server that does not know what it is called
/// gives no name: it is called as it was here.
fn parse(range: Value, asked: &str) -> Option<Range> {
    let Value::Array(parts) = range else { return None };
    let mut parts = parts.into_iter();
    let (first, last) = (number(parts.next()?)?, number(parts.next()?)?);
    let Value::Array(master) = parts.next()? else { return None };
    let mut master = master.into_iter();
    let host: Option<String> = taken(master.next()?).ok()?;
    let host = host.filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| asked.to_owned());
    Some(Range { first, last, master: (host, number(master.next()?)?) })
}

fn number(value: Value) -> Option<u16> {
    u16::try_from(taken::<i64>(value).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_master_that_does_not_know_its_name_is_called_as_it_was_and_what_is_no_range_is_none() {
        let range = |master: Vec<Value>| Value::Array(vec![Value::Int(0), Value::Int(99), Value::Array(master)]);
        let named = parse(range(vec![bulk("10.0.0.9"), Value::Int(7), bulk("id")]), "here").unwrap();
        assert_eq!((named.first, named.last, named.master), (0, 99, ("10.0.0.9".to_owned(), 7)));
        for host in [Value::Nil, bulk(""), bulk("?")] {
            assert_eq!(parse(range(vec![host, Value::Int(7)]), "here").unwrap().master.0, "here");
        }
        for wrong in [Value::Nil, Value::Array(Vec::new()), range(Vec::new()), range(vec![Value::Nil, Value::Int(-1)])]
        {
            assert!(parse(wrong, "here").is_none());
        }
    }
}
