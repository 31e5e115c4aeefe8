//! Tests of the whole client.

mod any_answer;
mod connector;
mod hostile;
mod permit;
mod unkept;
