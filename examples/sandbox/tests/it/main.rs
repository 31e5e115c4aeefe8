//! The strict rules of the simulated services, through HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod core;
mod forms;
mod history;
mod limits;
mod oauth;
mod orders;
mod reads;
mod search;
mod seeding;
mod support;
