//! What people are told: each notice is recorded once, and each of its sendings until it succeeded or was given up.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::text::{later, micros, signed, text_enum};
use super::{State, StateError};

text_enum! {
    /// What a notice is about.
    NoticeKind {
        Failure = "failure",
        Recovery = "recovery",
        Missed = "missed",
        Stale = "stale",
    }
}

text_enum! {
    /// Where the sending of a notice to one target stands.
    SendStatus {
        Waiting = "waiting",
        Sent = "sent",
        GivenUp = "given_up",
    }
}

/// Something that people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Made from what happened, so that whoever finds the same makes the same: `failure:<run>`.
    pub notice_id: String,
    pub job: String,
    pub kind: NoticeKind,
    pub run_id: Option<String>,
    pub happened_at: DateTime<Utc>,
    /// JSON, in the words of whoever sends it.
    pub message: String,
}

/// One sending that is due, claimed by this process for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSend {
    pub notice: Notice,
    /// When somebody found that there is something to tell: long after it happened, where nobody looked.
    pub recorded_at: DateTime<Utc>,
    /// The target's place in the job's list.
    pub target: usize,
    /// Tries before this one.
    pub attempts: u64,
}

impl State {
    /// Records a notice with its sendings, unless it is known; tells whether it is new.
    pub async fn record_notice(&self, notice: &Notice, targets: usize, now: DateTime<Utc>) -> Result<bool, StateError> {
        const DOING: &str = "recording a notice";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        let is_new = sqlx::query(
            "insert into notices (notice_id, job, kind, run_id, happened_at, recorded_at, message)
             values ($1, $2, $3, $4, $5, $6, $7) on conflict (notice_id) do nothing",
        )
        .bind(&notice.notice_id)
        .bind(&notice.job)
        .bind(notice.kind.as_str())
        .bind(&notice.run_id)
        .bind(micros(notice.happened_at))
        .bind(micros(now))
        .bind(&notice.message)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?
        .rows_affected()
            > 0;
        if is_new {
            for target in 0..targets as u64 {
                sqlx::query(
                    "insert into notice_sends (notice_id, target, status, attempts, next_at)
                     values ($1, $2, 'waiting', 0, $3)",
                )
                .bind(&notice.notice_id)
                .bind(signed(target))
                .bind(micros(now))
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
            }
        }
        transaction.commit().await.map_err(failed)?;
        Ok(is_new)
    }

    /// Claims sendings about some jobs that are due, the oldest first and `most` at most: nobody else gets them until
    /// `claim` is over.
    pub async fn claim_sends(
        &self,
        jobs: &BTreeSet<&str>,
        most: usize,
        claim: Duration,
        now: DateTime<Utc>,
    ) -> Result<Vec<DueSend>, StateError> {
        const DOING: &str = "claiming notices to send";
        let failed = |error| self.failed(DOING, error);
        // Most of the time nothing waits, and looking takes no lock.
        let waiting: Vec<String> = sqlx::query_scalar(
            "select distinct n.job from notice_sends as s join notices as n on n.notice_id = s.notice_id
             where s.status = 'waiting' and s.next_at <= $1",
        )
        .bind(micros(now))
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        if !waiting.iter().any(|job| jobs.contains(job.as_str())) {
            return Ok(Vec::new());
        }
        let mut transaction = self.write(DOING).await?;
        let rows = sqlx::query(
            "select n.notice_id, n.job, n.kind, n.run_id, n.happened_at, n.recorded_at, n.message, s.target, s.attempts
             from notice_sends as s join notices as n on n.notice_id = s.notice_id
             where s.status = 'waiting' and s.next_at <= $1
             order by n.happened_at, n.notice_id, s.target",
        )
        .bind(micros(now))
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
        let mut due = Vec::new();
        for row in &rows {
            let record = self.record(row);
            if due.len() == most {
                break;
            }
            if !jobs.contains(record.text("job")?.as_str()) {
                continue;
            }
            let target = record.count("target")?;
            due.push(DueSend {
                notice: Notice {
                    notice_id: record.text("notice_id")?,
                    job: record.text("job")?,
                    kind: record.named("kind", NoticeKind::from_text)?,
                    run_id: record.value("run_id")?,
                    happened_at: record.instant("happened_at")?,
                    message: record.text("message")?,
                },
                recorded_at: record.instant("recorded_at")?,
                target: usize::try_from(target).unwrap_or(usize::MAX),
                attempts: record.count("attempts")?,
            });
        }
        for send in &due {
            sqlx::query(
                "update notice_sends set next_at = $1, attempts = attempts + 1 where notice_id = $2 and target = $3",
            )
            .bind(micros(later(now, claim)))
            .bind(&send.notice.notice_id)
            .bind(signed(send.target as u64))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(due)
    }

    /// Records what came of a sending; one that waits is due again at `next_at`.
    ///
    /// Where the claim was over and somebody else has claimed it since, only a success counts.
    pub async fn finish_send(
        &self,
        send: &DueSend,
        status: SendStatus,
        next_at: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let query = || {
            sqlx::query(
                "update notice_sends set status = $1, next_at = $2
                 where notice_id = $3 and target = $4 and status = 'waiting' and (attempts = $5 or $6 = 1)",
            )
            .bind(status.as_str())
            .bind(micros(next_at))
            .bind(&send.notice.notice_id)
            .bind(signed(send.target as u64))
            .bind(signed(send.attempts + 1))
            .bind(i64::from(status == SendStatus::Sent))
        };
        self.change("recording a sent notice", query).await.map(drop)
    }

    /// The newest notice of a kind about a job.
    pub async fn newest_notice(&self, job: &str, kind: NoticeKind) -> Result<Option<Notice>, StateError> {
        let row = sqlx::query(
            "select * from notices where job = $1 and kind = $2 order by happened_at desc, notice_id desc limit 1",
        )
        .bind(job)
        .bind(kind.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| self.failed("reading notices", error))?;
        let Some(row) = row else { return Ok(None) };
        let record = self.record(&row);
        Ok(Some(Notice {
            notice_id: record.text("notice_id")?,
            job: record.text("job")?,
            kind: record.named("kind", NoticeKind::from_text)?,
            run_id: record.value("run_id")?,
            happened_at: record.instant("happened_at")?,
            message: record.text("message")?,
        }))
    }
}
