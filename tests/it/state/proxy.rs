//! Stands between a client and a PostgreSQL server, and cuts the connection at a chosen message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where the connection ends: before the server has got the message, or after it has answered and before the client
/// hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Before,
    After,
}

/// Which messages of a client are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Commits,
    All,
}

/// Counts the messages of all clients, and cuts at the n-th, once.
pub struct Proxy {
    pub port: u16,
    plan: Arc<Plan>,
}

struct Plan {
    counted: Counted,
    cut: Option<(usize, Cut)>,
    count: AtomicUsize,
    has_cut: AtomicBool,
}

impl Proxy {
    pub async fn start(server: u16, counted: Counted, cut: Option<(usize, Cut)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan { counted, cut, count: AtomicUsize::new(0), has_cut: AtomicBool::new(false) });
        let accepted = plan.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                // Each message is written alone: held back until the last one is acknowledged, it would take 40 ms.
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                tokio::spawn(relay(client, server, accepted.clone()));
            }
        });
        Self { port, plan }
    }

    /// How many messages were counted.
    pub fn count(&self) -> usize {
        self.plan.count.load(Ordering::SeqCst)
    }

    pub fn has_cut(&self) -> bool {
        self.plan.has_cut.load(Ordering::SeqCst)
    }
}

impl Plan {
    /// What is to be done with this message.
    fn judge(&self, kind: u8, body: &[u8]) -> Option<Cut> {
        let is_counted = match self.counted {
            Counted::Commits => kind == b'Q' && body.starts_with(b"COMMIT"),
            // What ends a session ends nothing else.
            Counted::All => kind != b'X',
        };
        if !is_counted {
            return None;
        }
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let cut = self.cut.filter(|(at, _)| *at == number).map(|(_, cut)| cut)?;
        self.has_cut.store(true, Ordering::SeqCst);
        Some(cut)
    }
}

/// Returns when either side ends; both connections are closed then.
async fn relay(client: TcpStream, server: TcpStream, plan: Arc<Plan>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers_go_on = Arc::new(AtomicBool::new(true));
    let goes_on = answers_go_on.clone();
    let questions = async move {
        // The first message has no kind: its length, and the session's settings.
        let mut is_first = true;
        loop {
            let kind = if is_first { 0 } else { from_client.read_u8().await? };
            let length = from_client.read_u32().await?;
            let mut body = vec![0; length as usize - 4];
            from_client.read_exact(&mut body).await?;
            let cut = if is_first { None } else { plan.judge(kind, &body) };
            if cut == Some(Cut::Before) {
                return std::io::Result::Ok(());
            }
            if cut == Some(Cut::After) {
                goes_on.store(false, Ordering::SeqCst);
            }
            let mut message = if is_first { Vec::new() } else { vec![kind] };
            message.extend(length.to_be_bytes());
            message.extend(body);
            if cut == Some(Cut::After) && kind != b'Q' {
                // Without this the server would keep its answer to a part of a question for itself.
                message.extend([b'H', 0, 0, 0, 4]);
            }
            to_server.write_all(&message).await?;
            is_first = false;
        }
    };
    let answers = async move {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let count = from_server.read(&mut bytes).await?;
            if count == 0 || !answers_go_on.load(Ordering::SeqCst) {
                return std::io::Result::Ok(());
            }
            to_client.write_all(&bytes[..count]).await?;
        }
    };
    tokio::select! {
        _ = questions => {}
        _ = answers => {}
    }
}
