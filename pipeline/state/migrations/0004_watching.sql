-- Instants are microseconds since 1970 in UTC; days are yyyy-mm-dd.

-- How far a run at work is; its row goes when it ends.
create table run_progress (
    run_id text not null primary key,
    stage text not null,
    detail text,
    done integer not null,
    total integer,
    updated_at integer not null
) strict;

-- Why a run failed, beyond its message, and what to do about it. Never holds values of columns that are marked pii.
create table run_troubles (
    run_id text not null primary key,
    -- a JSON list of lines
    causes text not null,
    hint text
) strict;

-- What people are told, once each. Holds no address and no URL.
create table notices (
    notice_id text not null primary key,
    job text not null,
    kind text not null,
    run_id text,
    happened_at integer not null,
    recorded_at integer not null,
    -- the message as JSON
    message text not null
) strict;

create index notices_by_job on notices (job, kind, happened_at);

-- One line for each target of a notice; the target is its place in the job's list.
create table notice_sends (
    notice_id text not null references notices (notice_id),
    target integer not null,
    status text not null,
    attempts integer not null default 0,
    next_at integer not null,
    primary key (notice_id, target)
) strict;

create index notice_sends_waiting on notice_sends (status, next_at);
