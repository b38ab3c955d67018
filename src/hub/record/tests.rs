//! Files that are cut, changed, and of other programs.

use super::*;
use proptest::prelude::*;

fn publication(data: &[u8]) -> Record<'_> {
    Record::Publication(Written {
        event: "QueueStatus",
        organization: Uuid::from_u128(1),
        entity: Uuid::from_u128(2),
        position: Position::at(UnixMs::from_ms(1_795_266_403_000)),
        at: UnixMs::from_ms(1_795_266_403_000),
        expires: Some(UnixMs::from_ms(u64::MAX)),
        effect: Effect::Keyed { key: Key([7; 16]), is_last: true, moves: Some(u32::MAX) },
        id: Some(ItemKey([8; 16])),
        data,
    })
}

fn begin() -> Record<'static> {
    let mut places = [None; PARTITIONS];
    places[15] = Some(Position::at(UnixMs::from_ms(7)));
    let (epoch, boot) = (Epoch::from_number(u64::MAX), Uuid::from_u128(3));
    let gaps = Gaps { rows: UnixMs::from_ms(9), values: UnixMs::from_ms(0) };
    Record::Begin(Begin { epoch, boot, is_synced: true, places, gaps, floor: places[15].unwrap() })
}

fn id() -> Record<'static> {
    Record::Id { at: UnixMs::from_ms(1_795_266_403_000), key: ItemKey([8; 16]) }
}

fn revocation(name: RevokedName) -> Record<'static> {
    let within = Some(Uuid::from_u128(5));
    let (text, issued_before_unix_s, until_unix_s) = ("päivi".into(), Some(7), u64::MAX);
    Record::Revocation(Revocation { name, text, within, issued_before_unix_s, until_unix_s })
}

fn file(records: &[Record<'_>]) -> (Vec<u8>, Vec<usize>) {
    let (mut file, mut ends) = (Vec::new(), vec![0]);
    for record in records {
        record.encode(&mut file);
        ends.push(file.len());
    }
    (file, ends)
}

#[test]
fn a_file_cut_at_any_byte_has_the_records_that_are_whole() {
    let long = vec![b'x'; 70_000];
    let revoked = revocation(RevokedName::User(Uuid::from_u128(4)));
    let records = [begin(), publication(b"{}"), publication(&long), publication(b""), id(), revoked, Record::End];
    let (bytes, ends) = file(&records);
    let near = |cut: &usize| ends.iter().any(|end| end.abs_diff(*cut) < 200);
    for cut in (0..=bytes.len()).filter(near) {
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let mut read = Records::new(&bytes[..cut]);
        assert_eq!(read.by_ref().collect::<Vec<_>>(), records[..whole], "cut at {cut}");
        assert_eq!(read.read(), ends[whole]);
    }
}

#[test]
fn a_revocation_of_each_kind_of_name_is_read_as_it_was_written() {
    let (guid, mark) = (Uuid::from_u128(4), Mark::of("päivi"));
    let whole = [
        RevokedName::User(guid),
        RevokedName::Subject(mark),
        RevokedName::Token(mark),
        RevokedName::Organization(guid),
    ];
    let mut records: Vec<Record<'_>> = whole.into_iter().map(revocation).collect();
    let Record::Revocation(bare) = records[0].clone() else { panic!("a revocation") };
    records.push(Record::Revocation(Revocation { within: None, issued_before_unix_s: None, ..bare }));
    let (bytes, _) = file(&records);
    assert_eq!(Records::new(&bytes).collect::<Vec<_>>(), records);
}

#[test]
fn what_is_behind_zeros_or_a_changed_bit_is_torn() {
    let (bytes, ends) = file(&[begin(), publication(b"{}"), Record::End]);
    for bit in 0..8 {
        let mut changed = bytes.clone();
        changed[ends[1] + 30] ^= 1 << bit;
        assert_eq!(Records::new(&changed).count(), 1);
    }
    let with_zeros = [&bytes[..ends[2]], &[0; 64]].concat();
    let mut records = Records::new(&with_zeros);
    assert_eq!((records.by_ref().count(), records.read()), (2, ends[2]));
}

#[test]
fn what_a_newer_program_adds_is_passed_over_and_another_version_is_none_of_ours() {
    let reframe = |body: &[u8]| {
        let mut bytes = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend(crc32fast::hash(body).to_le_bytes());
        bytes.extend(body);
        bytes
    };
    let (bytes, _) = file(&[publication(b"{}")]);
    let mut more = bytes[FRAME_BYTES..].to_vec();
    field(99, b"new", &mut more);
    field(tag::LONG | 99, &[0; 70_000], &mut more);
    let unknown_kind = reframe(&[200, 1, 2, 3]);
    let bytes = [unknown_kind, reframe(&more)].concat();
    assert_eq!(Records::new(&bytes).collect::<Vec<_>>(), [publication(b"{}")]);
    let (mut bytes, _) = file(&[begin()]);
    assert_eq!(bytes[FRAME_BYTES + 4], VERSION);
    bytes[FRAME_BYTES + 4] = VERSION + 1;
    let newer = reframe(&bytes[FRAME_BYTES..]);
    assert!(Records::new(&newer).next().is_none());
    assert_eq!((version(&newer), version(&newer[1..])), (Some(VERSION + 1), None));
}

fn any_effect() -> impl Strategy<Value = Effect> {
    let key = || any::<[u8; 16]>().prop_map(Key);
    let keyed = (key(), any::<bool>(), proptest::option::of(any::<u32>()));
    prop_oneof![
        Just(Effect::None),
        Just(Effect::Value),
        keyed.prop_map(|(key, is_last, moves)| Effect::Keyed { key, is_last, moves }),
        (key(), key(), 0..PHASES.len()).prop_map(|(call, leg, n)| Effect::Call { call, leg, phase: PHASES[n] }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (event, data) in ("\\PC{0,40}", proptest::collection::vec(any::<u8>(), 0..300)),
        (organization, entity) in (any::<u128>(), any::<u128>()),
        (effect, id) in (any_effect(), proptest::option::of(any::<[u8; 16]>())),
        (position, at, expires) in (1u64.., any::<u64>(), proptest::option::of(any::<u64>())),
    ) {
        let record = Record::Publication(Written {
            event: &event,
            organization: Uuid::from_u128(organization),
            entity: Uuid::from_u128(entity),
            position: Position::from_number(position).unwrap(),
            at: UnixMs::from_ms(at),
            expires: expires.map(UnixMs::from_ms),
            effect,
            id: id.map(ItemKey),
            data: &data,
        });
        let (bytes, _) = file(&[record.clone(), begin()]);
        prop_assert_eq!(Records::new(&bytes).collect::<Vec<_>>(), [record, begin()]);
    }
}
