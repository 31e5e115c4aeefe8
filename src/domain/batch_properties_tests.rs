//! Whatever Google answers, every row ends once and none is called uploaded that may have failed.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn every_row_is_either_decided_or_sent_again(
        rows in 1_usize..40,
        named in proptest::collection::vec((0_usize..60, any::<bool>()), 0..10),
    ) {
        let destinations: Vec<usize> = (0..rows).map(|r| r % 3).collect();
        let complaints: Vec<_> = named
            .iter()
            .map(|(n, is_row)| Complaint {
                row: is_row.then_some(*n),
                destination: (!is_row).then_some(n % 4),
                code: Some(code("INVALID_FORMAT")),
            })
            .collect();
        let plan = cut_down_refused(&destinations, None, &complaints);
        let mut seen: Vec<usize> = plan.row_results.keys().copied().chain(plan.resend.iter().flatten().copied()).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..rows).collect::<Vec<_>>());
        prop_assert!(plan.resend.iter().all(|r| r.len() < rows || !plan.row_results.is_empty()));
    }

    #[test]
    fn never_more_uploaded_than_google_says(
        size in 1_usize..30,
        counts in proptest::collection::vec((0_u64..10, 0_usize..5), 0..4),
    ) {
        let members: Vec<usize> = (0..size).collect();
        let rows: Vec<Vec<usize>> = counts.iter().map(|(c, k)| (0..(*k).min(usize::try_from(*c).unwrap_or(0))).collect()).collect();
        let failures: Vec<_> = counts.iter().zip(&rows)
            .map(|((count, _), rows)| failure("INVALID_GCLID", *count, rows)).collect();
        let row_results = told(RequestProgress::PartlyFailed, &members, &failures);
        prop_assert_eq!(row_results.len(), size);
        let missing = failures.iter().any(|f| f.count.unwrap_or(1) > f.rows.iter().filter(|r| **r < size).count() as u64);
        if missing && size > 1 {
            prop_assert!(row_results.values().all(|f| *f != RowResult::Uploaded));
        }
    }
}

/// A Google of its own: some rows are bad, and its answers name at most `most` of them per reason.
struct Google {
    bad: BTreeMap<usize, &'static str>,
    most: usize,
}

/// Code, number of rows, positions named.
type Answer = (&'static str, u64, Vec<usize>);

impl Google {
    /// Progress and failures of a request of these rows, as positions in it.
    fn process(&self, rows: &[usize]) -> (RequestProgress, Vec<Answer>) {
        let mut failures: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for (position, row) in rows.iter().enumerate() {
            if let Some(code) = self.bad.get(row) {
                failures.entry(code).or_default().push(position);
            }
        }
        let failed: usize = failures.values().map(Vec::len).sum();
        let progress = match failed {
            0 => RequestProgress::Succeeded,
            all if all == rows.len() => RequestProgress::Failed,
            _ => RequestProgress::PartlyFailed,
        };
        let shown = failures.into_iter().map(|(code, at)| {
            let count = at.len() as u64;
            (code, count, at.into_iter().take(self.most).collect())
        });
        (progress, shown.collect())
    }

    fn settle(&self, rows: usize) -> BTreeMap<usize, RowResult> {
        let mut settled = BTreeMap::new();
        let mut queue = vec![(0..rows).collect::<Vec<_>>()];
        let mut requests = 0;
        while let Some(rows_of) = queue.pop() {
            requests += 1;
            assert!(requests <= 4 * rows, "no end");
            let (progress, failures) = self.process(&rows_of);
            let failures: Vec<_> = failures
                .iter()
                .map(|(code, count, rows)| failure(code, *count, rows))
                .collect();
            let members: Vec<usize> = (0..rows_of.len()).collect();
            let mut halves = [vec![], vec![]];
            for (position, row_result) in told(progress, &members, &failures) {
                match row_result {
                    RowResult::Unknown(half) => halves[usize::from(half)].push(rows_of[position]),
                    row_result => assert_eq!(settled.insert(rows_of[position], row_result), None),
                }
            }
            queue.extend(halves.into_iter().filter(|h| !h.is_empty()));
        }
        settled
    }
}

fn bad_rows(rows: usize, picked: &[(usize, u8)]) -> BTreeMap<usize, &'static str> {
    const CODES: [&str; 3] = ["INVALID_GCLID", "INVALID_OPERATING_ACCOUNT_FOR_CLICK", "A_NAME_OF_2027"];
    picked
        .iter()
        .map(|(row, code)| (row % rows, CODES[usize::from(*code) % CODES.len()]))
        .collect()
}

proptest! {
    #[test]
    fn failures_are_attributed_in_the_end_whatever_google_names(
        rows in 2_usize..80,
        picked in proptest::collection::vec((0_usize..80, 0_u8..3), 0..12),
        most in 0_usize..4,
    ) {
        let bad = bad_rows(rows, &picked);
        let google = Google { bad, most };
        let settled = google.settle(rows);
        prop_assert_eq!(settled.len(), rows);
        for (row, row_result) in settled {
            match google.bad.get(&row) {
                None => prop_assert_eq!(row_result, RowResult::Uploaded),
                Some(code) => prop_assert_eq!(row_result, rejected(code)),
            }
        }
    }

    #[test]
    fn a_refused_request_is_cut_down_to_its_bad_rows(
        rows in 1_usize..80,
        picked in proptest::collection::vec((0_usize..80, Just(0_u8)), 0..12),
        most in 0_usize..4,
    ) {
        let bad = bad_rows(rows, &picked);
        let mut row_results: BTreeMap<usize, RowResult> = BTreeMap::new();
        let mut queue = vec![(0..rows).collect::<Vec<_>>()];
        let mut requests = 0;
        while let Some(request) = queue.pop() {
            requests += 1;
            prop_assert!(requests <= 4 * rows, "no end");
            let wrong: Vec<usize> = (0..request.len()).filter(|i| bad.contains_key(&request[*i])).collect();
            if wrong.is_empty() {
                row_results.extend(request.into_iter().map(|row| (row, RowResult::Uploaded)));
                continue;
            }
            let complaints: Vec<_> = wrong.iter().take(most).map(|i| row(*i, "INVALID_GCLID")).collect();
            let plan = cut_down_refused(&vec![0; request.len()], None, &complaints);
            row_results.extend(plan.row_results.into_iter().map(|(i, row_result)| (request[i], row_result)));
            queue.extend(plan.resend.into_iter().map(|half| half.into_iter().map(|i| request[i]).collect()));
        }
        prop_assert_eq!(row_results.len(), rows);
        for (row, row_result) in row_results {
            prop_assert_eq!(matches!(row_result, RowResult::Rejected(..)), bad.contains_key(&row));
        }
    }
}
