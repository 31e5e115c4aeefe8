//! The pieces that demo and end-to-end tests put together: the chart's permissions, the sandbox, the operator.

pub mod http;
pub mod install;
pub mod operator;
pub mod sandbox;
