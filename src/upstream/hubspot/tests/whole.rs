//! What an answer proves that says of itself that it is not whole.

use super::batches::{ids, row};
use super::*;

/// What it leaves out may be what it does not show.
#[tokio::test]
async fn an_answer_that_is_not_whole_leaves_nobody_out() {
    let with = |more: Value| {
        let mut answer = json!({ "results": [row(1, &json!({}))] });
        answer
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        answer
    };
    let gone = json!([{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["3", "4"] } }]);
    for (more, unreadable) in [
        (json!({ "status": "COMPLETE", "numErrors": 0 }), vec![]),
        (json!({ "status": "complete" }), vec![]),
        (json!({ "status": "PROCESSING" }), vec![2]),
        (json!({ "status": "CANCELED" }), vec![2]),
        (json!({ "numErrors": 1 }), vec![2]),
        (json!({ "numErrors": 2, "errors": gone }), vec![]),
        (json!({ "numErrors": 3, "errors": gone }), vec![2]),
        (json!({ "paging": { "next": { "after": "1" } } }), vec![2]),
    ] {
        let asked = if more.get("errors").is_some_and(Value::is_array) {
            &[1, 2, 3, 4][..]
        } else {
            &[1, 2]
        };
        assert_eq!(
            ids(with(more.clone()), asked).await,
            (vec![(1, 1)], unreadable),
            "{more}"
        );
    }
}
