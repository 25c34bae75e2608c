//! The feature catalog, as the descriptors have it.

use chairsync_proto::{
    catalog,
    feature::{FeatureEntry, ListFeaturesRequest, ListFeaturesResponse, catalog_service_server::CatalogService},
};
use tonic::{Request, Response, Status};

/// See [`CatalogService`].
#[derive(Debug)]
pub(super) struct Catalog;

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn list_features(&self, _: Request<ListFeaturesRequest>) -> Result<Response<ListFeaturesResponse>, Status> {
        let entry =
            |row: &catalog::FeatureRow| FeatureEntry { feature: row.feature.into(), policy: Some(row.policy.clone()) };
        Ok(Response::new(ListFeaturesResponse { features: catalog::features().iter().map(entry).collect() }))
    }
}
