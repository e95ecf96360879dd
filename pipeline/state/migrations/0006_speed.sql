-- So that lists of the newest runs read no others.

drop index runs_by_start;
drop index runs_by_job;
create index runs_by_start on runs (started_at, run_id);
create index runs_by_job on runs (job, started_at, run_id);
create index runs_by_day on runs (job, as_of);
create index runs_under_way on runs (job) where status = 'running';
