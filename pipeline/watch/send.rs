//! Sends one message to one place: a webhook or a mailbox. Errors never name it.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::message::Message;
use crate::config::{NotifyTarget, Smtp, SmtpTls};

/// How long and how often sending is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one try.
    pub timeout: Duration,
    /// Tries in a row.
    pub tries: u32,
    /// Between two of them; doubles.
    pub pause: Duration,
    /// Until the next tries in a row; doubles, up to an hour.
    pub later: Duration,
    /// After it was found that there is something to tell, when nobody is told any more.
    pub give_up: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            tries: 3,
            pause: Duration::from_secs(2),
            later: Duration::from_secs(120),
            give_up: Duration::from_secs(24 * 3_600),
        }
    }
}

impl Patience {
    /// How long all tries in a row take at most.
    pub(super) fn longest(&self) -> Duration {
        let pauses = (1..self.tries).map(|number| self.pause * 2_u32.saturating_pow(number - 1)).sum::<Duration>();
        self.timeout * self.tries + pauses
    }
}

/// Why a message was not sent. Names neither URL nor address.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("there was no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("the server cannot be reached")]
    Unreachable,
    #[error("the server answered with status {0}")]
    Http(u16),
    #[error("the mail server answered with {0}")]
    Smtp(u16),
    #[error("the encrypted connection failed")]
    Encryption,
    #[error("the server does not speak as expected")]
    Protocol,
    #[error("an address cannot be used")]
    Address,
    #[error("the environment has no `smtp`")]
    NoServer,
    #[error("the job's file no longer names this target")]
    Gone,
    #[error("the recorded notice cannot be read")]
    Unreadable,
    #[error("no client for HTTP could be made")]
    Client,
}

impl SendError {
    /// Whether another try would end the same.
    pub fn is_permanent(&self) -> bool {
        match self {
            SendError::Address | SendError::NoServer | SendError::Gone | SendError::Unreadable => true,
            // Some ask to try again.
            SendError::Http(code) => (300..500).contains(code) && ![408, 425, 429].contains(code),
            SendError::Smtp(code) => *code >= 500,
            _ => false,
        }
    }
}

/// Sends messages.
#[derive(Debug, Clone)]
pub(super) struct Post {
    client: Option<reqwest::Client>,
    smtp: Option<Smtp>,
    pub patience: Patience,
}

impl Post {
    pub fn new(smtp: Option<Smtp>, patience: Patience) -> Self {
        // What a redirect leads to was not configured, and the URL is a secret.
        let client = reqwest::Client::builder()
            .user_agent(concat!("lifecycle/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(patience.timeout)
            .build();
        Self { client: client.ok(), smtp, patience }
    }

    /// Sends a message, trying again while that may help.
    pub async fn send(&self, target: &NotifyTarget, message: &Message, notice_id: &str) -> Result<(), SendError> {
        let mut pause = self.patience.pause;
        let mut tried = 1;
        loop {
            match self.try_once(target, message, notice_id).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_permanent() || tried >= self.patience.tries => return Err(error),
                Err(error) => tracing::debug!(%error, tried, "a notice is sent again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            tried += 1;
        }
    }

    async fn try_once(&self, target: &NotifyTarget, message: &Message, notice_id: &str) -> Result<(), SendError> {
        let timeout = self.patience.timeout;
        let work = async {
            match target {
                NotifyTarget::Webhook(url) => self.post(url, message, notice_id).await,
                NotifyTarget::Email(addresses) => self.mail(addresses, message, notice_id).await,
            }
        };
        tokio::time::timeout(timeout, work).await.unwrap_or(Err(SendError::TimedOut(timeout)))
    }

    async fn post(&self, url: &str, message: &Message, notice_id: &str) -> Result<(), SendError> {
        let client = self.client.as_ref().ok_or(SendError::Client)?;
        let request = client
            .post(url)
            .header("content-type", "application/json")
            // For receivers that tell the same notice from another one.
            .header("idempotency-key", notice_id)
            .body(message.slack(notice_id));
        let response = request.send().await.map_err(|error| http_error(&error, self.patience.timeout))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(SendError::Http(status.as_u16())),
        }
    }

    async fn mail(&self, addresses: &[String], message: &Message, notice_id: &str) -> Result<(), SendError> {
        let smtp = self.smtp.as_ref().ok_or(SendError::NoServer)?;
        let mailbox = |address: &str| address.parse::<Mailbox>().map_err(|_| SendError::Address);
        let from = mailbox(&smtp.from)?;
        // The same notice has the same id, so that mail programs show it once.
        let id = format!("<{}@{}>", notice_id.replace(':', "."), from.email.domain());
        let mut builder = lettre::Message::builder().from(from).subject(message.subject()).message_id(Some(id));
        for address in addresses {
            builder = builder.to(mailbox(address)?);
        }
        let email =
            builder.header(ContentType::TEXT_PLAIN).body(message.plain(notice_id)).map_err(|_| SendError::Address)?;
        transport(smtp, self.patience.timeout)?.send(email).await.map(drop).map_err(|error| match error.status() {
            Some(code) => SendError::Smtp(code.into()),
            None if error.is_timeout() => SendError::TimedOut(self.patience.timeout),
            None if error.is_tls() => SendError::Encryption,
            None if error.is_response() || error.is_client() => SendError::Protocol,
            None => SendError::Unreachable,
        })
    }
}

fn transport(smtp: &Smtp, timeout: Duration) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
    let parameters = || TlsParameters::new(smtp.host.clone()).map_err(|_| SendError::Encryption);
    let tls = match smtp.tls {
        SmtpTls::Starttls => Tls::Required(parameters()?),
        SmtpTls::Tls => Tls::Wrapper(parameters()?),
        SmtpTls::None => Tls::None,
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
        .port(smtp.port)
        .tls(tls)
        .timeout(Some(timeout));
    Ok(match &smtp.login {
        Some(login) => builder.credentials(Credentials::new(login.user.clone(), login.password.clone())).build(),
        None => builder.build(),
    })
}

fn http_error(error: &reqwest::Error, timeout: Duration) -> SendError {
    if error.is_timeout() {
        SendError::TimedOut(timeout)
    } else if error.is_connect() {
        SendError::Unreachable
    } else {
        SendError::Protocol
    }
}
