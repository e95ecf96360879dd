//! Components of links between ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{rows, session, text};

type Pairs = Vec<(String, String)>;

fn add_links(context: &SessionContext, pairs: &Pairs, partitions: usize) {
    let batches: Vec<Vec<RecordBatch>> = (0..partitions)
        .map(|partition| {
            let mine = || pairs.iter().skip(partition).step_by(partitions);
            let one: ArrayRef = Arc::new(StringArray::from_iter_values(mine().map(|(one, _)| one)));
            let other: ArrayRef = Arc::new(StringArray::from_iter_values(mine().map(|(_, other)| other)));
            vec![RecordBatch::try_from_iter([("one", one), ("other", other)]).unwrap()]
        })
        .collect();
    let table = MemTable::try_new(batches[0][0].schema(), batches).unwrap();
    context.register_table("links", Arc::new(table)).unwrap();
}

async fn members(context: &SessionContext, function: &str) -> Vec<(String, String, i64)> {
    let sql = format!(
        "select m['id'], m['component'], m['size'] from (select unnest({function}(one, other)) as m from links)"
    );
    let batch = rows(context, &sql).await;
    let text = |column: usize, row: usize| batch.column(column).as_string::<i32>().value(row).to_string();
    let size = |row: usize| batch.column(2).as_primitive::<Int64Type>().value(row);
    (0..batch.num_rows()).map(|row| (text(0, row), text(1, row), size(row))).collect()
}

fn pairs(list: &[(&str, &str)]) -> Pairs {
    list.iter().map(|(one, other)| ((*one).into(), (*other).into())).collect()
}

#[tokio::test]
async fn an_alias_never_names_a_component() {
    let context = session(2);
    add_links(&context, &pairs(&[("a-cookie", "c2"), ("a-cookie", "c1"), ("b", "c2"), ("z", "z"), ("c9", "c8")]), 2);
    let expected = [
        ("a-cookie", "c1", 4),
        ("b", "c1", 4),
        ("c1", "c1", 4),
        ("c2", "c1", 4),
        ("c8", "c8", 2),
        ("c9", "c8", 2),
        ("z", "z", 1),
    ];
    let expected: Vec<_> = expected.map(|(id, component, size)| (id.to_string(), component.to_string(), size)).into();
    assert_eq!(members(&context, "connected_components").await, expected);
}

#[tokio::test]
async fn nulls_are_ignored_and_other_types_read() {
    let context = session(1);
    let sql = |function: &str, types: &str| {
        format!(
            "select array_to_string(array_agg(m['id'] || '>' || m['component']), ' ') from (select unnest({function}(\
             arrow_cast(a, '{types}'), arrow_cast(b, '{types}'))) as m from \
             (values ('1', '2'), (null, '7'), ('8', null), ('2', '1'), ('1', '3')) as v(a, b))"
        )
    };
    for types in ["Utf8", "LargeUtf8", "Utf8View", "Int64", "Dictionary(Int32, Utf8)"] {
        assert_eq!(text(&context, &sql("connected_components", types)).await, "1>1 2>1 3>1", "{types}");
        assert_eq!(text(&context, &sql("strong_components", types)).await, "1>1 2>1 3>3", "{types}");
    }
    let none = "select cardinality(connected_components(a, a)) from (values ('1')) as v(a) where a = '2'";
    assert_eq!(text(&context, none).await, "0");
}

#[tokio::test]
async fn strong_components_follow_the_direction() {
    let context = session(2);
    let edges =
        [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("f", "a"), ("g", "g"), ("a", "b")];
    add_links(&context, &pairs(&edges), 2);
    let expected =
        [("a", "a", 3), ("b", "a", 3), ("c", "a", 3), ("d", "d", 2), ("e", "d", 2), ("f", "f", 1), ("g", "g", 1)];
    let expected: Vec<_> = expected.map(|(id, component, size)| (id.to_string(), component.to_string(), size)).into();
    assert_eq!(members(&context, "strong_components").await, expected);
}

#[tokio::test]
async fn a_long_chain_needs_no_deep_stack() {
    let name = |n: u32| format!("id{n:07}");
    let mut chain: Pairs = (0..300_000).map(|n| (name(n), name(n + 1))).collect();
    let context = session(2);
    add_links(&context, &chain, 2);
    let all = members(&context, "strong_components").await;
    assert!(all.len() == 300_001 && all.iter().all(|(id, component, size)| id == component && *size == 1));
    let all = members(&context, "connected_components").await;
    assert!(all.iter().all(|(_, component, size)| component == "id0000001" && *size == 300_001));
    chain.push((name(300_000), name(0)));
    let context = session(2);
    add_links(&context, &chain, 2);
    let all = members(&context, "strong_components").await;
    assert!(all.iter().all(|(_, component, size)| component == "id0000000" && *size == 300_001));
}

/// Vertices that a walk along the edges reaches.
fn reached(from: &str, next: &BTreeMap<&str, BTreeSet<&str>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::from([from.to_string()]);
    let mut open = vec![from.to_string()];
    while let Some(here) = open.pop() {
        for to in next.get(here.as_str()).into_iter().flatten() {
            if seen.insert((*to).to_string()) {
                open.push((*to).to_string());
            }
        }
    }
    seen
}

#[tokio::test]
async fn random_graphs_agree_with_walking_them() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for round in 0..30 {
        let vertices = random.random_range(2..60_u32);
        let count = random.random_range(1..90);
        let mut id = || format!("v{}", random.random_range(0..vertices));
        let links: Pairs = (0..count).map(|_| (id(), id())).collect();
        let mut forward: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut both = forward.clone();
        for (from, to) in &links {
            forward.entry(from).or_default().insert(to);
            both.entry(from).or_default().insert(to);
            both.entry(to).or_default().insert(from);
        }
        let customers: BTreeSet<&str> = links.iter().map(|(_, to)| to.as_str()).collect();
        let mut strong = Vec::new();
        let mut connected = Vec::new();
        for id in both.keys() {
            let mutual: Vec<String> =
                reached(id, &forward).into_iter().filter(|other| reached(other, &forward).contains(*id)).collect();
            strong.push((id.to_string(), mutual[0].clone(), mutual.len() as i64));
            let joined = reached(id, &both);
            let name = joined.iter().find(|other| customers.contains(other.as_str())).unwrap();
            connected.push((id.to_string(), name.clone(), joined.len() as i64));
        }
        for partitions in [1, 4] {
            let context = session(partitions);
            add_links(&context, &links, partitions);
            assert_eq!(members(&context, "strong_components").await, strong, "round {round}");
            assert_eq!(members(&context, "connected_components").await, connected, "round {round}");
        }
    }
}
