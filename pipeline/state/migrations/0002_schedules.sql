-- Instants are microseconds since 1970 in UTC; days are yyyy-mm-dd.

create table schedules (
    job text not null primary key,
    -- which timetable it is: where it changes, nothing is caught up from before
    fingerprint text not null,
    since integer not null,
    -- every instant up to this one has been decided
    decided_until integer not null,
    -- grows with each decision: of two who decide at once, the second sees that it decided from old facts
    version integer not null,
    paused_at integer,
    paused_by text,
    pause_reason text
) strict;

create table scheduled_runs (
    job text not null,
    scheduled_at integer not null,
    -- a row may stand for several instants that were missed together: the first of them, and how many
    first_at integer not null,
    instants integer not null,
    as_of text not null,
    status text not null,
    reason text,
    is_made_up integer not null,
    -- of a job that runs after others: the end of the newest of their runs that this one answers
    answers integer,
    decided_at integer not null,
    decided_by text not null,
    attempts integer not null,
    -- how many of the attempts ended with their process
    deaths integer not null,
    owner text,
    lease_until integer,
    started_at integer,
    finished_at integer,
    run_id text,
    outcome text,
    message text,
    primary key (job, scheduled_at)
) strict;

create index scheduled_runs_by_status on scheduled_runs (status);
create index scheduled_runs_by_day on scheduled_runs (job, as_of);
create index runs_by_finish on runs (finished_at);
