use std::time::Duration;

use super::*;
use crate::domain::contact::{Contact, Properties};

const PAUSES: Pauses = Pauses {
    named: SignedDuration::from_mins(1),
    silent: SignedDuration::from_hours(1),
    longest: SignedDuration::from_mins(5),
};

fn contact(id: u64) -> Contact {
    Contact {
        requested_id: ContactId(id),
        id: ContactId(id),
        updated_at: None,
        as_of: None,
        properties: Properties::default(),
        history: Vec::new(),
        flaw: None,
    }
}

/// A portal whose answers are made up; time goes on as the test says.
struct Looks {
    absences: Absences,
    now: Instant,
}

impl Looks {
    fn new() -> Self {
        Self {
            absences: Absences::default(),
            now: Instant::now(),
        }
    }

    /// Asks for these after so many minutes; who is sought then.
    fn look(&mut self, minutes: u64, asked: &[u64], shown: &[u64], deleted: &[u64]) -> Vec<u64> {
        self.now += Duration::from_mins(minutes);
        let batch = ContactBatch {
            contacts: shown.iter().copied().map(contact).collect(),
            deleted: deleted.iter().copied().map(ContactId).collect(),
            ..ContactBatch::default()
        };
        let asked: Vec<_> = asked.iter().copied().map(ContactId).collect();
        let sought = self.absences.judge_missing(&asked, &batch, false, &PAUSES, self.now);
        sought.into_keys().map(|id| id.0).collect()
    }
}

#[test]
fn who_stays_away_is_deleted_and_who_comes_back_begins_again() {
    let mut looks = Looks::new();
    assert_eq!(looks.look(0, &[1, 2, 3], &[], &[3]), [1, 2, 3]);
    assert_eq!(
        looks.look(1, &[1, 2, 3], &[2], &[3]),
        [1],
        "3 is named once more, 2 is there"
    );
    assert_eq!(looks.look(58, &[1, 2], &[9], &[]), [1, 2]);
    assert_eq!(looks.look(1, &[1, 2], &[], &[]), [1, 2], "shows nobody");
    assert_eq!(looks.look(1, &[1, 2], &[9], &[]), [2]);
    assert_eq!(looks.look(58, &[2], &[9], &[]), [0; 0]);
}

#[test]
fn an_answer_that_names_everybody_deletes_nobody() {
    let mut looks = Looks::new();
    for minutes in [0, 1, 30, 60] {
        assert_eq!(looks.look(minutes, &[1, 9], &[], &[1, 9]), [1, 9], "{minutes}");
    }
    assert_eq!(looks.look(1, &[1, 9], &[9], &[1]), [0; 0]);
}

#[test]
fn who_was_named_stays_so_while_it_is_missed() {
    let mut looks = Looks::new();
    assert_eq!(looks.look(0, &[1], &[9], &[1]), [1]);
    assert_eq!(looks.look(1, &[1], &[9], &[]), [1], "left out this time");
    assert_eq!(looks.look(1, &[1], &[9], &[1]), [0; 0], "named two minutes ago");
    assert_eq!(looks.look(0, &[2], &[9], &[]), [2]);
    assert_eq!(looks.look(1, &[2], &[9], &[2]), [2], "for the first time");
    assert_eq!(looks.look(1, &[2], &[9], &[2]), [0; 0]);
}

#[test]
fn who_cannot_be_read_is_there() {
    let mut looks = Looks::new();
    let batch = ContactBatch {
        contacts: vec![contact(9)],
        unreadable: [(ContactId(1), "odd".to_owned())].into(),
        ..ContactBatch::default()
    };
    let judged = |looks: &Looks| {
        looks
            .absences
            .judge_missing(&[ContactId(1)], &batch, false, &PAUSES, looks.now)
    };
    assert!(judged(&looks).is_empty());
    assert!(!looks.absences.are_sought(&[ContactId(1)]));
    looks.now += Duration::from_hours(1);
    assert!(judged(&looks).is_empty() && !looks.absences.are_sought(&[ContactId(1)]));
}

