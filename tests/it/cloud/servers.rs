//! A bucket or container of its own for each test, on a server that an environment variable names.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::Request;
use lifecycle::storage::Stores;
use object_store::ClientOptions;
use object_store::ObjectStore;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpConnector, HttpRequestBody, ReqwestConnector};
use url::Url;
use uuid::Uuid;

/// The account of every Azurite, and its published key.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    S3,
    Azure,
}

/// A bucket (S3) or container (Azure) that only one test knows.
pub struct Bucket {
    pub kind: Kind,
    pub endpoint: String,
    pub name: String,
}

/// The endpoint that a variable names, or `None` and a word that the test is skipped; where LIFECYCLE_REQUIRE_SERVERS
/// is set, the test fails.
fn endpoint(variable: &str) -> Option<String> {
    match std::env::var(variable) {
        Ok(endpoint) if !endpoint.is_empty() => Some(endpoint.trim_end_matches('/').to_owned()),
        _ => {
            let message = format!("{variable} names no server");
            assert!(std::env::var_os("LIFECYCLE_REQUIRE_SERVERS").is_none(), "{message}");
            eprintln!("skipped: {message}");
            None
        }
    }
}

impl Bucket {
    /// `LIFECYCLE_TEST_S3` is an endpoint such as `http://127.0.0.1:5000`.
    pub async fn on_s3(purpose: &str) -> Option<Self> {
        Self::make(Kind::S3, endpoint("LIFECYCLE_TEST_S3")?, purpose).await
    }

    /// `LIFECYCLE_TEST_AZURE` is an endpoint of an Azurite such as `http://127.0.0.1:10000`.
    pub async fn on_azure(purpose: &str) -> Option<Self> {
        Self::make(Kind::Azure, endpoint("LIFECYCLE_TEST_AZURE")?, purpose).await
    }

    async fn make(kind: Kind, endpoint: String, purpose: &str) -> Option<Self> {
        let name = format!("{purpose}-{}", Uuid::new_v4().simple());
        let place = match kind {
            Kind::S3 => format!("{endpoint}/{name}"),
            Kind::Azure => format!("{endpoint}/{ACCOUNT}/{name}?restype=container"),
        };
        let mut request = Request::put(place).header("content-length", "0").body(HttpRequestBody::empty()).unwrap();
        if kind == Kind::Azure {
            let key = AzureCredential::AccessKey(AzureAccessKey::try_new(ACCOUNT_KEY).unwrap());
            AzureAuthorizer::new(&key, ACCOUNT).authorize(&mut request);
        }
        let client = ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true)).unwrap();
        let answer = client.execute(request).await.unwrap();
        assert!(answer.status().is_success(), "{kind:?} made no bucket {name}: {}", answer.status());
        Some(Self { kind, endpoint, name })
    }

    /// `storage` options as a user writes them.
    pub fn options(&self) -> BTreeMap<String, String> {
        let options = match self.kind {
            Kind::S3 => vec![
                ("aws_endpoint", self.endpoint.clone()),
                ("aws_allow_http", "true".to_owned()),
                ("aws_region", "us-east-1".to_owned()),
                ("aws_access_key_id", "anybody".to_owned()),
                ("aws_secret_access_key", "anything".to_owned()),
            ],
            Kind::Azure => vec![
                ("azure_storage_endpoint", format!("{}/{ACCOUNT}", self.endpoint)),
                ("azure_allow_http", "true".to_owned()),
                ("azure_storage_account_name", ACCOUNT.to_owned()),
                ("azure_storage_account_key", ACCOUNT_KEY.to_owned()),
            ],
        };
        options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A client of its own.
    pub fn stores(&self) -> Stores {
        Stores::new(&self.options())
    }

    pub fn url(&self, path: &str) -> Url {
        let scheme = if self.kind == Kind::S3 { "s3" } else { "az" };
        Url::parse(&format!("{scheme}://{}/{path}", self.name)).unwrap()
    }

    /// The Hadoop way of writing a container's place; on S3 there is but one.
    pub fn other_url(&self, path: &str) -> Url {
        match self.kind {
            Kind::S3 => self.url(path),
            Kind::Azure => Url::parse(&format!("abfss://{}@{ACCOUNT}.dfs.core.windows.net/{path}", self.name)).unwrap(),
        }
    }

    /// The bucket's store, for putting objects.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.stores().open(&self.url("")).unwrap().0
    }
}
