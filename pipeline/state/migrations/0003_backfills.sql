-- Instants are microseconds since 1970 in UTC; days are yyyy-mm-dd.

-- oldest_first or newest_first
alter table backfills add column day_order text not null default 'oldest_first';

-- when it was told to begin no further day, and by whom
alter table backfills add column paused_at integer;
alter table backfills add column paused_by text;

-- 1: the day failed, and was made to wait again
alter table backfill_days add column is_retry integer not null default 0;

-- the lease under which it was worked on last, and how many days at once
alter table backfills add column lease_name text;
alter table backfills add column lease_token integer;
alter table backfills add column parallel integer not null default 0;
