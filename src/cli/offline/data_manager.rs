//! Whether conversions can be sent at all: the API that takes them is asked about a request that nobody made.

use crate::ports::sink::ConversionSink;
use crate::ports::{Cause, UpstreamError};

/// No request has this id: whether Google says so tells whether the API is on.
const NO_REQUEST: &str = "00000000-0000-4000-8000-000000000000";

/// Finds out whether the Data Manager API can be used with these credentials. Nothing is sent.
///
/// # Errors
/// Why not. Any answer about the request shows that it can.
pub(in crate::cli) async fn reach_data_manager(sink: &dyn ConversionSink) -> Result<(), UpstreamError> {
    match sink.request_status(NO_REQUEST).await {
        Err(error) if !matches!(error.cause, Cause::NotFound | Cause::Refused) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
