-- The days at which tables that look back are computed: as_of, and the days
-- that something is compared with. Models with a `cut_on` column use the facts
-- up to that day, with today's identities.
with cut_days as (
    select $as_of as cut_on
    union all
    select add_days($as_of, -$matrix_compare_days) as cut_on
),

final as (
    select distinct cut_on from cut_days
)

select * from final