#[test]
fn looks_in_a_row_are_those_not_too_far_from_each_other() {
    let mut looks = Looks::new();
    for minutes in [0, 100] {
        assert_eq!(looks.look(minutes, &[1], &[], &[]), [1], "shows nobody");
    }
    assert_eq!(looks.look(100, &[1], &[9], &[]), [0; 0], "missed for 200 minutes");
    // Even if the pause is short.
    let pauses = Pauses {
        silent: SignedDuration::from_mins(1),
        ..PAUSES
    };
    let batch = ContactBatch {
        contacts: vec![contact(9)],
        ..ContactBatch::default()
    };
    let judge = |minutes| {
        let now = looks.now + Duration::from_mins(minutes);
        looks
            .absences
            .judge_missing(&[ContactId(2)], &batch, false, &pauses, now)
    };
    assert!(!judge(0).is_empty());
    assert!(judge(59).is_empty());
}

#[test]
fn looks_too_far_apart_are_no_looks_in_a_row() {
    let mut looks = Looks::new();
    assert_eq!(looks.look(0, &[1], &[9], &[]), [1]);
    assert_eq!(
        looks.look(121, &[1], &[9], &[]),
        [1],
        "who knows whether it was there meanwhile"
    );
    assert_eq!(looks.look(60, &[1], &[9], &[]), [0; 0]);
}

#[test]
fn an_empty_portal_has_no_witness() {
    let looks = Looks::new();
    let (nobody, asked) = (ContactBatch::default(), [ContactId(1)]);
    let judge = |empty, minutes| {
        let now = looks.now + Duration::from_mins(minutes);
        !looks
            .absences
            .judge_missing(&asked, &nobody, empty, &PAUSES, now)
            .is_empty()
    };
    assert!(judge(true, 0) && judge(true, 59) && judge(false, 60));
    assert!(!judge(true, 61));
}

#[test]
fn witnesses_are_those_shown_last_and_no_longer_those_that_are_missed() {
    let mut looks = Looks::new();
    looks.look(0, &[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 5, 6], &[]);
    let witness = |looks: &Looks, asked: &[u64]| {
        let asked: Vec<_> = asked.iter().copied().map(ContactId).collect();
        looks.absences.witness(&asked).map(|id| id.0)
    };
    assert_eq!(witness(&looks, &[6]), Some(5));
    assert_eq!(witness(&looks, &[3, 4, 5, 6]), None, "1 and 2 were shown before them");
    looks.look(1, &[7, 5], &[], &[]);
    assert_eq!(witness(&looks, &[6]), Some(4));
    assert!(looks.absences.are_sought(&[ContactId(1), ContactId(7)]));
    looks.absences.shown_lately(ContactId(7));
    assert!(looks.absences.are_sought(&[ContactId(7)]), "it is no news");
    looks.absences.shown_lately(ContactId(1));
    assert_eq!(witness(&looks, &[3, 4, 6]), Some(1));
    looks.absences.shown_lately(ContactId(8));
    assert_eq!(witness(&looks, &[1, 3, 4, 6]), None, "there are enough");
}

#[test]
fn there_is_an_end_to_what_is_remembered() {
    let mut looks = Looks::new();
    let others = &[MOST as u64 + 1];
    let all: Vec<u64> = (0..=MOST as u64).collect();
    assert_eq!(looks.look(0, &all, others, &all).len(), all.len());
    assert_eq!(
        looks.look(1, &all, others, &all),
        [MOST as u64],
        "of the last one nothing was remembered"
    );
    assert_eq!(looks.look(1, &all[MOST..], others, &all), [MOST as u64]);
    // Nobody asks for the others any more.
    looks.look(121, &all[MOST..], others, &all);
    assert_eq!(looks.look(1, &all[MOST..], others, &all), [0; 0]);
}

#[test]
fn deals_are_waited_for_from_the_first_time() {
    let (absences, now) = (Absences::default(), Instant::now());
    let missed = |minutes| absences.deals_missed(ContactId(1), &PAUSES, now + Duration::from_mins(minutes));
    assert_eq!(missed(0), None);
    assert_eq!(missed(40), Some(SignedDuration::from_mins(40)));
    assert_eq!(missed(70), Some(SignedDuration::from_mins(70)));
    absences.deals_shown(ContactId(1));
    assert_eq!(missed(80), None);
}
