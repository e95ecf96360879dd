-- Instants are microseconds since 1970 in UTC; days are yyyy-mm-dd.

create table leases (
    name text not null primary key,
    owner text not null,
    token integer not null,
    acquired_at integer not null,
    expires_at integer not null,
    released_at integer,
    -- 1: the owner holds a lock file, so its death is known at once
    is_guarded integer not null
) strict;

create table runs (
    run_id text not null primary key,
    job text not null,
    as_of text not null,
    started_by text not null,
    environment text not null,
    status text not null,
    started_at integer not null,
    finished_at integer,
    message text,
    release_number integer,
    lease_name text not null,
    lease_token integer not null,
    backfill_id text
) strict;

create index runs_by_start on runs (started_at);
create index runs_by_job on runs (job, started_at);

create table run_tables (
    run_id text not null references runs (run_id),
    position integer not null,
    table_name text not null,
    action text not null,
    reason text not null,
    row_count integer,
    bytes integer,
    seconds real not null,
    version integer,
    primary key (run_id, table_name)
) strict;

create table run_sources (
    run_id text not null references runs (run_id),
    position integer not null,
    source text not null,
    objects_new integer not null,
    objects_changed integer not null,
    objects_unchanged integer not null,
    rows_in integer not null,
    landed integer not null,
    rejected integer not null,
    bytes integer not null,
    seconds real not null,
    version integer,
    primary key (run_id, source)
) strict;

create table run_checks (
    run_id text not null references runs (run_id),
    position integer not null,
    table_name text not null,
    check_name text not null,
    severity text not null,
    status text not null,
    bad_rows integer not null,
    sample text,
    seconds real not null,
    primary key (run_id, table_name, check_name)
) strict;

create table backfills (
    backfill_id text not null primary key,
    job text not null,
    environment text not null,
    first_day text not null,
    last_day text not null,
    selection text not null,
    created_at integer not null,
    cancelled_at integer
) strict;

create table backfill_days (
    backfill_id text not null references backfills (backfill_id),
    as_of text not null,
    status text not null,
    run_id text,
    attempts integer not null default 0,
    started_at integer,
    finished_at integer,
    message text,
    lease_name text,
    lease_token integer,
    primary key (backfill_id, as_of)
) strict;
