-- Instants are microseconds since 1970 in UTC; days are yyyy-mm-dd.

-- Runs that try an earlier one again.
create table run_attempts (
    run_id text not null primary key references runs (run_id),
    -- from 2: the first attempt is a run like any other
    attempt integer not null,
    -- the run of the first attempt, where it came far enough to be recorded
    of_run text
) strict;

-- Days of histories that a run looked at again because facts came late.
create table run_repairs (
    run_id text not null references runs (run_id),
    table_name text not null,
    as_of text not null,
    -- moved, unmoved, failed, left
    status text not null,
    reason text not null,
    rows_added integer not null,
    rows_removed integer not null,
    rows_changed integer not null,
    primary key (run_id, table_name, as_of)
) strict;
