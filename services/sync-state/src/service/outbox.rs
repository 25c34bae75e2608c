//! What operators see and do of the outbox.

use chairsync_proto::sync::outbox_service_server::OutboxService;

/// See [`OutboxService`].
#[derive(Debug)]
pub(super) struct Outbox;

#[tonic::async_trait]
impl OutboxService for Outbox {}
